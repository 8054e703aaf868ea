"""MASS's `base_data.parq`: prices, volumes and market values of each stock and date, where the folder has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from massjax.errors import DataError, did_you_mean
from massjax.market.mass_columns import BASE_DATA, KEYS, VALUATION, MassColumn, recognise
from massjax.market.mass_tables import feature_tables
from massjax.market.panel import Feature, Panel
from massjax.market.reading import headings_of
from massjax.market.settings import FeaturesTable, PricesTable
from massjax.row_words import counted

SETTING = "market.folder"
OF_BASE = {column.column: column for column in BASE_DATA}
INVERSES = {"price_to_earnings": VALUATION[0], "price_to_book": VALUATION[1]}
"""Valuations that are one over a column of the base data, where no table has them."""
DAY_PRICES = ("open", "high", "low")
ROUNDING = 1e-4
"""Share of a price by which it may lie outside the range of its day."""
UNITS = 5.0
"""Factor by which values traded may differ from shares by the close, as adjusted closes do from those of the day."""


@dataclass(frozen=True)
class BaseData:
    """How to read a file of base data; everything is empty without one.

    Attributes:
        path: of the file.
        prices: closes, and the volumes that tell of suspensions.
        features: base data as a modality.
        headings: of the file, by feature.
        warnings: sentences about columns that lack or are left out.
    """

    path: Path = Path()
    prices: PricesTable | None = None
    features: tuple[FeaturesTable, ...] = ()
    headings: Mapping[str, str] | None = None
    warnings: tuple[str, ...] = ()


def base_data(path: Path, renamed: Mapping[str, str] | None = None) -> BaseData:
    """How to read a file of base data, by its headings.

    Volumes tell on which dates no order is filled; where they lack, values traded do.

    Args:
        path: of the file.
        renamed: headings of the user's own, by MASS's name of the column.

    Raises:
        DataError: the file has no closing price, stock or date, or a column twice.
    """
    headings = headings_of(path, SETTING)
    found = recognise(headings, BASE_DATA, path, renamed)
    for key in (*KEYS[:2], "Close"):
        if key not in headings and (key != "Close" or OF_BASE["Close"] not in found.columns):
            cure = "rename the column, or say which it is under market.mass.columns" if key == "Close" else "rename the column"
            raise DataError(f"{path}: no column {key!r}{did_you_mean(key, headings)}; it has {', '.join(headings)}; {cure}")
    volume = next((found.columns[OF_BASE[name]] for name in ("Volume", "Value") if OF_BASE[name] in found.columns), None)
    return BaseData(
        path=path,
        prices=PricesTable(path=path, date="Date", stock="Stock", close=found.columns[OF_BASE["Close"]], volume=volume),
        features=feature_tables(found.columns, path),
        headings={column.feature: heading for column, heading in found.columns.items()},
        warnings=_told(path, found.columns, found.unknown, volume),
    )


def with_base_data(panel: Panel, base: BaseData) -> Panel:
    """The panel with what follows from the base data: valuations, and no price of the day where a stock was suspended.

    Raises:
        DataError: a price of the day is not above 0 although the stock traded, the highest is below the lowest, or a volume or
            market value is negative; the message names file, column, date and stock.
    """
    if base.headings is None:
        return panel
    features = dict(panel.features)
    idle = np.zeros(panel.member.shape, bool) if panel.tradable is None else ~panel.tradable
    for name in DAY_PRICES:
        if name in base.headings:
            values = features[name].values
            _refuse(panel, base, name, (values <= 0) & ~idle, values, "is not above 0, although the stock traded")
            features[name] = replace(features[name], values=np.where(values > 0, values, np.nan))
    if {"high", "low"} <= set(base.headings):
        high, low = features["high"].values, features["low"].values
        _refuse(panel, base, "high", high < low, high, "is below the lowest price of the day")
    told = _unlike(panel, base, features)
    for name in ("volume", "value", "market_value", "free_market_value", "free_shares"):
        if name in base.headings:
            values = features[name].values
            _refuse(panel, base, name, values < 0, values, "is negative")
    for name, column in INVERSES.items():
        if name in base.headings and column.feature not in features:
            features[column.feature] = _inverse(features[name], column)
    return replace(panel, features=features, warnings=(*panel.warnings, *told))


def _unlike(panel: Panel, base: BaseData, features: Mapping[str, Feature]) -> tuple[str, ...]:
    """Sentences about columns that do not fit the closes beside them."""
    assert base.headings is not None
    told = []
    close = features["close"].values
    if {"high", "low"} <= set(base.headings):
        outside = (close > features["high"].values * (1 + ROUNDING)) | (close < features["low"].values * (1 - ROUNDING))
        if outside.any():
            date, row = np.argwhere(outside.T)[0]
            told.append(
                f"{base.path}: {counted(int(outside.sum()), 'close')} lie outside the range of the day (first {panel.stocks[row]} on "
                f"{panel.dates[date]}); are closes alone adjusted for splits and dividends?"
            )
    if {"volume", "value"} <= set(base.headings):
        ratio = _middle(features["value"].values, features["volume"].values * close)
        if not 1 / UNITS <= ratio <= UNITS:
            told.append(
                f"{base.path}: {base.headings['value']!r} is {ratio:.3g} times shares traded by the close, in the middle of all rows; "
                "volumes should be shares, not lots, and values CNY, not thousands"
            )
    return tuple(told)


def _middle(above: Float[np.ndarray, "N T"], below: Float[np.ndarray, "N T"]) -> float:
    """Median ratio of two columns where both are above 0; 1 where they never are."""
    both = (above > 0) & (below > 0)
    return float(np.median(above[both] / below[both])) if both.any() else 1.0


def _inverse(feature: Feature, column: MassColumn) -> Feature:
    values = np.where(feature.values == 0, np.nan, feature.values)
    return Feature(column.feature, column.modality, 1.0 / values, column.label, column.style)


def _refuse(panel: Panel, base: BaseData, name: str, faulty: Bool[np.ndarray, "N T"], values: Float[np.ndarray, "N T"], why: str) -> None:
    found = np.argwhere(faulty.T)
    if len(found) and base.headings is not None:
        date, row = found[0]
        raise DataError(
            f"{base.path}: column {base.headings[name]!r}, date {panel.dates[date]}, stock {panel.stocks[row]}: {values[row, date]:g} "
            f"{why} ({counted(len(found), 'row')} in all); leave the field empty where it is unknown"
        )


def _told(path: Path, columns: Mapping[MassColumn, str], unknown: tuple[str, ...], volume: str | None) -> tuple[str, ...]:
    lacking = [column.column for column in BASE_DATA if column not in columns]
    told = []
    if lacking:
        beside = f"; of its columns are not known: {', '.join(map(repr, unknown))}" if unknown else ""
        told.append(
            f"{path}: has no column {', '.join(map(repr, lacking))}{beside} (market.mass.columns says which column of the file is which)"
        )
    elif unknown:
        told.append(f"{path}: left out columns that MASS's table has not: {', '.join(map(repr, unknown))}")
    if volume is None:
        told.append(f"{path}: neither volumes nor values traded, so every price counts as one that can be traded at, suspensions too")
    return tuple(told)
