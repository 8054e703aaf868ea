"""Rank correlation of a signal with what followed, date by date, with what both may owe to size, momentum or fame taken off first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from massjax.average_ranks import average_ranks

ROUNDING = 1e-9
"""Share of a sum of squares of ranks under which what the controls leave of it is nothing but rounding."""


@dataclass(frozen=True, eq=False)
class PartialRanks:
    """The ranks of a signal less what controls explain of them, worked out once, to be correlated with many sets of returns.

    Attributes:
        signal: NaN = none.
        controls: [F, N, T]; NaN = unknown.
        usable: members that have a signal and every control.
        known: those of them whose first return, the one that this was made for, is known.
        residual: of the ranks of the signal over `known`, 0 elsewhere.
        basis: [T, N, F + 1] orthonormal columns that span a constant and the ranks of the controls over `known`; 0 where one of them
            is explained by the others.
        left: sum of squares of the residual; NaN where it is nothing, or too few stocks are known.
    """

    signal: Float[np.ndarray, "N T"]
    controls: Float[np.ndarray, "F N T"]
    usable: Bool[np.ndarray, "N T"]
    known: Bool[np.ndarray, "N T"]
    residual: Float[np.ndarray, "T N"]
    basis: Float[np.ndarray, "T N B"]
    left: Float[np.ndarray, " T"]

    def correlations(self, forward_returns: Float[np.ndarray, "N T"]) -> Float[np.ndarray, " T"]:
        """The partial rank correlation of each date with these returns, over the stocks that have a signal, controls and return."""
        known = self.usable & np.isfinite(forward_returns)
        found = self.correlations_of_ranks(centred_ranks(forward_returns, known))
        apart = np.flatnonzero((known != self.known).any(axis=0))
        if apart.size:
            again = partial_ranks(self.signal[:, apart], forward_returns[:, apart], self.controls[:, :, apart], self.usable[:, apart])
            found[apart] = again.correlations(forward_returns[:, apart])
        return found

    def correlations_of_ranks(self, ranks: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " T"]:
        """The same of returns that are known where `known` is, given as `centred_ranks`."""
        explained = np.matmul(self.basis.transpose(0, 2, 1), ranks[..., None])[..., 0]
        product = (self.residual * ranks).sum(axis=1)  # the residual is orthogonal to whatever the controls explain of the returns
        whole = (ranks * ranks).sum(axis=1)
        square = whole - (explained * explained).sum(axis=1)
        defined = (square > ROUNDING * whole) & (whole > 0) & np.isfinite(self.left)
        scale = np.sqrt(np.where(defined, square * self.left, 1.0))
        return np.where(defined, np.clip(product / scale, -1.0, 1.0), np.nan)


def partial_ranks(
    signal: Float[np.ndarray, "N T"],
    forward_returns: Float[np.ndarray, "N T"],
    controls: Float[np.ndarray, "F N T"],
    member: Bool[np.ndarray, "N T"] | None = None,
) -> PartialRanks:
    """Prepare `daily_partial_rank_ic` for these returns, and for others that are known in the same places, as shifted ones are.

    Args:
        signal: higher means better; NaN = none.
        forward_returns: NaN = unknown.
        controls: what is held fixed, such as size, momentum and fame; NaN = unknown. None of them (F = 0) leaves Spearman's correlation.
        member: True where the stock is in the universe; None = wherever there is a signal.
    """
    signal, controls = signal.astype(np.float64), controls.astype(np.float64)
    usable = np.isfinite(signal) & np.isfinite(controls).all(axis=0)
    usable = usable if member is None else usable & member
    known = usable & np.isfinite(forward_returns)
    stocks, dates = signal.shape
    columns = [known.T / np.sqrt(np.maximum(known.sum(axis=0), 1))[:, None], *(centred_ranks(control, known) for control in controls)]
    scaled = [column / np.maximum(np.linalg.norm(column, axis=1, keepdims=True), 1.0) for column in columns[1:]]
    vectors, sizes, _ = np.linalg.svd(np.stack([columns[0], *scaled], axis=2), full_matrices=False)
    basis = np.zeros((dates, stocks, len(columns)))
    basis[:, :, : vectors.shape[2]] = vectors * (sizes > 1e-7)[:, None, :]
    ranks = centred_ranks(signal, known)
    residual = ranks - np.matmul(basis, np.matmul(basis.transpose(0, 2, 1), ranks[..., None]))[..., 0]
    residual = np.where(known.T, residual, 0.0)
    left, whole = (residual * residual).sum(axis=1), (ranks * ranks).sum(axis=1)
    enough = known.sum(axis=0) >= len(controls) + (3 if len(controls) else 2)
    left = np.where(enough & (whole > 0) & (left > ROUNDING * whole), left, np.nan)
    return PartialRanks(signal, controls, usable, known, residual, basis, left)


def daily_partial_rank_ic(
    signal: Float[np.ndarray, "N T"],
    forward_returns: Float[np.ndarray, "N T"],
    controls: Float[np.ndarray, "F N T"],
    member: Bool[np.ndarray, "N T"] | None = None,
) -> Float[np.ndarray, " T"]:
    r"""Partial Spearman correlation of each date: of signal and forward return, with the ranks of F controls held fixed.

    With R the average ranks over the stocks that have a signal, a return and every control, and M = I − Z (Z'Z)⁺ Z' the residuals of a
    regression on a constant and the ranks of the controls Z,

    $$ \rho_t = \frac{R_s' M R_y}{\sqrt{R_s' M R_s \; R_y' M R_y}} $$

    (Kendall 1942; the least squares form, as in Conover 1999, section 5.4). A language model that ranks well-known companies first has
    a RankIC wherever large companies did better; given size, momentum and fame nothing of it is left, unless it knows more than these.

    Args:
        signal: higher means better; NaN = none.
        forward_returns: NaN = unknown.
        controls: what is held fixed; NaN = unknown, and the stock does not count on that date. A control that is constant on a date, or
            explained by the others, takes nothing off. F = 0 gives `massjax.statistics.correlation.daily_rank_ic`.
        member: True where the stock is in the universe; None = wherever there is a signal.

    Returns:
        In [-1, 1]; NaN on dates with fewer than F + 3 stocks (2 without controls), and where the signal or the return is constant or
        explained by the controls without remainder.

    Example:
        A signal that orders stocks as their size does, which also orders the returns, says nothing given size.

        >>> import numpy as np
        >>> from massjax.statistics.partial_correlation import daily_partial_rank_ic
        >>> size = np.arange(8.0)[:, None]
        >>> luck = np.array([3.0, 0.0, -2.0, 1.0, 4.0, -1.0, 2.0, 0.0])[:, None]
        >>> bool(np.isnan(daily_partial_rank_ic(2 * size, size + luck, size[None])[0]))
        True
        >>> round(float(daily_partial_rank_ic(size + 3 * luck, size + luck, size[None])[0]), 2)
        0.95
    """
    return partial_ranks(signal, forward_returns, controls, member).correlations(forward_returns)


def centred_ranks(values: Float[np.ndarray, "N T"], known: Bool[np.ndarray, "N T"]) -> Float[np.ndarray, "T N"]:
    """Average ranks over the known stocks of a date less their mean; 0 elsewhere."""
    ranks = average_ranks(np.where(known, values, np.nan))
    return np.where(known, ranks - (known.sum(axis=0) + 1) / 2, 0.0).T
