"""The calendar of a panel: how many of its rows make a year, and how many of them windows of time span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped

from massjax.market.grid import until_last
from massjax.row_words import DAYS_A_YEAR, first_few

CONVENTIONS = ((252, 249.0, 255.0), (52, 51.0, 53.0), (12, 11.5, 12.5), (4, 3.8, 4.2))
"""Usual numbers of periods a year, and the measured numbers that are taken for each."""
TELLING_SPAN = 350
"""Days of daily data from which the number of rows a year is measured, all seasons' holidays included; below, the week tells."""
BY_WEEK = {7: 365.0, 6: 302.0}
"""Rows a year of daily data by the days of the week that have rows; 252 for others."""
LONG_GAP = 31
"""Days without a row beyond which the data, not the market, paused."""
DAILY = 190
"""Rows a year from which rows are days; windows that are named in days count them."""
TRADING_YEAR = 252
FIVE_DAY_WEEK = (230.0, 270.0)
"""Rows a year of markets that open from Monday to Friday, less or with their holidays: a year is 252 rows in all of them."""
FULL, OFTEN, ALWAYS = 0.8, 0.1, 0.9
"""Two calendars are mixed where less than the first share of the stocks has a row on at least the second share of the dates, and some
stocks have one on none of these and on all others, the third share taken for all."""
MOST_GAPS, MOST_STOCKS = 5, 3
"""Long stretches without a date, and stocks of another calendar, that are named."""
LEAST_SHARE = 0.75
"""A window that is shorter than this share of a row is not one of its length."""


@dataclass(frozen=True)
class Spans:
    """Rows that windows of time span; None for one that is shorter than a row.

    Attributes:
        week, month, quarter, half_year, year: 5, 21, 63, 126 and 252 rows of a market that opens from Monday to Friday; 7, 30,
            91, 182 and 365 of one that never closes; 1, 4, 13, 26 and 52 of weekly data.
        daily: rows are days.
        periods_per_year: rows that make a year.
    """

    week: int | None
    month: int | None
    quarter: int | None
    half_year: int | None
    year: int | None
    daily: bool
    periods_per_year: float

    def days(self, count: int) -> int | None:
        """Rows of a window named in days: as many on daily data, else those of as many weeks of five days as make them up."""
        return count if self.daily else _rows(self.periods_per_year, count / 5 / 52)


def spans(periods_per_year: float) -> Spans:
    """Windows of time as numbers of rows.

    Args:
        periods_per_year: rows that make a year.

    Example:
        >>> spans(52.0).month, spans(12.0).week
        (4, None)
    """
    low, high = FIVE_DAY_WEEK
    year = TRADING_YEAR if low <= periods_per_year <= high else periods_per_year
    week, month, quarter, half_year, whole = (_rows(year, part) for part in (1 / 52, 1 / 12, 1 / 4, 1 / 2, 1.0))
    return Spans(week, month, quarter, half_year, whole, periods_per_year >= DAILY, periods_per_year)


def _rows(periods_per_year: float, years: float) -> int | None:
    rows = periods_per_year * years
    return max(1, round(rows)) if rows >= LEAST_SHARE else None


