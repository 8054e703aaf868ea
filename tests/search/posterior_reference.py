"""The posteriors of `massjax.search.posterior` slowly and in float64, by full matrices, one decay rate after the other."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from massjax.search.posterior.skill import COMMON, PERSISTENCE, PERSISTENCE_PRIOR, POWERS, SPREAD


def unit_ranks(values):
    """Centred average ranks of norm 1 of each row; 0 where missing or where all tie."""
    out = np.zeros(values.shape)
    for row, given in zip(out, values, strict=True):
        known = np.isfinite(given)
        if known.any():
            ranks = rankdata(given[known])
            row[known] = ranks - ranks.mean()
    norm = np.linalg.norm(out, axis=1, keepdims=True)
    return np.divide(out, norm, out=np.zeros_like(out), where=norm > 0)


def prior_covariances(correlation):
    """Of the skills, for each spread and power p: `C^p`, scaled to a mean variance of the spread squared."""
    for spread in SPREAD.astype(float):
        for power in POWERS.astype(int):
            shape = np.linalg.matrix_power(correlation, power)
            yield spread**2 * shape / np.trace(shape) * len(shape)


def filtered(observed, noise, correlation, direction, ahead):
    """Posterior mean of the skills `ahead` dates after the last observation, by full matrices in the archetypes' own coordinates.

    observed [T, K]; noise [T, K, K]; correlation [K, K]; direction [K].
    """
    archetypes = observed.shape[1]
    logs, means = [], []
    for decay, chance in zip(PERSISTENCE.astype(float), PERSISTENCE_PRIOR.astype(float), strict=True):
        for prior in prior_covariances(correlation):
            for common in COMMON.astype(float):
                mean, variance = np.zeros(archetypes), prior
                log = np.log(chance)
                for seen, covariance in zip(observed, noise, strict=True):
                    total = variance + covariance
                    error = seen - common * direction - mean
                    log -= 0.5 * (error @ np.linalg.solve(total, error) + np.linalg.slogdet(total)[1])
                    gain = variance @ np.linalg.inv(total)
                    mean = decay * (mean + gain @ error)
                    variance = decay**2 * (variance - gain @ variance) + (1 - decay**2) * prior
                logs.append(log)
                means.append(common * direction + decay**ahead * mean)
    odds = np.exp(np.array(logs) - max(logs))
    return odds @ np.array(means) / odds.sum()


def hierarchical_bayes(mean, covariance, correlation, direction):
    """Posterior mean of constant skills from their sample mean x: mu ~ N(m a, P), x ~ N(mu, V), averaged over the grid of (m, P)."""
    logs, means = [], []
    for prior in prior_covariances(correlation):
        for common in COMMON.astype(float):
            total = prior + covariance
            error = mean - common * direction
            logs.append(-0.5 * (error @ np.linalg.solve(total, error) + np.linalg.slogdet(total)[1]))
            means.append(common * direction + prior @ np.linalg.solve(total, error))
    odds = np.exp(np.array(logs) - max(logs))
    return odds @ np.array(means) / odds.sum()
