"""What simulated markets are like: whether they are alive, and how behaviour differs by trait."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from massjax.average_ranks import average_ranks
from massjax.simulator.rollout import Rollout, Ticks

SPAN = 50
"""Ticks over which returns are compared with those of the fundamental."""
LEAST_TRADES, LEAST_TRADES_OF_UNTRAINED = 0.10, 0.25
MOST_MISPRICING, MOST_MISPRICING_OF_UNTRAINED = 0.015, 0.1
LEAST_CORRELATION = 0.2
TRAITS = ("noise", "risk", "discount")
BEHAVIOURS = ("passive pricing", "taking", "share held")


class Health(NamedTuple):
    """Whether markets are alive and their prices follow the fundamental.

    Attributes:
        trades: share of ticks with a trade.
        mispricing: standard deviation of log(p / p_f) over all ticks and markets.
        correlation: of the returns of price and fundamental over 50 ticks, all markets together; NaN where either does not move.
        least_variance: variance of the log returns of the price a tick, in the market where it is lowest.
    """

    trades: float
    mispricing: float
    correlation: float
    least_variance: float


class Relation(NamedTuple):
    """How a behaviour goes with a trait inside a market.

    Attributes:
        trait: `noise`, `risk` or `discount`.
        behaviour: `passive pricing` (how far from trading an agent's limits are), `taking` (share of its orders that trade at once), or
            `share held` (part of its wealth in shares).
        correlation: rank correlation over the agents of a market, mean over markets.
        z: by how many standard deviations it is off what permuted traits give.
    """

    trait: str
    behaviour: str
    correlation: float
    z: float


def health(ticks: Ticks) -> Health:
    """The health of simulated markets.

    Args:
        ticks: of `simulate`; at least 100 of them.
    """
    log_price, log_fundamental = np.log(np.asarray(ticks.price, np.float64)), np.asarray(ticks.log_fundamental, np.float64)
    moves, fundamental_moves = (np.diff(path[::SPAN], axis=0).ravel() for path in (log_price, log_fundamental))
    return Health(
        trades=float(np.mean(np.asarray(ticks.trades) > 0)),
        mispricing=float(np.std(log_price - log_fundamental)),
        correlation=_correlation(moves, fundamental_moves),
        least_variance=float(np.var(np.diff(log_price, axis=0), axis=0).min()),
    )


def ailments(trained: Health, untrained: Health) -> tuple[str, ...]:
    """What is wrong with the markets of a trained policy, in words; empty where they are healthy.

    They are healthy with trades in at least 10 % of the ticks and 25 % of those of untrained agents, a mispricing of at most 0.015 and
    a tenth of that of untrained agents, a correlation with the fundamental over 50 ticks of at least 0.2, and prices that move in every
    market.

    Example:
        >>> ailments(Health(0.002, 0.2, 0.0, 0.0), Health(0.4, 0.3, 0.1, 1e-6))[0]
        'trades in 0.2 % of the ticks: expected at least 10 %'
    """
    trades, mispricing = f"trades in {100 * trained.trades:.1f} % of the ticks", f"mispricing of {trained.mispricing:.4f}"
    checks = (
        (trained.trades >= LEAST_TRADES, f"{trades}: expected at least {100 * LEAST_TRADES:.0f} %"),
        (
            trained.trades >= LEAST_TRADES_OF_UNTRAINED * untrained.trades,
            f"{trades}: expected at least a quarter of the {100 * untrained.trades:.1f} % of untrained agents",
        ),
        (trained.mispricing <= MOST_MISPRICING, f"{mispricing}: expected at most {MOST_MISPRICING}"),
        (
            trained.mispricing <= MOST_MISPRICING_OF_UNTRAINED * untrained.mispricing,
            f"{mispricing}: expected at most a tenth of the {untrained.mispricing:.4f} of untrained agents",
        ),
        (
            trained.correlation >= LEAST_CORRELATION,
            f"correlation of {trained.correlation:.2f} with the fundamental over {SPAN} ticks: expected at least {LEAST_CORRELATION}",
        ),
        (trained.least_variance > 0, "a market whose price does not move"),
    )
    return tuple(words for passed, words in checks if not passed)


def differentiation(rollout: Rollout, permutations: int = 200, seed: int = 0) -> tuple[Relation, ...]:
    """How what agents do goes with their traits, of every trait and behaviour, against traits permuted inside each market.

    Args:
        permutations: number of times that the traits are permuted.
        seed: of the permutations.
    """
    return tuple(
        Relation(trait, behaviour, *rank_relation(np.asarray(getattr(rollout.traits, trait), np.float64), done, permutations, seed))
        for trait in TRAITS
        for behaviour, done in behaviours(rollout).items()
    )


def behaviours(rollout: Rollout) -> dict[str, Float[np.ndarray, "M N"]]:
    """What each agent did on its own turns, on average; NaN where it had none, or sent no order."""
    ticks = rollout.ticks
    actor, agents = np.asarray(ticks.actor), rollout.traits.noise.shape[1]
    ordered = np.asarray(ticks.ordered) > 0
    cash, shares, price = (np.asarray(values, np.float64) for values in (ticks.cash, ticks.shares, ticks.price))
    held = shares * price / np.maximum(cash + shares * price, 1.0)
    turns = np.ones_like(held)
    return {
        "passive pricing": _mean_by_agent(np.asarray(ticks.action[..., 0]), turns, actor, agents),
        "taking": _mean_by_agent(np.asarray(ticks.trades) > 0, ordered, actor, agents),
        "share held": _mean_by_agent(held, turns, actor, agents),
    }


def _mean_by_agent(values: np.ndarray, counted: np.ndarray, actor: np.ndarray, agents: int) -> Float[np.ndarray, "M N"]:
    """Mean of the values [T, M] over the turns of each agent that count."""
    markets = actor.shape[1]
    place = (np.arange(markets)[None, :] * agents + actor).ravel()
    count, total = (
        np.bincount(place, weights=weights.ravel().astype(np.float64), minlength=markets * agents)
        for weights in (counted, values * counted)
    )
    with np.errstate(invalid="ignore"):
        return (total / count).reshape(markets, agents)


def rank_relation(
    trait: Float[np.ndarray, "M N"], behaviour: Float[np.ndarray, "M N"], permutations: int = 200, seed: int = 0
) -> tuple[float, float]:
    """Spearman's correlation over the agents of each market, mean over markets, and its z against the trait permuted inside markets.

    Agents without a behaviour are left out; a market in which either is constant counts as uncorrelated.

    Example:
        >>> import numpy as np
        >>> trait = np.arange(40.0).reshape(2, 20)
        >>> correlation, z = rank_relation(trait, trait**2)
        >>> round(correlation, 6), z > 4
        (1.0, True)
    """
    known = np.isfinite(behaviour)
    first, second = (_standardised_ranks(np.where(known, values, np.nan)) for values in (trait, behaviour))
    rng = np.random.default_rng(seed)

    def correlation(ranks: np.ndarray) -> float:
        return float(np.mean(np.sum(ranks * second, axis=1)))

    shuffled = [correlation(_permuted(first, known, rng)) for _ in range(permutations)]
    found, deviation = correlation(first), float(np.std(shuffled))
    return found, (found - float(np.mean(shuffled))) / deviation if deviation > 0 else 0.0


def _standardised_ranks(values: Float[np.ndarray, "M N"]) -> Float[np.ndarray, "M N"]:
    """Ranks within each market with mean 0 and norm 1; 0 where there is no value, or all are equal."""
    ranks = average_ranks(values.T).T
    known = np.isfinite(ranks)
    middle = np.nansum(ranks, axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known, ranks - middle, 0.0)
    norm = np.sqrt(np.sum(np.square(centred), axis=1, keepdims=True))
    return centred / np.where(norm > 0, norm, 1.0)


def _permuted(ranks: Float[np.ndarray, "M N"], known: np.ndarray, rng: np.random.Generator) -> Float[np.ndarray, "M N"]:
    """The ranks in a random order within each market, among the agents that are known."""
    order = np.argsort(np.where(known, rng.random(ranks.shape), 2.0), axis=1)
    place = np.argsort(np.where(known, np.arange(ranks.shape[1])[None, :], ranks.shape[1] + np.arange(ranks.shape[1])[None, :]), axis=1)
    shuffled = np.empty_like(ranks)
    np.put_along_axis(shuffled, place, np.take_along_axis(ranks, order, axis=1), axis=1)
    return shuffled


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation; NaN where either is constant."""
    if np.std(first) == 0 or np.std(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
