"""The columns of MASS's tables by the names that MASS gives them: modality, feature, meaning and unit of each.

The published data hold the six price features, industry returns and macro series; the other columns are read from tables of a user's.
`docs/mass.md` lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from massjax.errors import DataError
from massjax.market.panel import Panel, Style

Unit = Literal["fraction", "ratio", "CNY", "shares", "none"]
KEYS = ("Stock", "Date", "Time")
"""Columns that tell rows apart; the time of day is not read."""
LARGE_FRACTION = 0.5
"""Median of a valuation, yield, growth or return on equity above which it is doubted that it is a fraction."""
INDEX = re.compile(r"__index_level_\d+__|index|Unnamed: \d+|")
"""Headings of a pandas index, which say nothing."""


class MassColumn(NamedTuple):
    """A numeric column of one of MASS's tables.

    Attributes:
        column: as MASS names it.
        feature: as rules and prompts of massjax do.
        modality: group of facts.
        label: what it is, in words for a prompt.
        unit: of its values; a fraction of 0.05 is 5 %.
        spellings: other names, written without capitals, blanks and marks.
    """

    column: str
    feature: str
    modality: str
    label: str
    unit: Unit
    spellings: tuple[str, ...] = ()

    @property
    def style(self) -> Style:
        """How a prompt prints a value."""
        return "percent" if self.unit == "fraction" else "ratio" if self.unit == "ratio" else "number"


PUBLISHED_SIGNS = (-1, -1, -1, 1, -1, 1)
"""How MASS's published prompts relate `price_value_feature_0` to `_5` to later returns."""
WITHOUT_SIZE = "made independent of size by a regression on its logarithm"

# fmt: off
VALUATION = (
    MassColumn("E/P", "earnings_to_price", "valuation", "earnings of a year over price", "fraction"),
    MassColumn("B/P", "book_to_price", "valuation", "book value over price", "ratio"),
    MassColumn("CF/P", "cash_flow_to_price", "valuation", "cash flow of a year over price", "fraction"),
    MassColumn("S/P", "sales_to_price", "valuation", "sales of a year over price", "ratio"),
    MassColumn("Log-orthogonalized E/P", "earnings_to_price_orthogonal", "valuation", f"earnings over price, {WITHOUT_SIZE}", "none"),
    MassColumn("Log-orthogonalized B/P", "book_to_price_orthogonal", "valuation", f"book value over price, {WITHOUT_SIZE}", "none"),
    MassColumn("Log-orthogonalized CF/P", "cash_flow_to_price_orthogonal", "valuation", f"cash flow over price, {WITHOUT_SIZE}", "none"),
    MassColumn("Log-orthogonalized S/P", "sales_to_price_orthogonal", "valuation", f"sales over price, {WITHOUT_SIZE}", "none"),
    MassColumn("EBITDA/EV", "ebitda_to_enterprise_value", "valuation", "operating earnings (EBITDA) over enterprise value", "fraction"),
)
DIVIDEND = (
    MassColumn("Dividend yield", "dividend_yield", "dividend", "dividends of a year over price", "fraction"),
    MassColumn("Log-orthogonalized dividend yield", "dividend_yield_orthogonal", "dividend", f"dividend yield, {WITHOUT_SIZE}", "none"),
    MassColumn("Dividend yield incl repo & mjrholder trans", "payout_yield", "dividend",
               "dividends, share buy-backs and trades of major holders over price", "fraction"),
)
GROWTH = (
    MassColumn("Revenue TTM YoY growth rate", "revenue_growth", "growth",
               "growth of the last four quarters' revenue on the year before", "fraction"),
    MassColumn("Net profit TTM YoY growth rate", "profit_growth", "growth",
               "growth of the last four quarters' net profit on the year before", "fraction"),
    MassColumn("Non-GAAP net profit YoY growth rate", "adjusted_profit_growth", "growth",
               "growth of net profit without one-off items on the year before", "fraction"),
)
QUALITY = (
    MassColumn("ROE stability", "roe_stability", "quality",
               "mean over standard deviation of eight periods' return on equity", "ratio"),
    MassColumn("ROA stability", "roa_stability", "quality", "mean over standard deviation of eight periods' return on assets", "ratio"),
    MassColumn("ROE", "return_on_equity", "quality", "return on equity", "fraction"),
    MassColumn("Annualized ROE", "return_on_equity_annual", "quality", "return on equity, scaled to a year", "fraction"),
)
RISK_FACTOR = (
    MassColumn("Intraday volatility", "intraday_volatility", "risk_factor", "range of the price within a day", "none"),
    MassColumn("Liquidity", "liquidity", "risk_factor", "turnover of a month, a quarter and a year, averaged", "none"),
    MassColumn("Residual volatility", "residual_volatility", "risk_factor",
               "volatility that the market and factors do not explain", "none"),
)
BASE_DATA = (
    MassColumn("Open", "open", "base_data", "opening price", "CNY"),
    MassColumn("High", "high", "base_data", "highest price of the day", "CNY"),
    MassColumn("Low", "low", "base_data", "lowest price of the day", "CNY"),
    MassColumn("Close", "close", "base_data", "closing price", "CNY"),
    MassColumn("Volume", "volume", "base_data", "shares traded", "shares", ("vol", "tradevolume", "tradingvolume")),
    MassColumn("Value", "value", "base_data", "value traded", "CNY", ("amount", "tradevalue", "tradingvalue")),
    MassColumn("MV", "market_value", "base_data", "market value of all shares", "CNY",
               ("marketvalue", "totalmv", "totalmarketvalue", "marketcap", "marketcapitalisation", "marketcapitalization")),
    MassColumn("FREE_MV", "free_market_value", "base_data", "market value of the shares that are traded freely", "CNY",
               ("freemarketvalue", "freefloatmarketvalue", "floatmv")),
    MassColumn("P/E", "price_to_earnings", "base_data", "price over earnings of a year", "ratio", ("pettm", "peratio", "pricetoearnings")),
    MassColumn("P/B", "price_to_book", "base_data", "price over book value", "ratio", ("pblf", "pbratio", "pricetobook")),
    MassColumn("Free shares", "free_shares", "base_data", "shares that are traded freely", "shares",
               ("freeshare", "freefloatshares", "floatshares")),
)
# fmt: on
PRICE_FEATURE = tuple(
    MassColumn(
        f"price_value_feature_{i}",
        f"price_value_feature_{i}",
        "price_feature",
        f"price-volume signal {i}, {'positively' if sign > 0 else 'negatively'} related to later returns",
        "none",
    )
    for i, sign in enumerate(PUBLISHED_SIGNS)
)
FUNDAMENTALS = (*VALUATION, *DIVIDEND, *GROWTH, *QUALITY, *RISK_FACTOR, *PRICE_FEATURE)
"""The columns of `sub_fudamental_data.parq` and of the tables of `market.mass.tables`."""
MODALITIES = ("valuation", "dividend", "growth", "quality", "news", "base_data", "cross_industry", "risk_factor", "price_feature")
"""MASS's nine, in the order of its flags, 1 to 256."""


