"""Calibration of the trait distribution: how often a known one lies in the region found, and how near to real prices the best one comes.

    python benchmarks/calibration.py --runs 10 --policy POLICY.npz --out benchmarks/results
    python benchmarks/calibration.py --runs 0 --real configs/calibrate.yaml --policy POLICY.npz --out benchmarks/results

The first draws true traits evenly between the bounds, simulates a panel of each, and calibrates against it with other chances: of ten
regions of 90 %, eight or more must hold theirs. The second calibrates against a real panel and tells the distances of default traits and of
the best candidate, in years it was fitted to and in years held out. Without --policy each learns one first.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from timing import over_all_devices, print_table, write

from massjax.calibrate.candidates import in_units
from massjax.calibrate.policies import policy_of_config
from massjax.calibrate.running import Calibration, calibrated
from massjax.calibrate.settings import CalibrationConfig, load_calibration
from massjax.simulator.policy import Policy

TRUTHS = 7
"""What the chances of true traits are for."""


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Recovery of known trait distributions, and distance to real prices")
    parser.add_argument("--runs", type=int, default=10, help="true distributions to find again (default: %(default)s)")
    parser.add_argument("--real", type=Path, default=None, metavar="FILE", help="configuration of a real panel (default: none)")
    parser.add_argument("--policy", type=Path, default=None, metavar="FILE", help="policy of all agents (default: one is learned)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="of the first run (default: %(default)s)")
    parser.add_argument("--platform", choices=("cpu", "cuda", "tpu"), default=None, help="where JAX computes (default: what it finds)")
    parser.add_argument("--devices", type=int, default=None, help="GPUs or CPU cores to spread candidates over (default: all)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    options = parser.parse_args(words)
    place = options.real or Path(__file__).parents[1] / "configs" / "calibrate.yaml"
    named = [] if options.policy is None else [f"policy={options.policy.absolute()}"]
    config = load_calibration(place, [*options.set, *named])
    with over_all_devices(options):
        policy = policy_of_config(config, silent)
        if options.runs:
            report_recovery(config.replace(split=None), policy, options)
        if options.real is not None:
            report_real(config, policy, options)


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def report_recovery(config: CalibrationConfig, policy: Policy, options: argparse.Namespace) -> None:
    """Whether the region and the intervals of each run hold the truth."""
    rows: list[dict[str, Any]] = []
    for seed in range(options.seed, options.seed + options.runs):
        point = np.random.default_rng([seed, TRUTHS]).random((1, len(config.traits)))
        values = dict(zip(config.traits, map(float, in_units(point, config)[0]), strict=True))
        started = time.perf_counter()
        found = calibrated(config.replace(seed=seed, truth=config.simulation.traits.replace(**values)), policy, silent)
        assert found.truth is not None
        ends = {trait: found.interval(trait)[1:] for trait in config.traits}
        rows.append(
            {
                "seed": seed,
                "inside": found.truth.inside,
                "squared_distance": found.truth.squared_distance,
                "edge": found.region,
                "effective": found.effective,
                "misfit": found.misfit,
                "traits_in_interval": sum(low <= values[trait] <= high for trait, (low, high) in ends.items()),
                "traits": len(values),
                "mean_width": float(np.mean([(ends[t][1] - ends[t][0]) / np.ptp(config.bounds[t]) for t in values])),
                "seconds": time.perf_counter() - started,
            }
        )
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    table = pl.DataFrame(rows)
    inside, within = table["inside"].sum(), table["traits_in_interval"].sum()
    notes = [
        f"Regions that hold the truth: {inside} of {len(table)}; 90 % intervals of single traits: {within} of {table['traits'].sum()}."
    ]
    title = f"Recovery of known trait distributions, {config.rounds * config.candidates:,} candidates of {config.markets} markets"
    print_table(title, table)
    print(*notes, sep="\n")
    write(options.out, "calibration_recovery", title, table, notes)


def report_real(config: CalibrationConfig, policy: Policy, options: argparse.Namespace) -> None:
    """Distances of default traits and of the best candidate to a real panel."""
    rows = []
    for seed in range(options.seed, options.seed + 3):
        found = calibrated(config.replace(seed=seed), policy, silent)
        rows += [{"seed": seed, "rows": name, **distances_of(found, check)} for name, check in checks_of(found).items()]
    table = pl.DataFrame(rows)
    title = "Distance of stylised facts to a real panel, in errors"
    print_table(title, table)
    write(options.out, "calibration_real", title, table, ["Markets of the checks have other chances than those candidates were chosen by."])


def checks_of(found: Calibration) -> dict[str, Any]:
    return {"fitted": found.fitted} | ({} if found.held_out is None else {"held out": found.held_out})


def distances_of(found: Calibration, check: Any) -> dict[str, float]:
    default, best = check.distances()
    before, after = check.transport
    return {
        "default": default,
        "best": best,
        "ratio": best / default,
        "transport_default": before.returns,
        "transport_best": after.returns,
        "effective": found.effective,
        "misfit": found.misfit,
    }


if __name__ == "__main__":
    main()
