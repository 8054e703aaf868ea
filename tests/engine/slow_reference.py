"""The same quantities in plain float64 numpy, one stock and one candidate at a time."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

SAME = 12
"""Decimals after which two float64 signals count as tied, as in the golden values."""


def aggregate(scores, member, weights, alpha=0.5, missing="renormalize"):
    """Signals as `{name: [P, N, D]}`."""
    _, stocks, dates = scores.shape
    mean, deviation = np.full((2, len(weights), stocks, dates), np.nan)
    for p, n, d in np.ndindex(len(weights), stocks, dates):
        s = scores[:, n, d].astype(float)
        if missing == "zero":
            s = np.nan_to_num(s)
        w = np.where(np.isnan(s), 0.0, weights[p].astype(float))
        if member[n, d] and w.sum() > 0:
            s = np.nan_to_num(s)
            mean[p, n, d] = (w * s).sum() / w.sum()
            deviation[p, n, d] = np.sqrt((w * (s - mean[p, n, d]) ** 2).sum() / w.sum())
    return {"mean": mean, "disagreement": -deviation, "combined": alpha * mean - (1 - alpha) * deviation}


def rank_correlation(signal, returns):
    """Spearman's correlation over the stocks that have both; NaN where either is constant."""
    both = ~np.isnan(signal) & ~np.isnan(returns)
    x, y = rankdata(signal[both].round(SAME)), rankdata(returns[both])
    if both.sum() < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return np.corrcoef(x, y)[0, 1]


def fitness(scores, member, forward_returns, weights, alpha=0.5, signal="combined", missing="renormalize"):
    """Mean RankIC [P]."""
    signals = aggregate(scores, member, weights, alpha, missing)[signal]
    returns = np.where(member, forward_returns, np.nan)
    daily = np.array([[rank_correlation(*date) for date in zip(row.T, returns.T, strict=True)] for row in signals])
    counted = ~np.isnan(daily)
    return np.where(counted.any(1), np.where(counted, daily, 0).sum(1) / np.maximum(counted.sum(1), 1), np.nan)


def panel(seed, archetypes=5, stocks=9, dates=3, candidates=6, missing=0.15, absent=0.1, copies=True):
    """A random panel with missing scores, absent stocks, unknown returns, and stocks that copy another's scores."""
    rng = np.random.default_rng(seed)
    scores = rng.random((archetypes, stocks, dates)).astype(np.float32)
    scores[rng.random(scores.shape) < missing] = np.nan
    if copies:
        scores[:, -3:] = scores[:, :3]
    member = rng.random((stocks, dates)) >= absent
    returns = rng.normal(size=(stocks, dates)).astype(np.float32)
    returns[rng.random(returns.shape) < absent] = np.nan
    weights = rng.dirichlet(np.ones(archetypes), candidates).astype(np.float32)
    return scores, member, returns, weights