class Recognised(NamedTuple):
    """What a table's headings are.

    Attributes:
        columns: MASS's columns that are there, with the table's heading of each.
        unknown: headings that are none.
    """

    columns: Mapping[MassColumn, str]
    unknown: tuple[str, ...]


def recognise(headings: Iterable[str], known: Iterable[MassColumn], path: Path, renamed: Mapping[str, str] | None = None) -> Recognised:
    """Find MASS's columns among a table's headings: by name, else by a spelling that differs in case, blanks and marks, or is listed.

    Args:
        headings: of the table.
        known: the columns looked for.
        path: of the table, for messages.
        renamed: headings of the user's own, by MASS's name of the column.

    Raises:
        DataError: two headings are the same column.

    Example:
        >>> from pathlib import Path
        >>> found = recognise(["Stock", "Date", "e/p", "Beta"], VALUATION, Path("table.parq"))
        >>> {column.feature: heading for column, heading in found.columns.items()}, found.unknown
        ({'earnings_to_price': 'e/p'}, ('Beta',))
    """
    own = {heading: name for name, heading in (renamed or {}).items()}
    by_spelling = {spelling: column for column in known for spelling in (plain(column.column), *column.spellings)}
    found: dict[MassColumn, str] = {}
    unknown = []
    for heading in headings:
        if heading in KEYS or INDEX.fullmatch(heading):
            continue
        column = by_spelling.get(plain(own.get(heading, heading)))
        if column is None:
            unknown.append(heading)
        elif column in found:
            raise DataError(
                f"{path}: columns {found[column]!r} and {heading!r} are both MASS's {column.column!r}; keep one, or say which under "
                "market.mass.columns and rename the other"
            )
        else:
            found[column] = heading
    return Recognised(found, tuple(unknown))


def percent_sized_features(panel: Panel) -> tuple[str, ...]:
    """Sentences about features that are fractions, half of whose values are as large as percentages are."""
    found = []
    for column in (*VALUATION, *DIVIDEND, *GROWTH, *QUALITY):
        if column.unit == "fraction" and column.feature in panel.features:
            known = np.abs(panel.features[column.feature].values[panel.member])
            known = known[np.isfinite(known)]
            if known.size and np.median(known) > LARGE_FRACTION:
                found.append(
                    f"half of the values of {column.column!r} exceed {np.median(known):.0%}; are they in percent? They are fractions: "
                    "write 0.05 for 5 %"
                )
    return tuple(found)


def plain(heading: str) -> str:
    """A heading without capitals, blanks and marks, but for the `&` and the letters and digits."""
    return re.sub(r"[^a-z0-9&]", "", heading.casefold())