def periods_per_year(dates: Shaped[np.ndarray, " T"]) -> float:
    """Rows a year of a calendar: 252 or 365 for daily data, 52 for weekly, 12 for monthly, as measured for others.

    Stretches of more than a month (or five usual steps) without a row do not count. A measured number close to a usual one is
    taken for it; others are rounded, as 243 for Shanghai. Daily data of less than a year is taken for 365 periods if it has rows
    on all days of the week, for 302 if on six, else for 252: the holidays of half a year say little about the other half.

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
    if usual < 2 and kept.sum() < TELLING_SPAN and rate > DAILY:
        return BY_WEEK.get(len(_regular_weekdays(dates)), 252.0)
    for convention, low, high in CONVENTIONS:
        if low <= rate <= high:
            return float(convention)
    return float(round(rate)) if rate > 0.95 else rate


def calendar_warnings(dates: Shaped[np.ndarray, " T"], periods_per_year: float) -> tuple[str, ...]:
    """A sentence where the rows of a panel are not days.

    Args:
        dates: of the panel, ascending.
        periods_per_year: rows that make a year.
    """
    if len(dates) < 2 or periods_per_year >= DAILY:
        return ()
    return (
        f"rows are {_frequency(dates)}: {periods_per_year:g} {'period' if periods_per_year == 1 else 'periods'} a year "
        "(set market.periods_per_year if that is not so); horizons, "
        "execution_lag, look-back, gap and delay count rows, price features are windows of time",
    )


def mixed_calendars(listed: Bool[np.ndarray, "N T"], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], path: Path) -> tuple[str, ...]:
    """A sentence where some stocks have rows on dates on which others never do, as coins beside stocks have on Saturdays.

    Args:
        listed: True where the stock has a row.
        dates: by column.
        stocks: by row.
        path: the file of the rows.
    """
    begun = np.maximum.accumulate(listed, axis=1)
    alive = begun & until_last(listed)
    count = alive.sum(axis=0)
    thin = (count > 1) & (listed.sum(axis=0) < FULL * count)
    if thin.mean() < OFTEN or thin.all():
        return ()
    absent = (alive & ~listed)[:, thin].sum(axis=1) >= ALWAYS * np.maximum(alive[:, thin].sum(axis=1), 1)
    present = listed[:, ~thin].sum(axis=1) >= ALWAYS * alive[:, ~thin].sum(axis=1)
    closed = [stock for stock, flag in zip(stocks, absent & present, strict=True) if flag]
    if not closed or len(closed) == len(stocks):
        return ()
    where = f"{thin.sum():,} of {len(dates):,} dates"
    return (
        f"{path}: {len(closed)} of {len(stocks)} stocks ({first_few(closed, MOST_STOCKS)}) have no row on {where} on which others have "
        f"(first {dates[thin][0]}): two calendars are mixed; horizons and windows count the dates of both, and features that need four "
        "fifths of a window may be unknown; give each market a run of its own, or leave these dates out",
    )


def long_gaps(dates: Shaped[np.ndarray, " T"]) -> tuple[str, ...]:
    """A sentence for each of the first stretches without a date of more than a month and more than twice the usual step."""
    steps = np.diff(dates).astype(int)
    usual = float(np.median(steps)) if steps.size else 0.0
    long = np.flatnonzero(steps > max(LONG_GAP, 2.5 * usual)).tolist()
    found = [
        f"no dates between {dates[i]} and {dates[i + 1]} ({steps[i]} days): windows and horizons reach across" for i in long[:MOST_GAPS]
    ]
    more = len(long) - len(found)
    return (*found, *([f"{more:,} more stretches of more than a month without a date"] if more > 0 else []))


def _frequency(dates: Shaped[np.ndarray, " T"]) -> str:
    steps = np.diff(dates).astype(np.float64)
    usual, short, long = float(np.median(steps)), *np.quantile(steps, (0.1, 0.9))
    names = {"weekly": (6, 8), "two weeks apart": (13, 15), "monthly": (27, 35), "quarterly": (85, 97), "yearly": (360, 371)}
    for name, (low, high) in names.items():
        if low <= usual <= high and long <= 2 * usual:
            return name
    apart = "one day apart" if usual == 1 else f"{usual:g} days apart"
    return apart if long <= 2 * short + 2 else f"at irregular dates, {apart} at the median"


def _regular_weekdays(dates: Shaped[np.ndarray, " T"]) -> list[int]:
    """Days of the week with at least half as many rows as the busiest, so that a rare Saturday's session is none."""
    counts = np.bincount(weekdays(dates), minlength=7)
    return np.flatnonzero(counts > counts.max() / 2).tolist()


def weekdays(dates: Shaped[np.ndarray, " T"]) -> Shaped[np.ndarray, " T"]:
    """Day of the week of each date, 0 for Monday to 6 for Sunday."""
    return (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7
