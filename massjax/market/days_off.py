"""Rows on days that are none of the market's: weekends, days without a price, dates moved by a time zone, values too far apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Shaped

from massjax.errors import DataError
from massjax.market.calendar import weekdays
from massjax.market.grid import days
from massjax.row_words import counted

FEWEST_DATES = 10
"""Dates below which the days of the week tell nothing."""
SUNDAY_ZONES = {
    "Asia/Riyadh", "Asia/Jerusalem", "Asia/Tel_Aviv", "Asia/Kuwait", "Asia/Qatar", "Asia/Bahrain", "Asia/Muscat", "Asia/Amman",
    "Asia/Dubai", "Asia/Dhaka", "Africa/Cairo", "Africa/Algiers", "Africa/Tripoli",
}  # fmt: skip
"""Zones of markets that trade, or traded, on Sundays and not on Fridays."""
MONDAY, FRIDAY, SATURDAY, SUNDAY = 0, 4, 5, 6


def weekend_rows(dates: Shaped[np.ndarray, " T"], path: Path, timezone: str | None) -> tuple[str, ...]:
    """A sentence about the Saturdays and Sundays of a calendar, unless they are as usual in it as other days.

    Args:
        dates: datetime64[D], ascending.
        path: the table of the dates.
        timezone: `market.timezone`; that of a market open on Sundays explains them.
    """
    if len(dates) < FEWEST_DATES:
        return ()
    day = weekdays(dates)
    counts = np.bincount(day, minlength=7)
    usual = counts.max()
    common = counts >= 0.5 * usual
    rare = counts < 0.1 * usual
    if common[SUNDAY] and rare[FRIDAY] and rare[SATURDAY] and not rare[MONDAY] and timezone not in SUNDAY_ZONES:
        return (
            f"{path}: has rows on Sundays and none on Fridays: unless the market is open on Sundays, its dates are a day early, as when "
            "midnight east of Greenwich was cut to a date in UTC; make the dates in the market's zone, or keep the zone in the file and "
            "set market.timezone",
        )
    if common[SATURDAY] and rare[MONDAY] and rare[SUNDAY] and not rare[FRIDAY]:
        return (f"{path}: has rows on Saturdays and none on Mondays: its dates are a day late; make the dates in the market's zone",)
    odd = ((day == SATURDAY) & ~common[SATURDAY]) | ((day == SUNDAY) & ~common[SUNDAY])
    if not odd.any():
        return ()
    are = "is a Saturday or Sunday" if odd.sum() == 1 else "are Saturdays or Sundays"
    return (
        f"{path}: {int(odd.sum()):,} of {len(dates):,} dates {are}, first {dates[odd][0]}, where other weekends have no rows; "
        "each date counts as a trading day",
    )


def rows_off(rows: pl.DataFrame, dates: Shaped[np.ndarray, " T"], path: Path, setting: str, carry: int | None) -> tuple[str, ...]:
    """Sentences about the rows of a table that are on none of the panel's dates, and about values that stand too briefly.

    Args:
        rows: columns date and stock.
        dates: those of the panel.
        path: the table.
        setting: what names it in the configuration.
        carry: calendar days for which a value stands; None for a table without that setting.

    Raises:
        DataError: no row is on a date of the panel, or stands until one.
    """
    if rows.is_empty():
        return ()
    when = days(rows["date"])
    inside = (when >= dates[0]) & (when <= dates[-1])
    reach = np.timedelta64(carry or 0, "D")
    if not ((when + reach >= dates[0]) & (when <= dates[-1])).any():
        span = f"{when.min()} to {when.max()}"
        raise DataError(f"{path}: its rows are dated {span}, none within the dates of the market data, {dates[0]} to {dates[-1]}")
    off = inside & ~np.isin(when, dates)
    count, usable = int(off.sum()), int((inside & ~off).sum())
    apart = _usual_gap(rows)
    moved = _moved(when[inside], dates, count) if not apart else ""
    sentences = []
    if count and (not carry or moved):
        ends = int(np.isin(weekdays(when[off]), (SATURDAY, SUNDAY)).sum())
        weekend = f", {'all' if ends == count else f'{ends:,} of them'} Saturdays or Sundays" if ends else ""
        what = f"{counted(count, 'row')} on dates without market data (first {when[off].min()}{weekend}){moved}"
        sentences.append(f"{path}: {'has' if carry else 'left out'} {what}")
    step = float(np.median(np.diff(dates).astype(int))) if len(dates) > 1 else 1.0
    if carry == 0 and apart >= 3 * step:
        shown = usable / (rows["stock"].n_unique() * len(dates))
        sentences.append(
            f"{path}: the values of a stock are {apart} days apart, and each stands on its own date only ({setting}.carry is 0), so they "
            f"are known on {shown:.1%} of the dates; set {setting}.carry to {apart}, or more, for a value to stand until the next"
        )
    elif count and carry == 0 and not moved:
        sentences[-1] += f"; see {setting}.carry, the days for which a value stands"
    if not carry and not usable:
        raise DataError("; ".join(sentences).replace(f"; {path}:", ";"))
    return tuple(sentences)


def moved_days(rows: pl.DataFrame, dates: Shaped[np.ndarray, " T"]) -> str:
    """Words if the rows of a table of (nearly) every day are a day early or late, as dates cut from times in another zone are.

    Args:
        rows: columns date and stock.
        dates: those of the panel.
    """
    when = days(rows["date"])
    inside = (when >= dates[0] - np.timedelta64(1, "D")) & (when <= dates[-1] + np.timedelta64(1, "D"))
    return _moved(when[inside], dates, int((~np.isin(when[inside], dates)).sum()))


def refuse_snapshots(rows: pl.DataFrame, dates: Shaped[np.ndarray, " T"], path: Path) -> None:
    """Refuse a table of members that lists them now and then only, such as at the ends of months.

    Args:
        rows: columns date and stock, one row for each date on which a stock is a member.
        dates: those of the panel.
        path: the table.
    """
    listed = np.unique(days(rows["date"]))
    between = dates[(dates >= listed[0]) & (dates <= listed[-1])]
    if len(listed) > 1 and 2 * len(listed) < len(between):
        raise DataError(
            f"{path}: lists members on {len(listed):,} dates, and the market data has {len(between):,} from {listed[0]} to {listed[-1]}; a "
            "row is needed for each stock and date: repeat each list on every date until the next"
        )


def _moved(when: Shaped[np.ndarray, " M"], dates: Shaped[np.ndarray, " T"], off: int) -> str:
    """Words if nearly all rows would be on dates of the panel had they been dated a day later, or earlier."""
    if off < 5 or off < 0.1 * len(when):
        return ""
    for step, words in ((1, "a day later"), (-1, "a day earlier")):
        if (~np.isin(when + np.timedelta64(step, "D"), dates)).sum() < 0.25 * off:
            return f"; {words} nearly all would be on dates with it: were the dates cut from times in another zone? See market.timezone"
    return ""


def _usual_gap(rows: pl.DataFrame) -> int:
    """Calendar days from a stock's row to its next that nine in ten gaps do not exceed; 0 for a table of (nearly) every day."""
    gaps = rows.sort("stock", "date").select(gap=pl.col("date").diff().over("stock").dt.total_days())["gap"].drop_nulls().to_numpy()
    return 0 if not gaps.size or np.median(gaps) < 3 else int(np.quantile(gaps, 0.9, method="higher"))
