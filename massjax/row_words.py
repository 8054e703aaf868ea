"""Counts and lists in words, and what a row of a panel is called, so that nobody reads weeks as days: `5-week return`, `8 months`."""

from __future__ import annotations

from collections.abc import Sequence

DAYS_A_YEAR = 365.25
"""Calendar days."""
UNITS = (
    ("day", 360.0, 367.0),
    ("trading day", 190.0, 360.0),
    ("week", 50.0, 54.0),
    ("month", 11.0, 13.0),
    ("quarter", 3.5, 4.5),
    ("year", 0.8, 1.2),
)
"""Names of a row, and the numbers of rows a year at which it has that name."""


def row_unit(periods_per_year: float) -> str:
    """The name of one row of a panel: `trading day`, `day`, `week`, `month`, `quarter`, `year`, or `row` where none of these fits.

    Args:
        periods_per_year: rows that make a year, as `Panel.periods_per_year`.

    Example:
        >>> row_unit(252.0), row_unit(52.0), row_unit(104.0)
        ('trading day', 'week', 'row')
    """
    return next((unit for unit, low, high in UNITS if low <= periods_per_year < high), "row")


def short_unit(periods_per_year: float) -> str:
    """The name of one row of a panel as it stands in `5-day return`: `day` for a trading day, else `week`, `month` and so on.

    Args:
        periods_per_year: rows that make a year, as `Panel.periods_per_year`.

    Example:
        >>> short_unit(252.0), short_unit(12.0)
        ('day', 'month')
    """
    return row_unit(periods_per_year).removeprefix("trading ")


def counted(number: int, unit: str) -> str:
    """A number of something in words that agree: `1 date`, `8 dates`, `1,000 dates`.

    Args:
        unit: in the singular; its plural is formed with an s.
    """
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def times(number: int) -> str:
    """How many times something happened: `once`, `2 times`."""
    return "once" if number == 1 else counted(number, "time")


def every(number: int, unit: str) -> str:
    """How often: `every week`, `every 5 trading days`."""
    return f"every {unit}" if number == 1 else f"every {counted(number, unit)}"


def first_few(names: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first of some names, and how many there are besides: `AAA, BBB and 1,998 more`.

    Args:
        names: in the order in which they are named.
        most: names that are told.
        separator: what stands between two names.
    """
    more = len(names) - most
    return separator.join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
