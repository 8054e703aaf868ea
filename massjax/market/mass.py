"""The example dataset published with MASS (arXiv 2505.10278): the SSE 50, 2018 to 2023, with ready-made forward returns.

Most of the layout is a configuration of the generic tables; industry returns and macro series are read here. The labels are
returns from the close of the date itself (execution lag 0); the five-day label is about the sum of five one-day labels.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from massjax.errors import DataError
from massjax.market.calendar import spans
from massjax.market.features import MOVE
from massjax.market.grid import place
from massjax.market.history import compounded
from massjax.market.identifiers import Conventions
from massjax.market.mass_base import BaseData, base_data, with_base_data
from massjax.market.mass_columns import percent_sized_features
from massjax.market.mass_macro import macro_facts
from massjax.market.mass_settings import MassSettings
from massjax.market.mass_tables import fundamentals_tables, news_tables, refuse_unused
from massjax.market.panel import Feature, Panel
from massjax.market.reading import headings_of, read_long
from massjax.market.settings import MarketSettings, MembershipTable, ReturnsTable, StocksTable
from massjax.market.tables import load_tables

LABELS = {1: "1_15_labelB", 5: "5_15_labelB", 10: "10_15_labelB"}
"""Forward-return columns by horizon."""
LABELS_FILE = "ih_label.parq"
BASE_FILE = "base_data.parq"
"""Open to free shares, which not every copy of the published folder has."""

SIGNS_OF_UNKNOWN_ORIGIN = (
    "the prompt labels of price_value_feature_0 to _5 repeat the signs given in MASS's published prompts; "
    "whether those were chosen with the test year in view is not known"
)


def load_mass(settings: MarketSettings) -> Panel:
    """All dates of the dataset in `settings.folder`; a stock is a member on the dates on which it has a label.

    Where `base_data.parq` lies in the folder its closes are the prices, unless `settings.prices` names others. Tables that `settings`
    names besides (texts, further features, those of `settings.mass`) are added; its own stocks, membership or forward returns take the
    place of the published ones.

    Raises:
        DataError: a file of the layout is missing or malformed, or a table has columns that MASS's have not.
    """
    folder = settings.folder
    if folder is None or not folder.is_dir():
        raise DataError(f"{folder}: no such folder; market.folder must name the one that holds {LABELS_FILE}")
    conventions, mass = Conventions.of(settings), settings.mass or MassSettings()
    keys = {"date": "Date", "stock": "Stock"}
    labels = folder / LABELS_FILE
    if settings.forward_returns is None:
        headings_of(labels, "market.folder")
    base = base_data(folder / BASE_FILE, mass.columns) if (folder / BASE_FILE).is_file() else BaseData()
    fundamentals, told = fundamentals_tables(folder, mass)
    refuse_unused(mass.columns, dict.fromkeys([folder / BASE_FILE, *(table.path for table in fundamentals)]))
    panel = load_tables(
        settings.replace(
            source="tables",
            folder=None,
            mass=None,
            prices=settings.prices or base.prices,
            forward_returns=settings.forward_returns or ReturnsTable(path=labels, columns=LABELS, **keys),
            membership=settings.membership or MembershipTable(path=labels, **keys),
            stocks=settings.stocks or StocksTable(path=folder / "stock_basic_data.parq", stock="Stock", name="Name", sector="Industry"),
            features=(*fundamentals, *base.features, *settings.features),
            texts=(*news_tables(mass), *settings.texts),
        )
    )
    facts, told_of_macro = macro_facts(folder / "macro_data", panel.dates, mass, conventions)
    panel = with_base_data(panel, base)
    return replace(
        panel,
        features={**panel.features, **_industry_features(folder, panel, conventions)},
        market_facts=facts,
        warnings=(*panel.warnings, *base.warnings, *told, *percent_sized_features(panel), *told_of_macro, SIGNS_OF_UNKNOWN_ORIGIN),
    )


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
