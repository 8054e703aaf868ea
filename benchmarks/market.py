"""Simulated markets: speed of simulating and learning, and whether what is learned is alive, for several seeds and controls.

    python benchmarks/market.py --out benchmarks/results
    python benchmarks/market.py --updates 938 --seeds 0 1 2 --policies DIR --out benchmarks/results

The first measures speed alone. The second learns besides, 32,000 ticks an update, and then simulates 10,000 ticks of trained and untrained
agents, of rule agents, and of controls: homogeneous agents, agents without a taste for trends, and the paper's reward, under which the
market must dry up and fail. With --pams, the Python of an environment of its own with `pams` in it, as many rule agents trade in PAMS.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np
import polars as pl
from timing import best_seconds, over_all_devices, print_table, write

from massjax.config.market_run import MarketRunConfig
from massjax.engine.devices import over_devices
from massjax.report.market.result import BAR
from massjax.simulations.judging import facts_of_bars, moves_of
from massjax.simulator import learn
from massjax.simulator.measures import Health, ailments, differentiation, health
from massjax.simulator.policy import Policy, initial_policy, named_arrays, policy_of, zero_intelligence
from massjax.simulator.rollout import Rollout, simulate
from massjax.simulator.settings import LivingReward, SimulationSettings, TraitSettings
from massjax.simulator.traits import distribution
from massjax.statistics.order_flow import volume_volatility
from massjax.statistics.over_markets import MarketInterval, mean_over_markets
from massjax.statistics.tails import kurtosis_by_scale

MEAN_DISCOUNT = (TraitSettings().discount_lowest + TraitSettings().discount_highest) / 2
USUAL = SimulationSettings()


def homogeneous(discount: float) -> TraitSettings:
    return TraitSettings(noise_spread=0, risk_spread=0, discount_lowest=discount, discount_highest=discount)


LEARNED = {
    "heterogeneous": USUAL,
    "homogeneous": USUAL.replace(traits=homogeneous(MEAN_DISCOUNT)),
    "homogeneous, patient": USUAL.replace(traits=homogeneous(0.998)),
    "no taste for trends": USUAL.replace(living=LivingReward(trend=0)),
    "paper": USUAL.replace(reward="paper", market=USUAL.market.replace(return_range=0.7, variance_range=0.05)),
}
EVALUATED_MARKETS = 48
SHUFFLED = "heterogeneous, shuffled"
SCALES = (10, 100)
PAMS_STEPS = 1000

PAMS = """
import json, random, time
from pams.runners import SequentialRunner
agents, steps = {agents}, {steps}
settings = {{
    "simulation": {{
        "markets": ["Market"], "agents": ["FCNAgents"],
        "sessions": [{{"sessionName": 0, "iterationSteps": steps, "withOrderPlacement": True, "withOrderExecution": True,
                      "withPrint": False, "maxNormalOrders": 1}}],
    }},
    "Market": {{"class": "Market", "tickSize": 0.01, "marketPrice": 300.0}},
    "FCNAgents": {{
        "class": "FCNAgent", "numAgents": agents, "markets": ["Market"], "assetVolume": 20, "cashAmount": 15000,
        "fundamentalWeight": {{"expon": [10.0]}}, "chartWeight": {{"expon": [1.25]}}, "noiseWeight": {{"expon": [1.0]}},
        "meanReversionTime": 2, "noiseScale": 0.01, "timeWindowSize": [100, 200], "orderMargin": [0.0, 0.01],
    }},
}}
runner = SequentialRunner(settings=settings, prng=random.Random(0))
started = time.perf_counter()
runner.main()
print(json.dumps(steps / (time.perf_counter() - started)))
"""


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Speed and health of simulated markets")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds, of which the best counts (default: %(default)s)")
    parser.add_argument("--platform", choices=("cpu", "cuda", "tpu"), default=None, help="where JAX computes (default: what it finds)")
    parser.add_argument("--devices", type=int, default=None, help="GPUs or CPU cores to share markets out over (default: all)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    parser.add_argument("--markets", type=int, default=USUAL.learning.markets, help="markets at a time (default: %(default)s)")
    parser.add_argument("--parts", type=int, default=USUAL.learning.parts, help="parts they are computed in (default: %(default)s)")
    parser.add_argument("--updates", type=int, default=0, help="updates to learn for before markets are judged (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of learning (default: %(default)s)")
    parser.add_argument("--populations", nargs="+", choices=list(LEARNED), default=list(LEARNED), help="what learns (default: all)")
    parser.add_argument("--ticks", type=int, default=10_000, help="ticks that are judged (default: %(default)s)")
    parser.add_argument("--policies", type=Path, default=None, metavar="DIR", help="folder of what is learned, or was (default: none)")
    parser.add_argument("--pams", type=Path, default=None, metavar="PYTHON", help="Python of an environment with pams (default: none)")
    options = parser.parse_args(words)
    with over_all_devices(options):  # which makes each core a device
        pass
    report_speed(options)
    if options.updates:
        report_health(options)


def report_speed(options: argparse.Namespace) -> None:
    """Ticks a second of simulating and of learning, on one device and on all of them."""
    learning = USUAL.learning.replace(markets=options.markets, parts=options.parts)
    settings = USUAL.replace(learning=learning)
    most = options.devices or len(jax.devices())
    rows, rules = [], 0.0
    for devices in sorted({1, most}):
        with over_devices(devices) if devices > 1 else nullcontext():
            state = learn.init(jax.random.key(0), learning)
            policy = state.policy
            started = time.perf_counter()
            learner = Learner(state, settings)
            learner()
            first = time.perf_counter() - started
            calls: dict[str, Callable[[], object]] = {
                "simulating": simulating(policy, settings.traits, settings),
                "simulating, rule agents": simulating(policy, TraitSettings(rule_share=1), settings),
                "learning": learner,
            }
            best = best_seconds(calls, options.rounds)
        ticks = options.markets * settings.market.ticks
        rules = max(rules, ticks / best["simulating, rule agents"])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows += [
            {
                "what": name,
                "devices": devices,
                "markets": options.markets,
                "agents": settings.market.agents,
                "ticks_per_second": ticks / seconds,
                "first_seconds": first if name == "learning" else None,
                "memory_megabytes": memory,
            }
            for name, seconds in best.items()
        ]
    notes = ["Ticks of continuous trading; those before the opening, a tenth as many again, are simulated but not counted."]
    if options.pams:
        theirs = pams_ticks_per_second(options.pams, settings.market.agents)
        notes.append(
            f"PAMS with {settings.market.agents} rule agents: {theirs:,.0f} ticks a second; here {rules / theirs:,.0f} times as many."
        )
    table = pl.DataFrame(rows, infer_schema_length=None)
    title = f"Speed of simulated markets, best of {options.rounds} rounds"
    print_table(title, table)
    print(*notes, sep="\n")
    write(options.out, "market_speed", title, table, notes)


class Learner:
    """Update after update of one state, which each of them takes over."""

    def __init__(self, state: learn.LearningState, settings: SimulationSettings) -> None:
        self.state, self.settings, self.traits = state, settings, distribution(settings.traits)

    def __call__(self) -> learn.Progress:
        """One update."""
        self.state, progress = learn.step(self.state, self.traits, self.settings)
        return jax.block_until_ready(progress)


def simulating(policy: Policy, traits: TraitSettings, settings: SimulationSettings) -> Callable[[], Rollout]:
    learning, key, drawn = settings.learning, jax.random.key(0), distribution(traits)
    return lambda: simulate(policy, drawn, key, settings.market, markets=learning.markets, parts=learning.parts)


def pams_ticks_per_second(python: Path, agents: int) -> float:
    """Steps a second of PAMS, in each of which one of its rule agents acts, in a process of its own."""
    script = PAMS.format(agents=agents, steps=PAMS_STEPS)
    done = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"--pams {python}: {done.stderr.strip().splitlines()[-1:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def report_health(options: argparse.Namespace) -> None:
    """Health and differentiation of every population and seed."""
    devices = options.devices or len(jax.devices())
    healths, relations, regular = [], [], []
    with over_devices(devices) if devices > 1 else nullcontext():
        for seed in options.seeds:
            untrained = initial_policy(jax.random.key(seed), USUAL.learning.hidden)
            played = {
                "untrained": (untrained, USUAL),
                "zero intelligence": (zero_intelligence(untrained), USUAL),
                "rule agents": (untrained, USUAL.replace(traits=TraitSettings(rule_share=1))),
            }
            for name in options.populations:
                played[name] = (learned(name, seed, options), LEARNED[name])
            if "heterogeneous" in played:
                played[SHUFFLED] = played["heterogeneous"]
            base: Health | None = None
            for name, (policy, settings) in played.items():
                rollout = judged(policy, settings, seed, options, shuffled=name == SHUFFLED)
                found = health(rollout.ticks)
                base = base or found
                wrong = ailments(found, base)
                told = {"population": name, "seed": seed, **found._asdict(), "healthy": "no: " + "; ".join(wrong) if wrong else "yes"}
                healths.append(told)
                print(json.dumps(told), file=sys.stderr, flush=True)
                relations += [{"population": name, "seed": seed, **relation._asdict()} for relation in differentiation(rollout)]
                regular += [{"population": name, "seed": seed, "fact": fact, **asdict(one)} for fact, one in facts(rollout).items()]
    for name, title, rows in (
        ("market_regularities", f"Regularities after {options.updates} updates, {options.ticks:,} ticks", regular),
        ("market_health", f"Health of markets after {options.updates} updates, {options.ticks:,} ticks", healths),
        ("market_differentiation", f"Rank correlations of traits and behaviour after {options.updates} updates", relations),
    ):
        table = pl.DataFrame(rows)
        print_table(title, table)
        write(options.out, name, title, table)


def facts(rollout: Rollout) -> dict[str, MarketInterval]:
    """The regularities that are looked for, with their intervals over markets."""
    moves = moves_of(rollout.ticks)
    kurtosis = kurtosis_by_scale(moves.returns, SCALES)
    return {
        **{f"excess kurtosis, {scale} ticks": mean_over_markets(kurtosis[:, i]) for i, scale in enumerate(SCALES)},
        **facts_of_bars(moves.returns, MarketRunConfig()),
        f"volume-volatility, bars of {BAR} ticks": mean_over_markets(volume_volatility(moves.returns, moves.volumes, BAR)),
    }


def learned(name: str, seed: int, options: argparse.Namespace) -> Policy:
    """The policy after so many updates, written with what made it where that is asked for."""
    settings = LEARNED[name]
    made = {"settings": settings.model_dump(), "seed": seed, "updates": options.updates}
    stem = f"{name.replace(',', '').replace(' ', '_')}_{seed}"
    if options.policies is not None and (found := learned_before(options.policies / stem, made)) is not None:
        return found
    learner = Learner(learn.init(jax.random.key(seed), settings.learning), settings)
    started = time.perf_counter()
    for update in range(options.updates):
        progress = learner()
        if update % 100 == 0 or update == options.updates - 1:
            facts = " ".join(f"{fact}={float(number):.4g}" for fact, number in progress._asdict().items())
            print(f"{name}, seed {seed}, update {update}: {facts}", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    policy = learner.state.policy
    if options.policies is not None:
        options.policies.mkdir(parents=True, exist_ok=True)
        np.savez(options.policies / f"{stem}.npz", **{key: np.asarray(array) for key, array in named_arrays(policy).items()})
        (options.policies / f"{stem}.json").write_text(json.dumps(made | {"seconds": seconds}, indent=1), encoding="utf-8")
    return policy


def learned_before(stem: Path, made: dict[str, object]) -> Policy | None:
    """The policy of an earlier run, where it was learned in the same way; None where there is none."""
    try:
        about = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        with np.load(stem.with_suffix(".npz")) as arrays:
            return policy_of(dict(arrays)) if about.items() >= json.loads(json.dumps(made)).items() else None
    except FileNotFoundError:
        return None


def judged(policy: Policy, settings: SimulationSettings, seed: int, options: argparse.Namespace, shuffled: bool = False) -> Rollout:
    market = settings.market.replace(ticks=options.ticks)
    key = jax.random.fold_in(jax.random.key(seed), 1)
    traits = distribution(settings.traits)
    return simulate(policy, traits, key, market, markets=EVALUATED_MARKETS, parts=options.parts, shuffled=shuffled)


if __name__ == "__main__":
    main()
