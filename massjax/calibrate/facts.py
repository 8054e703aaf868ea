"""Stylised facts of a panel as one row of numbers, with the covariance of their errors over what may be drawn with replacement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from massjax.calibrate.settings import ComparedFacts
from massjax.errors import DataError
from massjax.market.panel import Panel
from massjax.statistics.autocorrelation import autocorrelation, mean_autocorrelation
from massjax.statistics.order_flow import volume_volatility
from massjax.statistics.over_markets import FEWEST_MARKETS, MOST_UNDEFINED
from massjax.statistics.tails import hill_index, kurtosis_by_scale, standardised

LEAST_DEFINED = 0.9
"""Share of the series with returns in which a fact must be defined; else it is a fact of the few that are alive."""
LEAST_KNOWN = 0.5
"""Share of the rows of a piece of which a stock's return must be known; else the stock is left out of that piece."""


class FactPanel(NamedTuple):
    """Returns in units that may be drawn with replacement.

    A unit is a simulated market, of one series; or a span of rows of a real panel with the series of all its stocks, which share their days
    and so are drawn together.

    Attributes:
        returns: log returns over rows; NaN = missing.
        volumes: traded in each row; None where it is not known.
    """

    returns: Float[np.ndarray, "U S B"]
    volumes: Float[np.ndarray, "U S B"] | None


class Measured(NamedTuple):
    """What facts are made of.

    Attributes:
        by_series: facts of each series that are averaged over all; NaN where undefined.
        pooled: standardised returns, of which Hill's index is taken; None where it is not.
        there: whether the series has returns at all.
    """

    by_series: Float[np.ndarray, "U S G"]
    pooled: Float[np.ndarray, "U S B"] | None
    there: np.ndarray


def fact_names(settings: ComparedFacts, volumes: bool) -> tuple[str, ...]:
    """Names of the facts, in the order of `facts_of`.

    Example:
        >>> fact_names(ComparedFacts(lags=(1,)), volumes=True)[3:]
        ('mean |r| autocorrelation, lags 12-20', 'volume-volatility', 'Hill index of |r|')
    """
    names = [f"excess kurtosis, scale {scale}" for scale in settings.scales]
    names += [f"|r| autocorrelation, lag {lag}" for lag in settings.lags]
    if settings.memory is not None:
        names.append(f"mean |r| autocorrelation, lags {settings.memory[0]}-{settings.memory[1]}")
    names += ["volume-volatility"] * volumes + ["Hill index of |r|"] * settings.hill
    return tuple(names)


def facts_of(panel: FactPanel, settings: ComparedFacts) -> Float[np.ndarray, " F"]:
    """The facts of a panel: of each series, averaged over all, and Hill's index of all together.

    Returns:
        NaN where a fact is undefined in more than a tenth of the series with returns, as where their prices do not move.

    Example:
        >>> import numpy as np
        >>> fat = np.random.default_rng(0).standard_t(4, size=(40, 1, 100))
        >>> found = facts_of(FactPanel(fat, None), ComparedFacts())
        >>> bool(found[0] > 0.5), bool(2.5 < found[-1] < 6)
        (True, True)
    """
    return _averaged(_measured(panel, settings), LEAST_DEFINED)


def error_covariance(panel: FactPanel, settings: ComparedFacts, seed: int = 0) -> Float[np.ndarray, "F F"]:
    """Covariance of the errors of `facts_of`, by the bootstrap over units, times U / (U − 1) for the few that there are.

    Args:
        seed: of `numpy.random.default_rng`.

    Raises:
        DataError: there are fewer than five units, or the facts are undefined on more than 5 % of the draws.
    """
    measured, units = _measured(panel, settings), len(panel.returns)
    if units < FEWEST_MARKETS:
        raise DataError(f"errors of stylised facts need at least {FEWEST_MARKETS} markets or spans of time, and there are {units}")
    drawn = np.random.default_rng(seed).integers(0, units, (settings.draws, units))
    rows = np.stack([_averaged(_drawn(measured, chosen), 0.0) for chosen in drawn])
    defined = rows[np.isfinite(rows).all(axis=1)]
    if len(defined) < (1 - MOST_UNDEFINED) * len(rows):
        names = fact_names(settings, panel.volumes is not None)
        worst = names[int(np.isfinite(rows).sum(axis=0).argmin())]
        raise DataError(f"{worst!r} is undefined in {100 * (1 - len(defined) / len(rows)):.0f} % of the resamples; leave it out of `facts`")
    return np.atleast_2d(np.cov(defined.T)) * units / (units - 1)


