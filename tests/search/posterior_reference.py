"""The posteriors of `massjax.search.posterior` slowly and in float64, by full matrices, one decay rate after the other."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from massjax.search.posterior.skill import COMMON, PERSISTENCE, PERSISTENCE_PRIOR, SPREAD


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


def filtered(observed, noise, direction, ahead):
    """Posterior mean of the skills `ahead` dates after the last observation, by full matrices in the archetypes' own coordinates.

    observed [T, K]; noise [T, K, K]; direction [K].
    """
    archetypes = observed.shape[1]
    logs, means = [], []
    for decay, prior in zip(PERSISTENCE.astype(float), PERSISTENCE_PRIOR.astype(float), strict=True):
        for spread in SPREAD.astype(float):
            for common in COMMON.astype(float):
                mean, variance = np.zeros(archetypes), spread**2 * np.eye(archetypes)
                log = np.log(prior)
                for seen, covariance in zip(observed, noise, strict=True):
                    total = variance + covariance
                    error = seen - common * direction - mean
                    log -= 0.5 * (error @ np.linalg.solve(total, error) + np.linalg.slogdet(total)[1])
                    gain = variance @ np.linalg.inv(total)
                    mean = decay * (mean + gain @ error)
                    variance = decay**2 * (variance - gain @ variance) + (1 - decay**2) * spread**2 * np.eye(archetypes)
                logs.append(log)
                means.append(common * direction + decay**ahead * mean)
    odds = np.exp(np.array(logs) - max(logs))
    return odds @ np.array(means) / odds.sum()


def hierarchical_bayes(mean, covariance, direction):
    """Posterior mean of constant skills from their sample mean: mu ~ N(m a, tau^2), x ~ N(mu, V), averaged over the grid of (m, tau)."""
    archetypes = len(mean)
    logs, means = [], []
    for spread in SPREAD.astype(float):
        for common in COMMON.astype(float):
            total = spread**2 * np.eye(archetypes) + covariance
            error = mean - common * direction
            logs.append(-0.5 * (error @ np.linalg.solve(total, error) + np.linalg.slogdet(total)[1]))
            means.append(common * direction + spread**2 * np.linalg.solve(total, error))
    odds = np.exp(np.array(logs) - max(logs))
    return odds @ np.array(means) / odds.sum()
