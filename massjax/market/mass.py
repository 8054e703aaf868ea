"""The example dataset published with MASS (arXiv 2505.10278): the SSE 50, 2018 to 2023, with ready-made forward returns.

Most of the layout is a configuration of the generic tables; industry returns and macro series are read here. The labels are
returns from the close of the date itself (execution lag 0); the five-day label is about the sum of five one-day labels.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from massjax.errors import DataError
from massjax.market.calendar import spans
from massjax.market.features import MOVE
from massjax.market.grid import days, place
from massjax.market.history import compounded
from massjax.market.identifiers import Conventions
from massjax.market.panel import Feature, MarketFact, Panel, Style
from massjax.market.reading import as_dates, as_numbers, read_columns, read_long
from massjax.market.settings import FeatureColumn, FeaturesTable, MarketSettings, MembershipTable, ReturnsTable, StocksTable
from massjax.market.tables import load_tables

LABELS = {1: "1_15_labelB", 5: "5_15_labelB", 10: "10_15_labelB"}
"""Forward-return columns by horizon."""

PUBLISHED_SIGNS = (-1, -1, -1, 1, -1, 1)
"""How MASS's published prompts relate `price_value_feature_0` to `_5` to later returns."""

SIGNS_OF_UNKNOWN_ORIGIN = (
    "the prompt labels of price_value_feature_0 to _5 repeat the signs given in MASS's published prompts; "
    "whether those were chosen with the test year in view is not known"
)


class Series(NamedTuple):
    """A macro series: its file, how a prompt speaks of it, its unit, and the days from its date until it is public."""

    file: str
    name: str
    label: str
    style: Style
    unit: float
    delay: int
    column: str = "Value"


MACRO = (
    Series("China_1-Year_Loan_Prime_Rate_LPR.csv", "loan_prime_rate", "one-year loan prime rate", "percent", 0.01, 0),
    Series("China_CPI_YoY_Current_Month.csv", "cpi", "consumer prices, change on the year before", "percent", 0.01, 17),
    Series("yield_on_China_10_year_government_bonds.csv", "yield_10y", "yield of ten-year government bonds", "percent", 0.01, 1),
    Series("csi_300_pe_ttm.csv", "csi300_pe", "price-earnings ratio of the CSI 300", "ratio", 1.0, 1),
    Series("Market_Sentiment_Index.csv", "sentiment", "market sentiment index", "number", 1.0, 0, "Close"),
)
"""Consumer prices are dated at the end of their month and published by the middle of the next one; bond yields and index valuations
after the close of their date."""


def load_mass(settings: MarketSettings) -> Panel:
    """All dates of the dataset in `settings.folder`; a stock is a member on the dates on which it has a label.

    Tables that `settings` names besides (texts, further features, prices) are added; its own stocks, membership or forward
    returns take the place of the published ones.

    Raises:
        DataError: a file of the layout is missing or malformed.
    """
    folder = settings.folder
    if folder is None or not folder.is_dir():
        raise DataError(f"{folder}: no such folder; market.folder must name the one that holds ih_label.parq")
    conventions = Conventions.of(settings)
    keys = {"date": "Date", "stock": "Stock"}
    labels = folder / "ih_label.parq"
    panel = load_tables(
        settings.replace(
            source="tables",
            folder=None,
            forward_returns=settings.forward_returns or ReturnsTable(path=labels, columns=LABELS, **keys),
            membership=settings.membership or MembershipTable(path=labels, **keys),
            stocks=settings.stocks or StocksTable(path=folder / "stock_basic_data.parq", stock="Stock", name="Name", sector="Industry"),
            features=(_price_value_features(folder), *settings.features),
        )
    )
    return replace(
        panel,
        features={**panel.features, **_industry_features(folder, panel, conventions)},
        market_facts=_macro(folder / "macro_data", panel.dates, conventions),
        warnings=(*panel.warnings, SIGNS_OF_UNKNOWN_ORIGIN),
    )


def _price_value_features(folder: Path) -> FeaturesTable:
    columns = {
        f"price_value_feature_{i}": FeatureColumn(
            column=f"price_value_feature_{i}",
            label=f"price-volume signal {i}, {'positively' if sign > 0 else 'negatively'} related to later returns",
            style="number",
        )
        for i, sign in enumerate(PUBLISHED_SIGNS)
    }
    path = folder / "sub_fudamental_data.parq"  # sic
    return FeaturesTable(path=path, modality="price_feature", date="Date", stock="Stock", columns=columns)


def _industry_features(folder: Path, panel: Panel, conventions: Conventions) -> dict[str, Feature]:
    dated = Conventions(timezone=conventions.timezone)  # industries are no stocks
    rows = read_long(folder / "industry_ret.parq", "market.folder", "Date", "Industry", ["Daily_Return"], conventions=dated)
    industries = sorted(set(panel.sectors.values()))
    daily = place(rows, "value_0", panel.dates, industries)
    industry_of = [industries.index(panel.sectors[stock]) if stock in panel.sectors else len(industries) for stock in panel.stocks]
    features = {}
    calendar = spans(panel.periods_per_year)
    for name, window, words in (("1w", calendar.week, "week"), ("1m", calendar.month, "month"), ("3m", calendar.quarter, "3 months")):
        if window is None:
            continue
        unknown = np.full((1, len(panel.dates)), np.nan)
        values = np.concatenate([compounded(daily, window), unknown])[industry_of]
        label = f"return of its industry over the last {words}"
        features[f"industry_{name}"] = Feature(f"industry_{name}", "cross_industry", values, label, "percent", MOVE)
    return features


def _macro(folder: Path, dates: Shaped[np.ndarray, " T"], conventions: Conventions) -> dict[str, MarketFact]:
    return {
        series.name: _market_fact(folder / series.file, series, dates, conventions) for series in MACRO if (folder / series.file).is_file()
    }


def _market_fact(path: Path, series: Series, dates: Shaped[np.ndarray, " T"], conventions: Conventions) -> MarketFact:
    """The latest value that is public on each date."""
    table = read_columns(path, "market.folder", ["Date", series.column]).drop_nulls()
    dated = as_dates(table, "Date", path, conventions)
    public = days(dated) + np.timedelta64(series.delay, "D")
    order = np.argsort(public, kind="stable")
    latest = np.searchsorted(public[order], dates, side="right") - 1
    values = as_numbers(table, series.column, path, dated.to_frame()).to_numpy()[order] * series.unit
    return MarketFact(series.name, "macro", np.where(latest < 0, np.nan, values[latest]), series.label, series.style)
