"""The generic adapter: prices, features, texts, membership and ready-made returns from long parquet or CSV tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Shaped

from massjax.errors import ConfigError, DataError
from massjax.market.alignment import misaligned, split_histories
from massjax.market.calendar import mixed_calendars
from massjax.market.carried import carried
from massjax.market.days_off import moved_days, refuse_snapshots, rows_off, weekend_rows
from massjax.market.doubles import doubles
from massjax.market.grid import days, occurs, place
from massjax.market.identifiers import Conventions
from massjax.market.impossible import refuse_impossible
from massjax.market.jumps import jumps, still
from massjax.market.panel import Feature, Panel
from massjax.market.reading import as_stocks, read_columns, read_long, refuse
from massjax.market.settings import MarketSettings, PricesTable, ReturnsTable, StocksTable
from massjax.market.texts import merged_texts, read_texts
from massjax.market.tradable import as_flags, never_tradable, tradable_of, traded


def load_tables(settings: MarketSettings) -> Panel:
    """The panel of the tables that `settings` names, all dates, with neither computed features nor computed forward returns.

    The dates and stocks are those of the prices, or of the ready-made forward returns where there are no prices. Without a
    membership table every stock is a member on the dates on which it has a row there; with one, a member also needs that row.

    Raises:
        DataError: a table is missing or malformed; the message names file, column, row, date and stock.
    """
    warnings: list[str] = []
    conventions = Conventions.of(settings)
    prices = _read_prices(settings.prices, warnings, conventions) if settings.prices is not None else None
    returns = _read_returns(settings.forward_returns, conventions) if settings.forward_returns is not None else None
    base, source = (prices, settings.prices) if prices is not None else (returns, settings.forward_returns)
    if base is None or source is None:
        raise ConfigError("market.source 'tables' needs market.prices or market.forward_returns")
    if base.is_empty():
        raise DataError(
            f"{source.path}: has no row with a value, so the universe is empty" + "".join(f"; {warning}" for warning in warnings)
        )
    dates, stocks = np.unique(days(base["date"])), tuple(base["stock"].unique().sort())
    warnings.extend((*weekend_rows(dates, source.path, settings.timezone), *split_histories(base, source.path)))
    listed = occurs(base, dates, stocks)
    member = _members(settings, listed, dates, stocks, warnings)
    universe = _universe(settings, member, stocks)
    about = AboutStocks()
    if settings.stocks is not None:
        about = _read_stocks(settings.stocks, stocks, universe, warnings, conventions)
    if prices is not None and returns is not None and settings.forward_returns is not None:
        warnings.extend(_off(returns, dates, stocks, universe, settings.forward_returns.path, "market.forward_returns", None))
    closes = None if prices is None else place(prices, "value_0", dates, stocks)
    warnings.extend(mixed_calendars(listed, dates, stocks, source.path))
    values, what = (place(base, "value_0", dates, stocks), "return") if closes is None else (closes, "close")
    warnings.extend(doubles(values, stocks, source.path, what))
    tradable = None
    if closes is not None and prices is not None and settings.prices is not None:
        tradable = tradable_of(prices, settings.prices, dates, stocks)
        warnings.extend(jumps(closes, dates, stocks, source.path))
        warnings.extend(still(closes, dates, stocks, source.path, flagged=tradable is not None))
        if tradable is not None:
            warnings.extend(never_tradable(tradable, np.isfinite(closes), stocks, source.path))
    return Panel(
        dates=dates,
        stocks=stocks,
        member=member,
        features=_features(settings, dates, stocks, universe, warnings),
        forward_returns=_ready_made(settings, returns, dates, stocks),
        prices=closes,
        texts=_texts(settings, dates, stocks, member, universe, warnings),
        text_windows={table.modality: table.window for table in settings.texts},
        tradable=tradable,
        **about._asdict(),
        warnings=tuple(warnings),
    )


def _universe(settings: MarketSettings, member: Bool[np.ndarray, "N T"], stocks: Sequence[str]) -> frozenset[str]:
    """The stocks that are ever members, or the few that are asked for."""
    ever = frozenset(stock for stock, listed in zip(stocks, np.any(member, axis=1).tolist(), strict=True) if listed)
    return ever & set(settings.only) if settings.only is not None else ever


def _off(
    rows: pl.DataFrame,
    dates: Shaped[np.ndarray, " T"],
    stocks: Sequence[str],
    universe: frozenset[str],
    path: Path,
    setting: str,
    carry: int | None,
) -> tuple[str, ...]:
    """What of a table of values meets no stock or date of the panel."""
    valued = rows.filter(pl.any_horizontal(pl.col("^value_.*$").is_not_null() & pl.col("^value_.*$").is_not_nan()))
    return (*misaligned(rows["stock"], stocks, universe, path, dates=rows["date"]), *rows_off(valued, dates, path, setting, carry))


def _read_prices(table: PricesTable, warnings: list[str], conventions: Conventions) -> pl.DataFrame:
    volumes = [] if table.volume is None else [table.volume]
    flags = [] if table.tradable is None else [table.tradable]
    numbers = [table.close, *volumes]
    prices = read_long(table.path, "market.prices", table.date, table.stock, numbers, flags, conventions=conventions)
    column = f"column {table.close!r}"
    refuse(prices["value_0"].is_nan(), prices, table.path, column, "the price is NaN; leave the field empty, or leave the row out")
    refuse(prices["value_0"] <= 0.0, prices, table.path, column, "the price is zero or negative; leave the row out if there was no trade")
    empty = prices["value_0"].null_count()
    if empty:
        warnings.append(f"{table.path}: left out {empty:,} {'row' if empty == 1 else 'rows'} without a price in {column}")
    fillable = pl.Series([True]).new_from_index(0, len(prices))
    if table.tradable is not None:
        fillable &= as_flags(prices["other_0"], prices, table.path, table.tradable)
    if table.volume is not None:
        fillable &= traded(prices["value_1"], prices, table.path, table.volume)
    return prices.with_columns(tradable=fillable).filter(pl.col("value_0").is_not_null())


def _read_returns(table: ReturnsTable, conventions: Conventions) -> pl.DataFrame:
    columns = list(table.columns.values())
    returns = read_long(table.path, "market.forward_returns", table.date, table.stock, columns, conventions=conventions)
    for i, column in enumerate(columns):
        refuse_impossible(returns[f"value_{i}"], returns, table.path, column)
    return returns


def _ready_made(
    settings: MarketSettings, returns: pl.DataFrame | None, dates: Shaped[np.ndarray, " T"], stocks: Sequence[str]
) -> dict[int, Float[np.ndarray, "N T"]]:
    table = settings.forward_returns
    given = tuple(table.columns) if table is not None else ()
    missing = [h for h in settings.horizons if h not in given]
    if missing and settings.prices is None:
        raise ConfigError(
            f"market.horizons: {missing[0]} is not among market.forward_returns.columns, which has {', '.join(map(str, given))}, "
            "and there are no prices to compute it from; set market.horizons to horizons that are there"
        )
    if returns is None:
        return {}
    return {h: place(returns, f"value_{given.index(h)}", dates, stocks) for h in settings.horizons if h in given}


def _members(
    settings: MarketSettings, listed: Bool[np.ndarray, "N T"], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], warnings: list[str]
) -> Bool[np.ndarray, "N T"]:
    table = settings.membership
    if table is None:
        return listed
    rows = read_long(table.path, "market.membership", table.date, table.stock, conventions=Conventions.of(settings))
    _refuse_empty(rows, stocks, table.path)
    warnings.extend(misaligned(rows["stock"], stocks, stocks, table.path, expects_all=False, names_others=True, dates=rows["date"]))
    refuse_snapshots(rows, dates, table.path)
    member = occurs(rows, dates, stocks) & listed
    lost = len(rows) - int(member.sum())
    if lost:
        what = f"{lost:,} of {len(rows):,} memberships are of a stock without market data on that date"
        warnings.append(f"{table.path}: {what}; left out{moved_days(rows, dates)}")
    return member


def _features(
    settings: MarketSettings, dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], universe: frozenset[str], warnings: list[str]
) -> dict[str, Feature]:
    features: dict[str, Feature] = {}
    for number, table in enumerate(settings.features):
        columns = table.columns
        setting = f"market.features[{number}]"
        numbers = [c.column for c in columns.values()]
        rows = read_long(table.path, setting, table.date, table.stock, numbers, conventions=Conventions.of(settings))
        _refuse_empty(rows, stocks, table.path)
        warnings.extend(_off(rows, dates, stocks, universe, table.path, setting, table.carry))
        for i, (name, column) in enumerate(columns.items()):
            if name in features:
                raise ConfigError(f"{setting}: feature {name!r} is already in another table; feature names must be distinct")
            values = place(rows, f"value_{i}", dates, stocks, table.carry)
            label = column.label or name.replace("_", " ")
            features[name] = Feature(name, table.modality, values, label, column.style, column.words)
    return features


def _texts(
    settings: MarketSettings,
    dates: Shaped[np.ndarray, " T"],
    stocks: Sequence[str],
    member: Bool[np.ndarray, "N T"],
    universe: frozenset[str],
    warnings: list[str],
) -> pl.DataFrame | None:
    if not settings.texts:
        return None
    tables = []
    for number, table in enumerate(settings.texts):
        texts, left_out = read_texts(table, f"market.texts[{number}]", dates, stocks, Conventions.of(settings))
        texts, lost = carried(texts, member, dates, stocks, table.carry)
        tables.append(texts)
        warnings.extend(left_out)
        if lost:
            waited = f"on stocks that are no members within {table.carry} days (market.texts[{number}].carry)"
            warnings.append(f"{table.path}: left out {lost:,} texts {waited}")
    return merged_texts(tables)


class AboutStocks(NamedTuple):
    """What is known of stocks besides numbers, by stock: names, sectors, further names, and persons who stand for them."""

    names: Mapping[str, str] = MappingProxyType({})
    sectors: Mapping[str, str] = MappingProxyType({})
    aliases: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    people: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def _read_stocks(
    table: StocksTable, stocks: Sequence[str], universe: frozenset[str], warnings: list[str], conventions: Conventions
) -> AboutStocks:
    wanted = [column for column in (table.name, table.sector, table.aliases, table.people) if column is not None]
    raw = read_columns(table.path, "market.stocks", [table.stock, *wanted])
    identifiers = as_stocks(raw, table.stock, table.path, conventions)
    twice = identifiers.is_duplicated().arg_true()
    if len(twice):
        raise DataError(f"{table.path}: column {table.stock!r}, row {twice[0] + 1}: stock {identifiers[twice[0]]} occurs more than once")
    one_day = pl.Series([0]).new_from_index(0, len(identifiers))
    warnings.extend(misaligned(identifiers, stocks, universe, table.path, dates=one_day))
    known = set(stocks)

    def by_stock(column: str | None) -> dict[str, str]:
        if column is None:
            return {}
        pairs = zip(identifiers, raw[column].cast(pl.String), strict=True)
        return {stock: words for stock, words in pairs if stock in known and words not in (None, "", "-")}

    def several(column: str | None) -> dict[str, tuple[str, ...]]:
        return {stock: tuple(filter(None, map(str.strip, re.split("[;；]", words)))) for stock, words in by_stock(column).items()}

    return AboutStocks(by_stock(table.name), by_stock(table.sector), several(table.aliases), several(table.people))


def _refuse_empty(rows: pl.DataFrame, stocks: Sequence[str], path: Path) -> None:
    if rows.is_empty():
        raise DataError(f"{path}: has no rows, but the market data has stocks such as {stocks[0]!r}")
