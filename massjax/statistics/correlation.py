"""Correlations of signals with what followed, date by date, in float64: the reference for every faster computation."""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike, Bool, Float
from scipy.stats import rankdata

from massjax.labels import check_labels, plain


def daily_rank_ic(
    signal: Float[ArrayLike, "N T"], forward_returns: Float[ArrayLike, "N T"], member: Bool[ArrayLike, "N T"] | None = None
) -> Float[np.ndarray, " T"]:
    """RankIC of each date: Spearman's correlation of signal and forward return over the members that have both.

    Args:
        signal: higher means better; NaN = none.
        forward_returns: NaN = unknown.
        member: True where the stock is in the universe; None = wherever there is a signal.

    Returns:
        In [-1, 1], average ranks on ties; NaN on dates where fewer than two stocks are left or either side is constant.
    """
    return _correlation(*map(_ranks, _common(signal, forward_returns, member)))


def daily_ic(
    signal: Float[ArrayLike, "N T"], forward_returns: Float[ArrayLike, "N T"], member: Bool[ArrayLike, "N T"] | None = None
) -> Float[np.ndarray, " T"]:
    """IC of each date: Pearson's correlation of signal and forward return; otherwise as `daily_rank_ic`."""
    return _correlation(*_common(signal, forward_returns, member))


def _common(
    signal: Float[ArrayLike, "N T"], forward_returns: Float[ArrayLike, "N T"], member: Bool[ArrayLike, "N T"] | None
) -> tuple[Float[np.ndarray, "N T"], Float[np.ndarray, "N T"]]:
    check_labels(member=member, signal=signal, forward_returns=forward_returns)
    signal, forward_returns = (
        np.asarray(plain("signal", signal), np.float64),
        np.asarray(plain("forward_returns", forward_returns), np.float64),
    )
    known = np.isfinite(signal) & np.isfinite(forward_returns)
    if member is not None:
        known &= np.asarray(plain("member", member))
    return np.where(known, signal, np.nan), np.where(known, forward_returns, np.nan)


def _ranks(values: Float[np.ndarray, "N T"]) -> Float[np.ndarray, "N T"]:
    """Average ranks down each column; NaN stays NaN and, set to infinity, ranks after everything else."""
    known = np.isfinite(values)
    return np.where(known, rankdata(np.where(known, values, np.inf), axis=0), np.nan)


def _correlation(x: Float[np.ndarray, "N T"], y: Float[np.ndarray, "N T"]) -> Float[np.ndarray, " T"]:
    """Pearson's correlation down each column of two arrays with the same NaN; NaN where one of them is constant."""
    known = np.isfinite(x)
    count = np.maximum(known.sum(0), 1)
    varied = _varies(x, known) & _varies(y, known)
    dx = np.where(known, x - np.where(known, x, 0.0).sum(0) / count, 0.0)
    dy = np.where(known, y - np.where(known, y, 0.0).sum(0) / count, 0.0)
    scale = np.sqrt((dx * dx).sum(0)) * np.sqrt((dy * dy).sum(0))
    defined = varied & (scale > 0)
    return np.where(defined, (dx * dy).sum(0) / np.where(defined, scale, 1.0), np.nan)


def _varies(values: Float[np.ndarray, "N T"], known: Bool[np.ndarray, "N T"]) -> Bool[np.ndarray, " T"]:
    return np.asarray(np.where(known, values, -np.inf).max(0) > np.where(known, values, np.inf).min(0))
