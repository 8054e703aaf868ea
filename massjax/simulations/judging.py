"""What the markets of a population are like: health, stylised facts, tails, memory, and what traits do to behaviour."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from massjax.config.market_run import LAGS_BEYOND_LIFE, MarketRunConfig
from massjax.report.market.result import BAR, HILL, ExampleMarket, Population, Tail, TraitEffect
from massjax.report.market.words import memory_lags, memory_of
from massjax.simulations.populations import Played
from massjax.simulator.measures import TRAITS, Health, ailments, behaviours, differentiation, health
from massjax.simulator.rollout import Rollout, Ticks
from massjax.statistics.autocorrelation import autocorrelation, mean_autocorrelation
from massjax.statistics.over_markets import MarketInterval, band_over_markets, mean_over_markets, over_markets
from massjax.statistics.stylised_facts import FactSettings, stylised_facts
from massjax.statistics.tails import aggregated, hill_index, standardised

SCALES = (1, 10)
"""Ticks in the returns whose tails are drawn."""
SMALLEST, POINTS = 0.5, 60
"""Least size of a drawn return in standard deviations, and sizes drawn at most."""
PARTS = 5
"""Parts into which the agents of a market are sorted by a trait."""
WEALTH, GAIN = "wealth gained", "gain against the fundamental"


class Moves(NamedTuple):
    """What statistics take of markets: [markets, ticks], from the second tick on.

    Attributes:
        returns: log returns of the last price.
        volumes: shares traded.
        signs: side of who crossed the quotes: 1 bought, -1 sold, 0 where nothing was traded.
    """

    returns: Float[np.ndarray, "M T"]
    volumes: Float[np.ndarray, "M T"]
    signs: Float[np.ndarray, "M T"]


def judged(one: Played, rollout: Rollout, config: MarketRunConfig, base: Health | None, relations: bool) -> Population:
    """A population as the report tells of it.

    Args:
        rollout: its markets.
        base: health of untrained agents, against which it is held; None where it is held against nothing.
        relations: whether behaviour is related to traits.
    """
    found, moves, draws = health(rollout.ticks), moves_of(rollout.ticks), config.evaluation.draws
    bars = aggregated(moves.returns, BAR)
    lags = np.arange(1, memory_lags(config.simulation.market.agents)[1] + 1)
    of_returns, of_magnitudes = (
        band_over_markets(mean_over_known, autocorrelation(series, lags.tolist()), draws=draws) for series in (bars, np.abs(bars))
    )
    return Population(
        name=one.name,
        label=one.label,
        about=one.about,
        health=found,
        ailments=ailments(found, base) if base is not None else (),
        facts={
            **stylised_facts(moves.returns, moves.volumes, moves.signs, fact_settings(config)),
            **facts_of_bars(moves.returns, config),
        },
        relations=differentiation(rollout) if relations else (),
        tails=tuple(tail(moves.returns, scale) for scale in SCALES),
        lags=lags,
        of_returns=of_returns,
        of_magnitudes=of_magnitudes,
    )


def facts_of_bars(returns: Float[np.ndarray, "M T"], config: MarketRunConfig) -> dict[str, MarketInterval]:
    """Hill's index and the long memory of |r| of returns over bars."""
    bars, draws = aggregated(returns, BAR), config.evaluation.draws
    first, last = memory_lags(config.simulation.market.agents)
    return {
        HILL: over_markets(lambda z: hill_index(z).index, standardised(bars), draws=draws),
        memory_of(config): mean_over_markets(mean_autocorrelation(np.abs(bars), first, last), draws=draws),
    }


def fact_settings(config: MarketRunConfig) -> FactSettings:
    """What the table of stylised facts looks at: long memory at lags beyond the orders' time to live, a tick an agent."""
    life = config.simulation.market.agents
    return FactSettings(first_lag=life + 2, last_lag=life + LAGS_BEYOND_LIFE, draws=config.evaluation.draws)


def moves_of(ticks: Ticks) -> Moves:
    """Returns, volumes and signs of the ticks of markets."""
    log_price = np.log(np.asarray(ticks.price, np.float64))
    signs = np.sign(np.asarray(ticks.action[..., 1], np.float64)) * (np.asarray(ticks.trades) > 0)
    return Moves(np.diff(log_price, axis=0).T, np.asarray(ticks.traded, np.float64)[1:].T, signs[1:].T)


