"""How large stocks are on each date: the feature that says so, classes of size, and weights by capitalisation."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from massjax.average_ranks import average_ranks
from massjax.errors import ConfigError, DataError, did_you_mean
from massjax.market.panel import Panel
from massjax.row_words import counted

SIZES = ("free_market_value", "market_value")
"""Features that say how large a stock is, the first that is there."""


def size_of(panel: Panel, name: str | None = None) -> Float[np.ndarray, "N T"]:
    """How large each member is at the close of each date, NaN off the universe.

    Args:
        panel: the market data.
        name: of the feature; None takes the first of `SIZES` that is there.

    Raises:
        ConfigError: there is no such feature.
        DataError: the size of a member is unknown or not above 0; the message names the first stock and date.
    """
    name = next((one for one in SIZES if one in panel.features), SIZES[0]) if name is None else name
    if name not in panel.features:
        known = ", ".join(panel.features) or "none"
        raise ConfigError(
            f"the market data has no feature {name!r}{did_you_mean(name, panel.features)} that says how large a stock is; it has: {known}. "
            "Give a table of market values as market.features, or name a feature that tells of size"
        )
    values = np.where(panel.member, panel.features[name].values, np.nan)
    wrong = np.argwhere((panel.member & ~(np.isfinite(values) & (values > 0))).T)
    if len(wrong):
        date, row = wrong[0]
        found = "unknown" if np.isnan(values[row, date]) else f"{values[row, date]:g}"
        raise DataError(
            f"feature {name!r}: the size of {panel.stocks[row]} is {found} on {panel.dates[date]}, on which it is a member "
            f"({counted(len(wrong), 'stock and date')} in all); sizes of members must be known and above 0: complete the table, or let "
            "values stand until the next with `carry`"
        )
    return values


def size_classes(sizes: Float[np.ndarray, "N T"], classes: int = 5) -> Int[np.ndarray, "N T"]:
    """Class of each stock by its size among those of its date, 0 for the largest; -1 where the size is NaN.

    The stock with the average rank r of n, from 1 for the largest, is in class floor((r - 1) classes / n).

    Example:
        >>> import numpy as np
        >>> size_classes(np.array([[5.0], [1.0], [3.0], [np.nan], [9.0]]), 2)[:, 0].tolist()
        [0, 1, 1, -1, 0]
    """
    known = np.isfinite(sizes)
    count = known.sum(axis=0)
    ranks = count[None] + 1.0 - average_ranks(sizes)
    found = np.floor((np.where(known, ranks, 1.0) - 1.0) * classes / np.maximum(count, 1)).astype(np.int64)
    return np.where(known, np.minimum(found, classes - 1), -1)


def capitalisation_weights(panel: Panel, name: str | None = None) -> Float[np.ndarray, "N T"]:
    """Each member's share of the members' size on its date; 0 off the universe.

    Args:
        panel: the market data.
        name: of the feature that says how large a stock is; None takes the first of `SIZES` that is there.

    Raises:
        ConfigError, DataError: as `size_of` raises them.
    """
    sizes = np.nan_to_num(size_of(panel, name))
    total = sizes.sum(axis=0)
    return np.divide(sizes, total, out=np.zeros_like(sizes), where=total > 0)