def panel_of_market(panel: Panel, rows: int, volume: str | None = None) -> FactPanel:
    """A real panel cut into spans of so many rows, the last of which ends with it; each is one unit, with a series a stock.

    Args:
        rows: of a span.
        volume: feature that holds what was traded.

    Raises:
        DataError: there is no such feature, no price and no return over one row, or there are fewer than five spans.
    """
    returns = _log_returns(panel)
    spans = (returns.shape[1] - 1) // rows
    if spans < FEWEST_MARKETS:
        raise DataError(
            f"{returns.shape[1]:,} rows from {panel.dates[0]} to {panel.dates[-1]} make {spans} spans of {rows}, too few for errors: "
            f"{FEWEST_MARKETS} are needed; take more years, or give simulation.market.ticks less or facts.bar more"
        )
    cut = _cut(returns, spans, rows)
    known = np.isfinite(cut).mean(axis=-1, keepdims=True) >= LEAST_KNOWN
    if volume is None:
        return FactPanel(np.where(known, cut, np.nan), None)
    if volume not in panel.features:
        raise DataError(f"volume: the market data has no feature {volume!r}; it has {', '.join(panel.features) or 'none'}")
    return FactPanel(np.where(known, cut, np.nan), _cut(panel.features[volume].values, spans, rows))


def _log_returns(panel: Panel) -> Float[np.ndarray, "N T"]:
    """Log returns of members up to each date, or, where there are no prices, those that follow it.

    A price at which nobody could trade, such as that carried on through a suspension, is none.
    """
    if panel.prices is not None:
        known = panel.member & (panel.prices > 0) & (True if panel.tradable is None else panel.tradable)
        prices = np.where(known, panel.prices, np.nan)
        return np.diff(np.log(prices), axis=1, prepend=np.nan)
    if 1 not in panel.forward_returns:
        raise DataError("the market data has neither prices nor returns over one row; give market.prices, or market.horizons a 1")
    returns = panel.forward_returns[1]
    return np.log1p(np.where(panel.member & (returns > -1), returns, np.nan))


def _cut(values: Float[np.ndarray, "N T"], spans: int, rows: int) -> Float[np.ndarray, "U N B"]:
    last = values[:, values.shape[1] - spans * rows :]
    return np.swapaxes(last.reshape(len(values), spans, rows), 0, 1).astype(np.float64)


def _measured(panel: FactPanel, settings: ComparedFacts) -> Measured:
    returns, magnitude = panel.returns, np.abs(panel.returns)
    facts = [np.empty((*returns.shape[:2], 0))]
    if settings.scales:
        facts.append(kurtosis_by_scale(returns, settings.scales))
    if settings.lags:
        facts.append(autocorrelation(magnitude, settings.lags))
    if settings.memory is not None:
        facts.append(mean_autocorrelation(magnitude, *settings.memory, corrected=False)[..., None])
    if panel.volumes is not None:
        facts.append(volume_volatility(returns, panel.volumes, bar=1)[..., None])
    there = np.isfinite(returns).any(axis=-1)
    return Measured(np.concatenate(facts, axis=-1), standardised(returns) if settings.hill else None, there)


def _drawn(measured: Measured, chosen: np.ndarray) -> Measured:
    pooled = None if measured.pooled is None else measured.pooled[chosen]
    return Measured(measured.by_series[chosen], pooled, measured.there[chosen])


def _averaged(measured: Measured, least_defined: float) -> Float[np.ndarray, " F"]:
    """Facts of all series together; NaN where less than that share of those with returns have one."""
    known = np.isfinite(measured.by_series)
    count, enough = known.sum(axis=(0, 1)), max(least_defined * int(measured.there.sum()), 1)
    sums = np.where(known, measured.by_series, 0.0).sum(axis=(0, 1))
    averages = np.divide(sums, count, out=np.full(count.shape, np.nan), where=count >= enough)
    return averages if measured.pooled is None else np.append(averages, hill_index(measured.pooled).index)
