"""The calendar of a panel: how many of its rows make a year."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

DAYS_A_YEAR = 365.25
CONVENTIONS = ((252, 249.0, 255.0), (52, 51.0, 53.0), (12, 11.5, 12.5), (4, 3.8, 4.2))
"""Usual numbers of periods a year, and the measured numbers that are taken for each."""
TELLING_SPAN = 180
"""Days of daily data from which the number of rows a year is measured; below, the days of the week tell."""
LONG_GAP = 31
"""Days without a row beyond which the data, not the market, paused."""


def periods_per_year(dates: Shaped[np.ndarray, " T"]) -> float:
    """Rows a year of a calendar: 252 or 365 for daily data, 52 for weekly, 12 for monthly, as measured for others.

    Stretches of more than a month (or five usual steps) without a row do not count. A measured number close to a usual one is
    taken for it; others are rounded, as 243 for Shanghai. Daily data of less than half a year is taken for 365 periods if it
    has rows on Saturdays and Sundays, else for 252.

    Args:
        dates: datetime64[D], strictly ascending.

    Returns:
        252.0 where there are fewer than two dates to tell from.

    Example:
        >>> periods_per_year(np.arange("2021-01-01", "2023-01-01", 7, dtype="datetime64[D]"))
        52.0
    """
    steps = np.diff(dates).astype(np.float64)
    if not steps.size:
        return 252.0
    usual = float(np.median(steps))
    kept = steps[steps <= max(LONG_GAP, 5 * usual)]
    rate = DAYS_A_YEAR * kept.size / kept.sum()
    if usual < 2 and kept.sum() < TELLING_SPAN and rate > 200:
        return 365.0 if {5, 6} <= set(weekdays(dates).tolist()) else 252.0
    for convention, low, high in CONVENTIONS:
        if low <= rate <= high:
            return float(convention)
    return float(max(1, round(rate)))


def weekdays(dates: Shaped[np.ndarray, " T"]) -> Shaped[np.ndarray, " T"]:
    """Day of the week of each date, 0 for Monday to 6 for Sunday."""
    return (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7
