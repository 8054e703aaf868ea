"""A run of the simulated market: the policy is learned or read, and its markets are judged beside other populations."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import polars as pl

from massjax.config.market_run import MarketRunConfig
from massjax.engine.devices import over_devices
from massjax.machine import usable_cores
from massjax.progress import Speaker, StageTimes
from massjax.report.market.result import TRAINED, UNTRAINED, MarketResult, Population
from massjax.row_words import counted
from massjax.simulations.judging import effects, example_market, judged, outcomes
from massjax.simulations.learning import LEARNING, can_be_resumed, learn_policy
from massjax.simulations.populations import played, simulated
from massjax.simulations.saved_policies import BUNDLED, differences, plain_arrays, read_policy
from massjax.simulator.measures import TRAITS, Health, behaviours
from massjax.simulator.policy import Policy
from massjax.simulator.rollout import Rollout, Ticks
from massjax.simulator.settings import SimulationSettings

MOST_CORES = 16
"""Of a CPU, unless more are asked for."""
CHECKPOINTS = ".learning"
"""End of the name of the folder, hidden beside the run directory, in which learning keeps its checkpoints."""


class PolicyOfRun(NamedTuple):
    """The policy that is played.

    Attributes:
        policy: of all agents.
        words: where it is from.
        learning: a row an update; empty where nothing was learned.
        made: settings that it was learned with, updates and seed.
        warnings: doubts.
    """

    policy: Policy
    words: str
    learning: pl.DataFrame
    made: dict[str, object]
    warnings: tuple[str, ...]


def policy_of_run(config: MarketRunConfig, speaker: Speaker, times: StageTimes, checkpoints: Path | None) -> PolicyOfRun:
    """The policy of a configuration: learned, or read where `updates` is 0.

    Args:
        times: keeps how long learning took.
        checkpoints: folder of the checkpoints of learning, which goes on from there; None keeps none.

    Raises:
        MassjaxError: a file of a policy or a checkpoint cannot be read or written.
    """
    simulation = config.simulation
    if not config.updates:
        saved = read_policy(config.policy or BUNDLED)
        otherwise = differences(simulation, saved.simulation)
        source = f"read from {config.policy}" if config.policy else "the one that comes with massjax"
        words = f"{source}, learned in {counted(saved.updates, 'update')} ({_ticks(saved.simulation, saved.updates)})"
        doubt = (f"the policy was learned in another market, and may do badly in this one: {'; '.join(otherwise)}",) if otherwise else ()
        return PolicyOfRun(saved.policy, words, pl.DataFrame(), _made(saved.simulation, saved.updates, saved.seed), doubt)
    if checkpoints is not None and not can_be_resumed():
        speaker.detail("orbax is not installed (pip install 'massjax[simulate]'), so that learning which is stopped begins anew")
        checkpoints = None
    with times.stage(LEARNING):
        learned = learn_policy(simulation, config.updates, config.seed, speaker, checkpoints)
    table = pl.DataFrame(learned.curve).with_row_index("update", offset=1)
    words = f"learned in this run, in {counted(config.updates, 'update')} ({_ticks(simulation, config.updates)})"
    made = _made(simulation, config.updates, config.seed)
    return PolicyOfRun(learned.policy, words, table, made, (learned.warning,) if learned.warning else ())


def run_market(config: MarketRunConfig, found: PolicyOfRun, times: StageTimes) -> MarketResult:
    """Judge a policy's markets beside those of other populations.

    Args:
        times: told of each stage, whose seconds it keeps.
    """
    everyone = {one.name: one for one in played(config, found.policy)}
    populations: dict[str, Population] = {}

    def simulate_and_judge(name: str, base: Health | None = None) -> Rollout:
        one = everyone[name]
        with times.stage(f"simulating: {one.label}"):
            rollout = simulated(one, config)
        with times.stage(f"judging: {one.label}"):
            populations[name] = judged(one, rollout, config, base, relations=name in (TRAINED, UNTRAINED))
        return rollout

    simulate_and_judge(UNTRAINED)
    trained = simulate_and_judge(TRAINED, populations[UNTRAINED].health)
    for name in everyone:
        if name not in populations:
            simulate_and_judge(name)
    with times.stage("relating traits and behaviour"):
        related, agents = effects(trained, config), agents_frame(trained)
    ranked = tuple(populations[name] for name in everyone)
    return MarketResult(
        config=config,
        populations=ranked,
        effects=related,
        example=example_market(trained, config),
        policy_words=found.words,
        learning=found.learning,
        ticks=ticks_frame(trained.ticks, config.simulation.market.tick),
        agents=agents,
        policy=plain_arrays(found.policy),
        made=found.made,
        platform=jax.default_backend(),
        warnings=(*found.warnings, *_doubts(ranked)),
        seconds=times.seconds,
    )


def checkpoints_of(config: MarketRunConfig, out: Path) -> Path:
    """The folder of the checkpoints of a run: beside the run directory, by a hash of all that learning hangs on but its length."""
    text = f"{config.simulation.model_dump_json()} {config.seed}"
    return out.parent / f".{hashlib.sha256(text.encode()).hexdigest()[:12]}{CHECKPOINTS}"


def forget(checkpoints: Path) -> None:
    """Remove the checkpoints of a run that is written."""
    shutil.rmtree(checkpoints, ignore_errors=True)


@contextmanager
def spread_over(devices: int | None, parts: int) -> Iterator[None]:
    """Within the block markets are spread over devices, of a CPU its cores.

    Args:
        devices: None for as many as can share the parts out, of a CPU at most `MOST_CORES`.
        parts: that markets are computed in.

    Raises:
        ConfigError: there are fewer devices.
    """
    with suppress(RuntimeError):  # JAX has computed in this process before: the devices are what they are
        jax.config.update("jax_num_cpu_devices", devices or sharing(parts, min(usable_cores(), MOST_CORES)))
    count = devices or sharing(parts, len(jax.devices()))
    with over_devices(count) if count > 1 else nullcontext():
        yield


def sharing(parts: int, most: int) -> int:
    """The largest number of devices, up to `most`, that share the parts out equally.

    Example:
        >>> sharing(6, 4), sharing(2, 16)
        (3, 2)
    """
    return max(count for count in range(1, max(1, min(parts, most)) + 1) if parts % count == 0)


def ticks_frame(ticks: Ticks, tick: float) -> pl.DataFrame:
    """A row for each market and tick: who acted and how, prices in money."""
    length, markets = ticks.price.shape

    def column(values: object) -> np.ndarray:
        return np.asarray(values).T.ravel()

    return pl.DataFrame(
        {
            "market": np.repeat(np.arange(markets, dtype=np.int32), length),
            "tick": np.tile(np.arange(length, dtype=np.int32), markets),
            "price": column(ticks.price) * tick,
            "fundamental": np.exp(column(ticks.log_fundamental).astype(np.float64)) * tick,
            "agent": column(ticks.actor),
            "side": np.sign(column(ticks.action[..., 1])).astype(np.int8),
            "ordered": column(ticks.ordered),
            "traded": column(ticks.traded),
            "trades": column(ticks.trades),
            "spread": pl.Series(column(ticks.spread), nan_to_null=True),
            "buy_depth": column(ticks.buy_depth),
            "sell_depth": column(ticks.sell_depth),
        }
    )


def agents_frame(rollout: Rollout) -> pl.DataFrame:
    """A row for each market and agent: its traits, what it did and how it fared."""
    markets, agents = rollout.traits.noise.shape
    done = {**behaviours(rollout), **outcomes(rollout)}
    return pl.DataFrame(
        {
            "market": np.repeat(np.arange(markets, dtype=np.int32), agents),
            "agent": np.tile(np.arange(agents, dtype=np.int32), markets),
            **{trait: np.asarray(getattr(rollout.traits, trait)).ravel() for trait in TRAITS},
            **{name.replace(" ", "_"): pl.Series(values.ravel(), nan_to_null=True) for name, values in done.items()},
        }
    )


def _made(simulation: SimulationSettings, updates: int, seed: int) -> dict[str, object]:
    learned = updates * simulation.learning.markets * simulation.market.ticks
    return {"simulation": simulation.model_dump(mode="json"), "seed": seed, "updates": updates, "ticks_learned": learned}


def _ticks(simulation: SimulationSettings, updates: int) -> str:
    ticks = updates * simulation.learning.markets * simulation.market.ticks
    return f"{ticks / 1e6:.3g} million ticks" if ticks >= 1e6 else counted(ticks, "tick")


def _doubts(populations: tuple[Population, ...]) -> tuple[str, ...]:
    return tuple(f"the trained market is not healthy: {words}" for population in populations for words in population.ailments)
