"""Correlations of signals with what followed, date by date, in float64: the reference for every faster computation."""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike, Bool, Float

from massjax.average_ranks import average_ranks
from massjax.labels import check_labels, plain
from massjax.statistics.cross_sections import correlation_of, deviations


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

    Example:
        Three stocks on two dates: the signal orders them as they return, and then says nothing.

        >>> import numpy as np
        >>> from massjax.statistics.correlation import daily_rank_ic
        >>> signal = np.array([[0.1, 0.5], [0.2, 0.5], [0.9, 0.5]])
        >>> returns = np.array([[-0.02, 0.01], [0.01, 0.03], [0.02, 0.0]])
        >>> daily_rank_ic(signal, returns).round(6).tolist()
        [1.0, nan]
    """
    return _correlation(*map(average_ranks, _common(signal, forward_returns, member)))


def daily_ic(
    signal: Float[ArrayLike, "N T"], forward_returns: Float[ArrayLike, "N T"], member: Bool[ArrayLike, "N T"] | None = None
) -> Float[np.ndarray, " T"]:
    """IC of each date: Pearson's correlation of signal and forward return over the members that have both.

    Args:
        signal: higher means better; NaN = none.
        forward_returns: NaN = unknown.
        member: True where the stock is in the universe; None = wherever there is a signal.

    Returns:
        In [-1, 1]; NaN on dates where fewer than two stocks are left or either side is constant.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.correlation import daily_ic
        >>> daily_ic(np.array([[0.0], [0.5], [1.0]]), np.array([[0.0], [0.02], [0.01]])).round(6).tolist()
        [0.5]
    """
    return _correlation(*_common(signal, forward_returns, member))


def _common(
    signal: Float[ArrayLike, "N T"], forward_returns: Float[ArrayLike, "N T"], member: Bool[ArrayLike, "N T"] | None
) -> tuple[Float[np.ndarray, "N T"], Float[np.ndarray, "N T"]]:
    """Signal and forward return in float64, NaN in both where a stock is no member or lacks either."""
    check_labels(member=member, signal=signal, forward_returns=forward_returns)
    signal, forward_returns = (
        np.asarray(plain("signal", signal), np.float64),
        np.asarray(plain("forward_returns", forward_returns), np.float64),
    )
    known = np.isfinite(signal) & np.isfinite(forward_returns)
    if member is not None:
        known &= np.asarray(plain("member", member))
    return np.where(known, signal, np.nan), np.where(known, forward_returns, np.nan)


def _correlation(x: Float[np.ndarray, "N T"], y: Float[np.ndarray, "N T"]) -> Float[np.ndarray, " T"]:
    """Pearson's correlation of each column of x with that of y, which have NaN in the same places; NaN where one of them is constant."""
    known = np.isfinite(x)
    return correlation_of(deviations(x, known), deviations(y, known))
