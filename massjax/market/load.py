"""From settings to a panel: read a source, add price features and forward returns, cut to the dates asked for, check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float

from massjax.errors import ConfigError, DataError, did_you_mean
from massjax.market.agreement import disagreements
from massjax.market.calendar import calendar_warnings, long_gaps
from massjax.market.coverage import lost_returns
from massjax.market.features import not_computed, price_features
from massjax.market.fills import with_fills
from massjax.market.history import standing_in_past_year
from massjax.market.identifiers import Conventions, pairs, spelled
from massjax.market.impossible import percent_sized
from massjax.market.mass import LABELS_FILE, load_mass
from massjax.market.panel import Panel
from massjax.market.ready_made import odd_returns
from massjax.market.returns import forward_returns
from massjax.market.settings import MarketSettings
from massjax.market.sp500 import load_sp500
from massjax.market.tables import load_tables
from massjax.row_words import counted


def load_panel(settings: MarketSettings) -> Panel:
    """The market panel that market settings describe; see `massjax.load_panel`, which also takes a configuration.

    Raises:
        ConfigError, DataError: as it does.
    """
    panel = _read(settings)
    known = panel.stocks
    if settings.periods_per_year is not None:
        panel = replace(panel, periods_per_year=settings.periods_per_year)
    panel = replace(panel, warnings=(*panel.warnings, *calendar_warnings(panel.dates, panel.periods_per_year)))
    table = settings.forward_returns
    labels = settings.folder / LABELS_FILE if settings.folder is not None and panel.prices is not None else None
    returns_path = labels if table is None else table.path
    if returns_path is not None:
        panel = replace(panel, warnings=(*panel.warnings, *_doubts(panel, settings.execution_lag, returns_path)))
    ready_made = frozenset(panel.forward_returns)
    if panel.prices is not None:
        panel = _with_forward_returns(panel, panel.prices, settings)
    panel = with_fills(panel, settings.execution_lag)
    if panel.prices is not None and settings.price_features and not (settings.source == "mass" and settings.prices is None):
        panel = _with_price_features(panel, panel.prices)
    ever = panel.member.any(axis=1)
    if not ever.all():
        panel = panel.only([panel.stocks[row] for row in np.flatnonzero(ever)])
    if settings.only is not None:
        panel = panel.only(_asked_for(settings, panel, known))
    facts = {
        name: replace(fact, standing=standing_in_past_year(fact.values, panel.periods_per_year))
        for name, fact in panel.market_facts.items()
    }
    everything = replace(panel, market_facts=facts)
    panel = everything.between(settings.start, settings.end)
    _check_members(panel, settings)
    first = int(np.searchsorted(everything.dates, panel.dates[0]))
    lost = lost_returns(everything, slice(first, first + panel.dates.size), settings.execution_lag, ready_made, _returns_source(settings))
    return replace(panel, warnings=(*panel.warnings, *long_gaps(panel.dates), *_unknown_throughout(panel), *lost))


def _read(settings: MarketSettings) -> Panel:
    match settings.source:
        case "sp500":
            return load_sp500()
        case "tables":
            return load_tables(settings)
        case "mass":
            return load_mass(settings)


def _doubts(panel: Panel, execution_lag: int, path: Path) -> tuple[str, ...]:
    """Sentences about ready-made returns that contradict the prices beside them, or are of an unlikely size."""
    returns, prices = panel.forward_returns, panel.prices
    against = () if prices is None else disagreements(returns, prices, execution_lag, path)
    if against:
        return against
    odd = odd_returns(returns, panel.dates, panel.stocks, path) if prices is None else ()
    return (*percent_sized(returns, panel.periods_per_year, path), *odd)


def _with_forward_returns(panel: Panel, prices: Float[np.ndarray, "N T"], settings: MarketSettings) -> Panel:
    returns = {
        h: panel.forward_returns[h] if h in panel.forward_returns else forward_returns(prices, h, settings.execution_lag, panel.tradable)
        for h in settings.horizons
    }
    return replace(panel, forward_returns=returns)


def _with_price_features(panel: Panel, prices: Float[np.ndarray, "N T"]) -> Panel:
    computed = price_features(prices, panel.stocks, panel.sectors, panel.periods_per_year)
    lacking = not_computed(panel.periods_per_year, with_sectors=bool(panel.sectors))
    for name in panel.features:
        if name in computed:
            raise ConfigError(
                f"market.features: {name!r} is the name of a standard price feature; rename it, or set market.price_features to false"
            )
    return replace(panel, features={**computed, **panel.features}, warnings=(*panel.warnings, *lacking))


def _asked_for(settings: MarketSettings, panel: Panel, known: Sequence[str]) -> list[str]:
    """The stocks of `market.only`, in the order of the panel; a file's spelling stands for the panel's."""
    asked = pl.Series(settings.only, dtype=pl.String)
    mapped = spelled(asked, Conventions.of(settings))
    found = set()
    for given, stock in zip(asked, mapped, strict=True):
        there = given if given in panel.stocks else stock
        if there in panel.stocks:
            found.add(there)
        elif there in known:
            raise DataError(f"market.only: {there!r} is a member on no date; {_universe_source(settings)} says who is a member")
        else:
            near = next((pair.there for pair in pairs([stock], known, known)), None)
            hint = did_you_mean(stock, known) if near is None else f" (did you mean {near!r}?)"
            raise ConfigError(f"market.only: there is no stock {given!r}{hint} among the {len(known):,} of {_universe_source(settings)}")
    if len(found) < 2:
        raise ConfigError(
            f"market.only: {', '.join(map(repr, asked))} are one stock, {min(found)!r}; name two or more, which are then ranked"
        )
    return [stock for stock in panel.stocks if stock in found]


def _check_members(panel: Panel, settings: MarketSettings) -> None:
    count = panel.member.sum(axis=0)
    few, enough = np.flatnonzero(count < 2), np.flatnonzero(count >= 2)
    if not len(few):
        return
    where = _universe_source(settings) + (", the stocks of market.only" if settings.only is not None else "")
    if not count.any():
        raise DataError(f"{where}: the universe is empty: no stock is a member on any date from {panel.dates[0]} to {panel.dates[-1]}")
    longest = max(np.split(enough, np.flatnonzero(np.diff(enough) > 1) + 1), key=len)
    period = f"from {panel.dates[longest[0]]} to {panel.dates[longest[-1]]}" if len(longest) else "on no date"
    raise DataError(
        f"{where}: ranking needs two members on every date, and there are {count[few[0]]} on {panel.dates[few[0]]} (too few on "
        f"{len(few):,} of {len(panel.dates):,} dates). There are enough on every date {period}: mend that date, or set "
        f"market.start and market.end{_remarks(panel, settings)}"
    )


def _remarks(panel: Panel, settings: MarketSettings) -> str:
    """What has been remarked on the table that says who is a member."""
    source = _universe_source(settings)
    return "".join(f". {warning}" for warning in panel.warnings if warning.startswith(source))


def _returns_source(settings: MarketSettings) -> str:
    """What the forward returns are from."""
    table = settings.forward_returns or settings.prices
    return f"market.source {settings.source!r}" if table is None else str(table.path)


def _universe_source(settings: MarketSettings) -> str:
    """What says who is a member."""
    table = settings.membership or settings.prices or settings.forward_returns
    return f"market.source {settings.source!r}" if table is None else str(table.path)


def _unknown_throughout(panel: Panel) -> list[str]:
    """A sentence for each feature and forward return that no member has on any date."""
    arrays = {f"feature {name!r}": feature.values for name, feature in panel.features.items()}
    arrays |= {f"the forward return over {counted(h, 'row')}": values for h, values in panel.forward_returns.items()}
    return [f"{what} is unknown for every member on every date" for what, values in arrays.items() if np.isnan(values[panel.member]).all()]
