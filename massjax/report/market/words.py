"""What a run of a simulated market shows, in sentences: whether the market is alive, and which regularities of real prices it has."""

from __future__ import annotations

import math
from typing import NamedTuple

from massjax.config.market_run import MarketRunConfig
from massjax.report.market.result import BAR, HILL, HOMOGENEOUS, UNTRAINED, MarketResult, Population
from massjax.report.wording import number
from massjax.row_words import counted
from massjax.statistics.over_markets import MarketInterval

CLEAR_Z = 10.0
"""|z| against permuted traits from which agents are said to differ by a trait."""
MEMORY_LAGS = 39
"""Lags, in bars, over which long memory is averaged."""


class Regularity(NamedTuple):
    """A regularity of real prices, and whether the trained market has it.

    Attributes:
        what: in words.
        found: whether it is there; None where a figure that says so is undefined, as of markets too short or too few.
        figures: what says so.
    """

    what: str
    found: bool | None
    figures: str

    @property
    def answer(self) -> str:
        """Whether it is there, in words."""
        return "cannot be told" if self.found is None else "yes" if self.found else "no"


def opening(result: MarketResult) -> str:
    """The run in one sentence."""
    trained, untrained = result.trained, result.population(UNTRAINED)
    has = sum(one.found is True for one in regularities(result))
    if trained.ailments:
        return f"The market is not healthy: {trained.ailments[0]}."
    return (
        f"The market is alive and follows its fundamental: trades in {_percent(trained.health.trades)} of the ticks, mispricing "
        f"{number(trained.health.mispricing, 4)} against {number(untrained.health.mispricing, 3)} untrained. It shows {has} of "
        f"{len(regularities(result))} regularities of real prices looked for."
    )


def findings(result: MarketResult) -> tuple[Regularity, ...]:
    """Regularities, and who makes, takes and holds."""
    return (*regularities(result), *specialisation(result))


def regularities(result: MarketResult) -> tuple[Regularity, ...]:
    """Which regularities of real prices the trained agents' markets have."""
    trained, untrained = result.trained.facts, result.population(UNTRAINED).facts
    memory = memory_of(result.config)
    short, long = trained["excess kurtosis, 10 ticks"], trained["excess kurtosis, 100 ticks"]
    hill, remembered, alike = trained[HILL], trained[memory], result.population(HOMOGENEOUS).facts[memory]
    volume, volume_untrained = (facts["volume-volatility, bars of 10 ticks"] for facts in (trained, untrained))
    return (
        Regularity(
            "Fat tails that become Gaussian over longer times",
            _told(short.estimate > 1 and abs(long.estimate) <= 0.5, short.estimate, long.estimate),
            f"excess kurtosis {interval(short)} over 10 ticks, {interval(long)} over 100",
        ),
        Regularity(
            "Tails that fall by a power of 3 to 5",
            _told(3 <= hill.estimate <= 5, hill.estimate),
            f"Hill's index of returns over {BAR} ticks {interval(hill)}",
        ),
        Regularity(
            "Busy times move more",
            _told(volume.estimate >= 0.2 and volume.estimate > volume_untrained.estimate, volume.estimate, volume_untrained.estimate),
            f"correlation of volume and volatility {interval(volume)}, untrained {interval(volume_untrained)}",
        ),
        Regularity(
            "Long memory of volatility",
            _told(remembered.low > 0.005 and remembered.low > alike.estimate, remembered.low, alike.estimate),
            f"mean autocorrelation of |r| over {BAR} ticks beyond the life of an order {interval(remembered, 4)}, "
            f"homogeneous {interval(alike, 4)}",
        ),
    )


def specialisation(result: MarketResult) -> tuple[Regularity, ...]:
    """Who makes the market, who takes, and who holds: rank correlations of traits and behaviours inside markets."""
    asked = (
        ("Who sees worse quotes further away", "noise", "passive pricing", 0.4),
        ("Who sees better takes", "noise", "taking", -0.3),
        ("Who fears risk holds less", "risk", "share held", -0.3),
        ("Who is patient holds less", "discount", "share held", -0.1),
    )
    told = []
    for what, trait, behaviour, least in asked:
        found = result.trained.relation(trait, behaviour)
        if found is None:
            continue
        there = found.correlation * math.copysign(1, least) >= abs(least) and abs(found.z) >= CLEAR_Z
        figures = f"rank correlation of {TRAIT_WORDS[trait]} and {behaviour} {number(found.correlation)}, z {number(found.z, 0)}"
        told.append(Regularity(what, _told(there, found.correlation, found.z), figures))
    return tuple(told)


TRAIT_WORDS = {"noise": "noise", "risk": "risk aversion", "discount": "discount factor"}
"""Traits, as figures and tables call them."""


def memory_lags(agents: int) -> tuple[int, int]:
    """First and last lag, in bars, at which long memory is looked for: beyond the life of an order, a tick an agent.

    Example:
        >>> memory_lags(100)
        (12, 50)
    """
    first = -(-agents // BAR) + 2
    return first, first + MEMORY_LAGS - 1


def memory_of(config: MarketRunConfig) -> str:
    """The name of the fact that measures long memory of |r|."""
    first, last = memory_lags(config.simulation.market.agents)
    return f"|r| autocorrelation in bars of {BAR} ticks, mean of lags {first}-{last}"


def interval(found: MarketInterval, digits: int = 2) -> str:
    """`4.00 [3.80, 4.20]`; without bounds where there are none.

    Example:
        >>> interval(MarketInterval(4.0, 3.8, 4.2, 0.95, 0.1, 48, 200))
        '4.00 [3.80, 4.20]'
    """
    if not math.isfinite(found.low):
        return number(found.estimate, digits)
    return f"{number(found.estimate, digits)} [{number(found.low, digits)}, {number(found.high, digits)}]"


def run_facts(result: MarketResult) -> tuple[tuple[str, str], ...]:
    """What was run, in pairs of a term and what it was."""
    config = result.config
    market, traits, evaluation = config.simulation.market, config.simulation.traits, config.evaluation
    noise, risk = f"N({traits.noise_mean:g}, {traits.noise_spread:g}²)", f"N({traits.risk_mean:g}, {traits.risk_spread:g}²)"
    judged = f"{counted(evaluation.markets, 'market')} of {counted(evaluation.ticks, 'tick')} for each population, with the same draws"
    return (
        ("Market", f"{market.agents:,} agents, one of whom acts a tick; orders live {market.agents:,} ticks"),
        ("Traits", f"noise {noise}, risk aversion {risk}, discount factor {traits.discount_lowest:g} to {traits.discount_highest:g}"),
        ("Policy", result.policy_words),
        ("Reward", config.simulation.reward),
        ("Judged in", judged),
        ("Intervals", f"95 %, over markets, {evaluation.draws:,} resamples"),
        ("Seed", str(config.seed)),
        ("Took", f"{sum(result.seconds.values()):.0f} s on {result.platform.upper()}"),
    )


def marks(result: MarketResult) -> tuple[str, ...]:
    """What must be said before any figure: that the market is not healthy."""
    if not result.trained.ailments:
        return ()
    return ("The market is not healthy, and its figures may come of that: " + "; ".join(result.trained.ailments) + ".",)


def about(population: Population) -> str:
    """The population and what it is."""
    return f"{population.label}: {population.about}"


def _told(found: bool, *figures: float) -> bool | None:
    return found if all(math.isfinite(figure) for figure in figures) else None


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
