"""MASS's macro series as facts about the whole market: on each date the last value that had been published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from massjax.errors import DataError
from massjax.market.grid import days
from massjax.market.identifiers import Conventions
from massjax.market.mass_settings import MassSettings
from massjax.market.panel import MarketFact, Style
from massjax.market.reading import as_dates, as_numbers, read_columns

DAYS_A_YEAR = 365.25
STALE = 100
"""Days after which the last value of a series is doubted."""
PERCENT = (0.1, 50.0)
"""Between which the middle absolute value lies of a series in percent."""


class Series(NamedTuple):
    """A macro series: its file and column there, how a prompt speaks of it, and the unit of its values."""

    file: str
    name: str
    label: str
    style: Style
    unit: float
    column: str = "Value"


LOAN_RATE = Series("China_1-Year_Loan_Prime_Rate_LPR.csv", "loan_prime_rate", "one-year loan prime rate", "percent", 0.01)
CPI = Series("China_CPI_YoY_Current_Month.csv", "cpi", "consumer prices, change on the year before", "percent", 0.01)
YIELD = Series("yield_on_China_10_year_government_bonds.csv", "yield_10y", "yield of ten-year government bonds", "percent", 0.01)
PE = Series("csi_300_pe_ttm.csv", "csi300_pe", "price-earnings ratio of the CSI 300", "ratio", 1.0)
SENTIMENT = Series("Market_Sentiment_Index.csv", "sentiment_return", "last return of the market sentiment index", "percent", 1.0, "Close")
MACRO = (LOAN_RATE, CPI, YIELD, PE, SENTIMENT)


class Observed(NamedTuple):
    """The values of a series in the order of their dates, and from which date on each is public."""

    dates: Shaped[np.ndarray, " M"]
    public: Shaped[np.ndarray, " M"]
    values: Float[np.ndarray, " M"]

    def latest(self, dates: Shaped[np.ndarray, " T"]) -> Int[np.ndarray, " T"]:
        """The last value that is public on each date, -1 where there is none yet."""
        return np.searchsorted(self.public, dates, side="right") - 1


def macro_facts(
    folder: Path, dates: Shaped[np.ndarray, " T"], settings: MassSettings, conventions: Conventions
) -> tuple[dict[str, MarketFact], tuple[str, ...]]:
    """The macro facts of the files that are there, and sentences about files that lack or end early, facts that are never known, and
    percentages of a size that they do not have.

    Yields come with their changes over `settings.yield_changes` observations, in basis points; the price-earnings ratio with its
    percentile, the share of the values of the last `settings.pe_years` years that lie below it, half of those equal to it included; of the
    sentiment index the return from one value to the next is told.

    Raises:
        DataError: a file is malformed, has a date twice or an infinite value, or an index value that is not above 0; the message names
            file and date.
    """
    facts: dict[str, MarketFact] = {}
    told = []
    for series in MACRO:
        path = folder / series.file
        if not path.is_file():
            told.append(f"{path}: no such file; the macro fact {series.name!r} is not known")
            continue
        observed = _read(path, series, settings.lag(series.name), conventions)
        if series is CPI and CPI.name not in settings.macro_lags:
            _refuse_before_month_ends(observed, path)
        for fact, values in _facts(series, observed, settings, path):
            latest = observed.latest(dates)
            facts[fact.name] = replace(fact, values=np.where(latest < 0, np.nan, values[latest]))
        told += [*_size(path, observed, series), *_stale(path, observed, dates)]
    told += [f"the macro fact {name!r} is not known on any date: its series begins too late" for name in facts if _never(facts[name])]
    return facts, tuple(told)


def _read(path: Path, series: Series, lag: int, conventions: Conventions) -> Observed:
    table = read_columns(path, "market.folder", ["Date", series.column]).drop_nulls()
    if table.is_empty():
        raise DataError(f"{path}: column {series.column!r} has no value")
    dated = as_dates(table, "Date", path, conventions)
    values = as_numbers(table, series.column, path, dated.to_frame()).to_numpy()
    when = days(dated)
    order = np.argsort(when, kind="stable")
    when, values = when[order], values[order]
    twice = np.flatnonzero(np.diff(when) == np.timedelta64(0, "D"))
    if len(twice):
        raise DataError(f"{path}: column 'Date': {when[twice[0]]} occurs more than once; keep one row")
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise DataError(f"{path}: column {series.column!r}: infinite on {when[infinite[0]]}; leave the field empty where it is unknown")
    known = np.isfinite(values)
    if not known.any():
        raise DataError(f"{path}: column {series.column!r} has no value")
    return Observed(when[known], when[known] + np.timedelta64(lag, "D"), values[known] * series.unit)


def _facts(series: Series, observed: Observed, settings: MassSettings, path: Path) -> list[tuple[MarketFact, Float[np.ndarray, " M"]]]:
    """The facts that a series makes, without their values, and the value of each fact at each observation."""

    def fact(name: str, label: str, style: Style) -> MarketFact:
        return MarketFact(name, "macro", np.empty(0), label, style)

    values = observed.values
    own = fact(series.name, series.label, series.style)
    if series is SENTIMENT:
        _refuse_not_above_zero(observed, path)
        return [(own, np.append(np.nan, values[1:] / values[:-1] - 1.0))]
    found = [(own, values)]
    if series is YIELD:
        for back in settings.yield_changes:
            change = np.full(values.shape, np.nan)
            change[back:] = (values[back:] - values[:-back]) * 1e4
            over = "since the observation before" if back == 1 else f"over the last {back} observations"
            found.append((fact(f"{series.name}_change_{back}", f"change of the {series.label} {over}, in basis points", "number"), change))
    if series is PE:
        _refuse_not_above_zero(observed, path)
        label = f"share of the last {settings.pe_years:g} years with a lower {series.label}"
        found.append((fact(f"{series.name}_percentile", label, "percent"), _percentiles(observed, settings.pe_years)))
    return found


def _percentiles(observed: Observed, years: float) -> Float[np.ndarray, " M"]:
    """Share of the values of the `years` up to each that lie below it, half of those equal to it included; NaN with less history."""
    window = np.timedelta64(max(round(years * DAYS_A_YEAR), 1), "D")
    start = np.searchsorted(observed.dates, observed.dates - window, side="right")
    found = np.full(observed.values.shape, np.nan)
    for m in np.flatnonzero(observed.dates - window >= observed.dates[0]):
        past = observed.values[start[m] : m + 1]
        found[m] = (np.sum(past < past[-1]) + np.sum(past <= past[-1])) / (2 * len(past))
    return found


def _refuse_not_above_zero(observed: Observed, path: Path) -> None:
    wrong = np.flatnonzero(observed.values <= 0)
    if len(wrong):
        raise DataError(f"{path}: {observed.values[wrong[0]]:g} on {observed.dates[wrong[0]]}; expected values above 0")


def _refuse_before_month_ends(observed: Observed, path: Path) -> None:
    """Refuse a usual lag, reckoned from the end of a month, where values are dated at its beginning and would be known within it."""
    next_month = (observed.dates.astype("datetime64[M]") + 1).astype("datetime64[D]")
    early = np.flatnonzero(observed.public < next_month)
    if len(early):
        raise DataError(
            f"{path}: the value of {observed.dates[early[0]]} would be known on {observed.public[early[0]]}, before its month has ended; "
            "are values dated at the beginning of their months? Say after how many days they are public: market.mass.macro_lags: {cpi: 47}"
        )


def _never(fact: MarketFact) -> bool:
    return bool(np.isnan(fact.values).all())


def _size(path: Path, observed: Observed, series: Series) -> list[str]:
    """A sentence where values that should be in percent are of a size for fractions or for an index."""
    typical = float(np.median(np.abs(observed.values))) / series.unit
    if series.unit == 1.0 or PERCENT[0] <= typical <= PERCENT[1]:
        return []
    return [f"{path}: half of its values exceed {typical:g}; are they in percent? They should be: write 2.5 for 2.5 %"]


def _stale(path: Path, observed: Observed, dates: Shaped[np.ndarray, " T"]) -> list[str]:
    """A sentence where the last value known is long past on some date."""
    latest = observed.latest(dates)
    age = (dates - observed.public[np.maximum(latest, 0)]).astype(np.int64)
    old = np.flatnonzero((latest >= 0) & (age > STALE))
    if not len(old):
        return []
    last = observed.dates[latest[old[0]]]
    known = f"the last value known on {dates[old[0]]} is of {last}, published {age[old[0]]} days before"
    return [f"{path}: {known}; is the file complete?"]
