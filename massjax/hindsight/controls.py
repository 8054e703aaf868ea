"""What a model may order stocks by without remembering anything: how large, how strong of late, and how well-known they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from massjax.market import Panel
from massjax.market.sizes import SIZES

MOMENTUM_ROWS = 126
"""Rows of the past return: half a year of trading days."""
LIQUIDITIES = ("dollar_volume", "value", "liquidity", "turnover", "volume")
"""Features that stand for size where none says how large a stock is, the first that is there."""
MOMENTA = ("momentum_6m",)


@dataclass(frozen=True, eq=False)
class Controls:
    """What is held fixed in a partial rank correlation.

    Attributes:
        names: of the controls.
        values: [F, N, T]; NaN = unknown, and the stock does not count on that date.
        told: of each what it is made of, or why it is missing.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "F N T"]
    told: tuple[str, ...]


def market_controls(panel: Panel) -> Controls:
    """Size and momentum of each stock at the close of each date, as far as the market data tell.

    Size is the market value; else what is traded of the stock; else it is missing. Momentum is the feature `momentum_6m`, else the return
    over the past 126 rows, or over as many as the panel has (from its second date on). A feature that is known of no member, as a
    momentum of six months is not in a panel of five, counts as not there.

    Args:
        panel: the market data.
    """
    names, values, told = list[str](), list[np.ndarray](), list[str]()
    size = _first_known(panel, (*SIZES, *LIQUIDITIES))
    if size is not None:
        names, values, told = ["size"], [panel.features[size].values], [f"size is the feature {size}"]
    else:
        told = [f"size is missing: the market data have none of the features {', '.join((*SIZES, *LIQUIDITIES))}"]
    momentum = _first_known(panel, MOMENTA, orelse=panel.prices is None)
    if momentum is not None:
        names, values, told = (
            [*names, "momentum"],
            [*values, panel.features[momentum].values],
            [*told, f"momentum is the feature {momentum}"],
        )
    elif panel.prices is not None:
        names, values = [*names, "momentum"], [*values, past_return(panel.prices)]
        told.append(f"momentum is the return over the past {MOMENTUM_ROWS} rows, or as many as there are")
    else:
        told.append("momentum is missing: the market data have neither prices nor the feature momentum_6m")
    stacked = np.stack([value.astype(np.float64) for value in values]) if values else np.empty((0, *panel.member.shape))
    return _known(Controls(tuple(names), stacked, tuple(told)), panel.member)


def _first_known(panel: Panel, names: Sequence[str], *, orelse: bool = True) -> str | None:
    """The first of some features that is known of a member; the first that is there at all where none is, if wanted."""
    there = [name for name in names if name in panel.features]
    known = (name for name in there if np.isfinite(panel.features[name].values[panel.member]).any())
    return next(known, there[0] if there and orelse else None)


def past_return(prices: Float[np.ndarray, "N T"], rows: int = MOMENTUM_ROWS) -> Float[np.ndarray, "N T"]:
    """Return of each stock up to each date over so many rows, or over as many as there are; NaN on the first date.

    Example:
        >>> import numpy as np
        >>> from massjax.hindsight.controls import past_return
        >>> past_return(np.array([[1.0, 2.0, 3.0, 3.0]]), rows=2).tolist()
        [[nan, 1.0, 2.0, 0.5]]
    """
    dates = prices.shape[1]
    begins = np.maximum(np.arange(dates) - rows, 0)
    found = prices / prices[:, begins] - 1.0
    found[:, :1] = np.nan
    return found


def fame(blank: Float[np.ndarray, "N T"], member: Bool[np.ndarray, "N T"], apart: int) -> Float[np.ndarray, "N T"]:
    """What a model has always thought of a stock: the mean of its past blank answers.

    Those alone count whose returns had ended by the date, so that the mean holds no memory of what followed it.

    Args:
        blank: scores of answers without facts; NaN = none.
        member: True where the stock is in the universe.
        apart: rows from an answer to the end of the returns that it could remember: horizon and execution lag.

    Returns:
        NaN where there is no such answer yet.

    Example:
        >>> import numpy as np
        >>> from massjax.hindsight.controls import fame
        >>> fame(np.array([[0.2, 0.4, np.nan, 0.6]]), np.ones((1, 4), bool), apart=1).round(2).tolist()
        [[nan, 0.2, 0.3, 0.3]]
    """
    known = np.isfinite(blank) & member
    sums, counts = np.where(known, blank, 0.0).cumsum(axis=1, dtype=np.float64), known.cumsum(axis=1)
    found = np.full(blank.shape, np.nan)
    kept = blank.shape[1] - apart
    if kept > 0:
        found[:, apart:] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)[:, :kept]
    return found


def with_fame(controls: Controls, blank: Float[np.ndarray, "N T"], member: Bool[np.ndarray, "N T"], apart: int) -> Controls:
    """The controls with fame, where some answer is old enough to tell it."""
    found = fame(blank, member, apart)
    told = "fame is the mean of the stock's past blank answers whose returns had ended"
    if not (np.isfinite(found) & np.isfinite(blank) & member).any():
        return Controls(controls.names, controls.values, (*controls.told, f"fame is missing: no blank answer is {apart} rows old"))
    return Controls((*controls.names, "fame"), np.concatenate([controls.values, found[None]]), (*controls.told, told))


def _known(controls: Controls, member: Bool[np.ndarray, "N T"]) -> Controls:
    """Without those that are known of no member, which would leave no stock; what is lacking of the others is told."""
    shares = [float(np.isfinite(values)[member].mean()) if member.any() else 0.0 for values in controls.values]
    kept = [number for number, share in enumerate(shares) if share > 0]
    told = list(controls.told)
    for name, share in zip(controls.names, shares, strict=True):
        if share < 1:
            told.append(
                f"{name} is known of {share:.0%} of stocks and dates; the others do not count" if share else f"{name} is known of none"
            )
    return Controls(tuple(controls.names[number] for number in kept), controls.values[kept], tuple(told))
