"""What a calibration found: a folder with the posterior, the figures and the policy, and the tables on a terminal."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from polars.exceptions import PolarsError
from rich.console import Console
from rich.table import Table

from massjax.calibrate.policies import write_policy
from massjax.calibrate.running import LEVEL, Calibration, Check
from massjax.errors import ConfigError, MassjaxError
from massjax.simulator.policy import Policy
from massjax.terminal import markup_text

CONFIG, POSTERIOR, METRICS, POLICY = "config.yaml", "posterior.parquet", "metrics.json", "policy.npz"
FEW = 50
"""Effective candidates below which intervals are rough."""
COMMON_POLICY = (
    "All candidates follow one policy: agents do not learn anew in each mix (the common policy approximation), so that what a mix would "
    "come to once its agents have adapted to it is not seen, and discount factors act through what the policy sees of them alone."
)


@contextmanager
def results_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends without an error, and disappears otherwise.

    Raises:
        ConfigError: something is there already.
        MassjaxError: the disk is full, read-only or out of reach.
    """
    path = path.absolute()
    if path.exists():
        raise ConfigError(f"--out {path}: is there already; name a folder that is not")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with _told(path):
            partial.mkdir(parents=True)
        yield partial
        with _told(path):
            os.rename(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_results(found: Calibration, policy: Policy, folder: Path) -> None:
    """Write posterior, figures, settings and policy.

    Raises:
        MassjaxError: the disk is full or read-only.
    """
    text = json.dumps(metrics_document(found), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    settings = yaml.safe_dump(found.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    with _told(folder):
        posterior_frame(found).write_parquet(folder / POSTERIOR)
        (folder / METRICS).write_text(text, encoding="utf-8")
        (folder / CONFIG).write_text(settings, encoding="utf-8")
        write_policy(policy, folder / POLICY)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, PolarsError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise MassjaxError(f"{path}: the results cannot be written ({reason}); name another place with --out DIR") from error


def posterior_frame(found: Calibration) -> pl.DataFrame:
    """A row a candidate: round, weight, distance (infinite where it was refused), trades a tick, its traits and its facts."""
    columns = {"round": found.rounds, "weight": found.weights, "distance": np.sqrt(found.squared_distance), "trades": found.trades}
    columns |= {trait: found.traits[:, at] for at, trait in enumerate(found.config.traits)}
    columns |= {name: found.facts[:, at] for at, name in enumerate(found.objective.names)}
    return pl.DataFrame(columns)


def metrics_document(found: Calibration) -> dict[str, Any]:
    """The figures of `metrics.json`; null where there is none."""
    traits = {}
    for at, trait in enumerate(found.config.traits):
        median, low, high = found.interval(trait)
        traits[trait] = {
            "default": getattr(found.config.simulation.traits, trait),
            "truth": None if found.config.truth is None else getattr(found.config.truth, trait),
            "bounds": list(found.config.bounds[trait]),
            "median": median,
            "low": low,
            "high": high,
            "best": float(found.traits[found.best, at]),
        }
    truth = found.truth
    document = {
        "level": LEVEL,
        "candidates": len(found.weights),
        "refused": int(np.isinf(found.squared_distance).sum()),
        "effective": found.effective,
        "misfit": found.misfit,
        "smallest_distance": float(np.sqrt(found.squared_distance[found.best])),
        "region_distance": math.sqrt(found.region),
        "traits": traits,
        "truth": None if truth is None else {"distance": math.sqrt(truth.squared_distance), "inside": truth.inside},
        "fitted": _check_document(found.fitted),
        "held_out": None if found.held_out is None else _check_document(found.held_out),
        "warnings": list(found.warnings),
        "approximation": COMMON_POLICY,
    }
    return {name: _finite(value) for name, value in document.items()}


def _check_document(check: Check) -> dict[str, Any]:
    default, best = check.distances()
    rows = zip(check.objective.names, check.objective.target, check.objective.errors, check.default, check.best, strict=True)
    return {
        "distance": {"default": default, "best": best},
        "facts": {name: dict(zip(("panel", "error", "default", "best"), map(float, values), strict=True)) for name, *values in rows},
        "transport": {name: vars(one) for name, one in zip(("default", "best"), check.transport, strict=True)},
    }


def _finite(value: Any) -> Any:
    """With null in place of every number that JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show_results(found: Calibration, console: Console) -> None:
    """Print the posterior of each trait, the facts, and what has to be known beside them."""
    console.print(_trait_table(found))
    for check, title in ((found.fitted, "Facts"), (found.held_out, "Facts of the rows that were held out")):
        if check is not None:
            console.print(_fact_table(check, title))
    for note in notes(found):
        console.print(markup_text(note), soft_wrap=True, highlight=False)


def notes(found: Calibration) -> Iterator[str]:
    """What has to be known beside the tables, a sentence or two each."""
    yield from found.warnings
    refused = int(np.isinf(found.squared_distance).sum())
    yield (
        f"{len(found.weights):,} candidates with the same chances, {refused:,} of them refused as dried up or undefined; effective number "
        f"behind the posterior {found.effective:.0f}. Intervals hold {100 * LEVEL:.0f} % of it, each by itself; best is the candidate "
        "with the smallest distance. Facts of default and best are of other chances than those that candidates were chosen by."
    )
    if found.effective < FEW:
        yield f"So few are behind it ({found.effective:.0f}) that intervals are rough: give more rounds or candidates."
    if found.misfit > 1:
        yield (
            f"No candidate comes as near as a true one would: the smallest d² is {found.misfit:.1f} times the number of facts, and errors "
            f"were widened by {math.sqrt(found.misfit):.1f}. The posterior says which candidates are nearly as good as the best, not that "
            "one of them is true."
        )
    if found.truth is not None:
        side = "inside" if found.truth.inside else "outside"
        yield (
            f"The true traits are {side} of the {100 * LEVEL:.0f} % region: their d² is {found.truth.squared_distance:.1f}, that of its "
            f"edge {found.region:.1f}."
        )
    yield COMMON_POLICY


def _trait_table(found: Calibration) -> Table:
    with_truth = found.config.truth is not None
    headings = (
        "trait",
        "between",
        "default",
        *(["truth"] * with_truth),
        "median",
        f"{100 * LEVEL:.0f} % interval",
        "of the prior's",
        "best",
    )
    table = Table(*headings, title="Posterior of the trait distribution", title_justify="left", title_style="bold")
    for at, trait in enumerate(found.config.traits):
        (lowest, highest), (median, low, high) = found.config.bounds[trait], found.interval(trait)
        table.add_row(
            *(trait, f"{lowest:g} to {highest:g}", f"{getattr(found.config.simulation.traits, trait):g}"),
            *([f"{getattr(found.config.truth, trait):g}"] if with_truth else []),
            *(f"{median:.3g}", f"{low:.3g} to {high:.3g}", f"{(high - low) / (LEVEL * (highest - lowest)):.0%}"),
            f"{found.traits[found.best, at]:.3g}",
        )
    return table


def _fact_table(check: Check, title: str) -> Table:
    table = Table("fact", "panel", "error", "default", "best", title=title, title_justify="left", title_style="bold")
    rows = zip(check.objective.names, check.objective.target, check.objective.errors, check.default, check.best, strict=True)
    for name, *values in rows:
        table.add_row(name, *(f"{value:.3f}" for value in values))
    default, best = check.distances()
    table.add_row("distance d", "0", "", f"{default:.1f}", f"{best:.1f}")
    return table
