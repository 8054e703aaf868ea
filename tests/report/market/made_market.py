"""A result of a simulated market made by hand: healthy, specialised, without long memory."""

from __future__ import annotations

import numpy as np
import polars as pl

from massjax.config.market_run import MarketRunConfig
from massjax.report.market.result import (
    HILL,
    HOMOGENEOUS,
    RULES,
    SHUFFLED,
    TRAINED,
    UNTRAINED,
    ExampleMarket,
    MarketResult,
    Population,
    Tail,
    TraitEffect,
)
from massjax.report.market.tables import FACTS
from massjax.report.market.words import memory_of
from massjax.simulator.measures import BEHAVIOURS, TRAITS, Health, Relation
from massjax.statistics.over_markets import MarketBand, MarketInterval

CONFIG = MarketRunConfig(name="a <b>bold</b> name", updates=3)
FIGURES = {
    "excess kurtosis, 10 ticks": (2.4, 2.1, 2.7),
    "excess kurtosis, 100 ticks": (0.1, -0.1, 0.3),
    HILL: (4.0, 3.6, 4.4),
    "volume-volatility, bars of 10 ticks": (0.28, 0.26, 0.3),
    memory_of(CONFIG): (0.0041, 0.0023, 0.006),
}
RELATIONS = {
    ("noise", "passive pricing"): 0.66,
    ("noise", "taking"): -0.45,
    ("risk", "share held"): -0.5,
    ("discount", "share held"): -0.02,
}


def figure(estimate: float, low: float, high: float) -> MarketInterval:
    return MarketInterval(estimate, low, high, 0.95, 0.1, 48, 200)


def band(values: np.ndarray) -> MarketBand:
    return MarketBand(values, values - 0.01, values + 0.01, 0.95, np.full(values.shape, 0.005), 48, np.full(values.shape, 200))


def population(name: str, ailments: tuple[str, ...] = (), mispricing: float = 0.0132) -> Population:
    lags = np.arange(1, 151)
    facts = {fact: figure(0.01, 0.0, 0.02) for _, fact, _ in FACTS} | {fact: figure(*found) for fact, found in FIGURES.items()}
    if name != TRAINED:
        facts["volume-volatility, bars of 10 ticks"] = figure(0.15, 0.13, 0.17)
    relations = (Relation(trait, done, RELATIONS.get((trait, done), 0.0), 40.0) for trait in TRAITS for done in BEHAVIOURS)
    size = np.geomspace(0.5, 8, 20)
    return Population(
        name=name,
        label=name.capitalize(),
        about=f"agents that are {name}",
        health=Health(0.185, mispricing, 0.44, 3e-6),
        ailments=ailments,
        facts=facts,
        relations=tuple(relations) if name in (TRAINED, UNTRAINED) else (),
        tails=tuple(Tail(scale, size, np.exp(-size)) for scale in (1, 10)),
        lags=lags,
        of_returns=band(-0.2 / lags**2),
        of_magnitudes=band(0.2 / lags),
    )


def made_market(ailments: tuple[str, ...] = (), *, learned: bool = True) -> MarketResult:
    names = (TRAINED, HOMOGENEOUS, SHUFFLED, UNTRAINED, RULES)
    rows = [{"update": update, "trades": 0.3, "mispricing": 0.1 / update, "reward": 0.01} for update in (1, 2, 3)]
    done = (*BEHAVIOURS, "wealth gained", "gain against the fundamental")
    walk = 300 + np.cumsum(np.random.default_rng(0).normal(size=200))
    return MarketResult(
        config=CONFIG,
        populations=tuple(population(name, ailments if name == TRAINED else (), 0.36 if name == UNTRAINED else 0.0132) for name in names),
        effects=tuple(TraitEffect(trait, one, np.arange(5) / 5, band(np.arange(5) / 9)) for one in done for trait in TRAITS),
        example=ExampleMarket(walk, walk + 1, np.array([301.0, 299.0, 300.5]), np.array([-5, 7, -2])),
        policy_words="learned in this run, in 3 updates (96,000 ticks)",
        learning=pl.DataFrame(rows) if learned else pl.DataFrame(),
        ticks=pl.DataFrame({"market": [0], "tick": [0]}),
        agents=pl.DataFrame({"market": [0], "agent": [0]}),
        policy={"actor_0_bias": np.zeros(3, np.float32)},
        made={"updates": 3},
        platform="cpu",
        warnings=tuple(f"the trained market is not healthy: {words}" for words in ailments),
        seconds={"learning": 3.0, "judging: Trained": 1.5},
    )