def tail(returns: Float[np.ndarray, "M T"], scale: int) -> Tail:
    """How often standardised returns over `scale` ticks are larger than sizes from half a standard deviation on; empty of no returns.

    Example:
        >>> import numpy as np
        >>> found = tail(np.random.default_rng(0).normal(size=(8, 5000)), 1)
        >>> bool(abs(found.share[0] - 0.617) < 0.01), bool(found.share[-1] > 0)
        (True, True)
    """
    z = np.abs(standardised(aggregated(returns, scale)))
    z = np.sort(z[np.isfinite(z)])
    if not z.size or z[-1] <= SMALLEST:
        return Tail(scale, np.empty(0), np.empty(0))
    size = np.geomspace(SMALLEST, z[-1], POINTS)
    size[-1] = z[-1]
    return Tail(scale, size, 1 - np.searchsorted(z, size, side="left") / z.size)


def effects(rollout: Rollout, config: MarketRunConfig) -> tuple[TraitEffect, ...]:
    """What each trait does to each behaviour, and to wealth: the mean of each fifth of the agents of a market by the trait."""
    done = {**behaviours(rollout), **outcomes(rollout)}
    return tuple(
        effect(trait, np.asarray(getattr(rollout.traits, trait), np.float64), behaviour, values, config.evaluation.draws)
        for behaviour, values in done.items()
        for trait in TRAITS
    )


def effect(trait: str, levels: Float[np.ndarray, "M N"], behaviour: str, values: Float[np.ndarray, "M N"], draws: int) -> TraitEffect:
    """Means of a behaviour in the fifths of each market's agents by a trait."""
    order = np.argsort(levels, axis=1, kind="stable")
    fifths = np.array_split(order, min(PARTS, levels.shape[1]), axis=1)
    of_trait, of_values = (
        np.stack([mean_over_known(np.take_along_axis(array, fifth, axis=1).T) for fifth in fifths], axis=1) for array in (levels, values)
    )
    return TraitEffect(trait, behaviour, of_trait.mean(axis=0), band_over_markets(mean_over_known, of_values, draws=draws))


def outcomes(rollout: Rollout) -> dict[str, Float[np.ndarray, "M N"]]:
    """How each agent fared: NaN for one that never had a turn.

    `wealth gained` is the log of wealth at the last price over wealth at the first turn, less the market's mean. The gain against the
    fundamental is what trades bought below it or sold above it, over the wealth at the first turn.
    """
    ticks, accounts = rollout.ticks, rollout.end.accounts
    actor, markets, agents = np.asarray(ticks.actor), *rollout.traits.noise.shape
    place = np.arange(markets)[None, :] * agents + actor
    first = np.full(markets * agents, np.nan)
    backwards = slice(None, None, -1)
    first[place[backwards].ravel()] = np.asarray(ticks.wealth, np.float64)[backwards].ravel()
    first = np.maximum(first.reshape(markets, agents), 1.0)
    price = np.asarray(rollout.end.price, np.float64)[:, None]
    end = np.maximum(np.asarray(accounts.cash, np.float64) + np.asarray(accounts.shares, np.float64) * price, 1.0)
    grown = np.log(end / first)
    gains = np.bincount(place.ravel(), weights=np.asarray(ticks.gain, np.float64).ravel(), minlength=markets * agents)
    total = gains.reshape(markets, agents) + np.asarray(accounts.gain, np.float64)
    return {WEALTH: grown - mean_over_known(grown.T)[:, None], GAIN: total / first}


def example_market(rollout: Rollout, config: MarketRunConfig) -> ExampleMarket:
    """The market whose price moves as much as the median market's."""
    ticks, book, tick = rollout.ticks, rollout.end.book, config.simulation.market.tick
    spread = np.std(np.log(np.asarray(ticks.price, np.float64)), axis=0)
    shown = int(np.argsort(spread, kind="stable")[spread.size // 2])
    volume = np.asarray(book.volume)[shown]
    rests = volume != 0
    return ExampleMarket(
        price=np.asarray(ticks.price[:, shown], np.float64) * tick,
        fundamental=np.exp(np.asarray(ticks.log_fundamental[:, shown], np.float64)) * tick,
        book_price=np.asarray(book.price, np.float64)[shown][rests] * tick,
        book_volume=volume[rests],
    )


def mean_over_known(values: Float[np.ndarray, "M L"]) -> Float[np.ndarray, " L"]:
    """Mean over the first axis of what is finite; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
