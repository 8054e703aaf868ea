"""How often planted memory of the future is found where it is, and is not, and how much of it views of the answers take out.

    python benchmarks/hindsight.py --out benchmarks/results        # three tables; three minutes of one core

A planted model (`planted_memory.py`) answers with facts and without: logit = skill × facts + memory × future return + fame, the memory on
a share of the dates before a cut-off, and a share c of it left where facts are given. Returns overlap, sectors move together, size is paid
for, and fame goes with size. What is measured of views on dates that are remembered, the first 60 left out:

    removed = 1 − |RankIC of the view − RankIC of the view without memory| / (RankIC as answered − RankIC without memory)
    kept    = skill of the view without memory / skill of the answers without memory

the view without memory being what the same α, or β and γ, make of answers from which the memory alone is left out, so that taking off too
much counts against a view as taking off too little does; and skill the rank correlation with what the facts foretell at best, which is the
RankIC but for luck and for what size was paid. It is also what is compared after the cut-off.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
from jaxtyping import Bool, Float
from planted_memory import FACTS, Planted, PlantedWorld, answers_of, planted_world, scores_of
from scipy.stats import kstest
from timing import print_table, write

from massjax.average_ranks import unit_ranks
from massjax.scores.contrast import contrast, contrasted
from massjax.scores.hindsight import log_odds
from massjax.scores.residual import residual, taken_off
from massjax.statistics.correlation import daily_rank_ic
from massjax.statistics.counterfactual import counterfactual_measures
from massjax.statistics.familiarity import beyond_facts, familiarity_test
from massjax.statistics.identification import identification
from massjax.statistics.memory_probe import memory_probe
from massjax.statistics.probe_power import probe_power

WARM = 60
LEFT = (0.3, 0.6, 1.0)
MAIN = ("contrast", "residual")
TABLES = ("views", "tests", "masks")
FEW = 1
"""Archetypes of the worlds beside the main ones."""
Scores: TypeAlias = Float[np.ndarray, "N T"]
Numbers: TypeAlias = float | Float[np.ndarray, " S"]
View: TypeAlias = Callable[[PlantedWorld, Planted, int], tuple[Scores, Scores]]
"""From a world and the number of an archetype to its scores under a view, and those without memory under the same coefficients."""


def by_contrast(world: PlantedWorld, planted: Planted, k: int) -> tuple[Scores, Scores]:
    """α of the blank answer's distance from the average, scale 3, at most 4."""
    found = contrast(answers_of(world.full[k]), world.blank_answers, alpha=world.alpha)
    without = contrasted(answers_of(world.clean[k]), answers_of(world.blank_clean), np.nan_to_num(found.alpha))
    return found.view.score, np.where(
        np.isnan(found.view.score), np.nan, without @ np.linspace(0.0, 1.0, without.shape[-1], dtype=np.float32)
    )


def by_residual(facts: int = FACTS, instrument: bool = True, swapped: float = 0.0) -> View:
    """β and γ with so many facts as controls, past returns as instrument, or from a share of answers with swapped facts."""

    def view(world: PlantedWorld, planted: Planted, k: int) -> tuple[Scores, Scores]:
        blank, member = world.blank_scores, np.ones(world.blank.shape, bool)
        asked = np.random.default_rng(k).random(member.shape) < swapped
        found = residual(
            scores_of(world.full[k]),
            blank,
            member,
            world.facts[:facts],
            past_returns=world.returns if instrument else None,
            horizon=planted.horizon,
            learn_from=np.where(asked, scores_of(world.swapped[k]), np.nan) if swapped else None,
        )
        clean = log_odds(world.clean_blank_scores)
        without = taken_off(log_odds(scores_of(world.clean[k])), clean - clean.mean(axis=0), found.opinion, found.shares)
        return found.view.score, np.where(np.isnan(found.view.score), np.nan, without)

    return view


VIEWS: dict[str, View] = {
    "contrast": by_contrast,
    "residual": by_residual(),
    "residual, least squares": by_residual(instrument=False),
    "residual, half of the facts known": by_residual(facts=FACTS // 2),
    "residual, no facts known": by_residual(facts=0),
    "residual, no facts known, learned from 20 % swapped": by_residual(facts=0, swapped=0.2),
}


def days_of(planted: Planted) -> list[date]:
    """A calendar without weekends' gaps; the cut-off is the last day of `planted.cutoff`."""
    return [date(2021, 1, 1) + timedelta(days=t) for t in range(planted.dates)]


def tests_of(planted: Planted, seed: int, shifts: int) -> dict[str, float]:
    """p-values of both tests in one world, the mean and spread of the probe, and the probe of every fifth date."""
    world, days = planted_world(planted, seed), days_of(planted)
    member, blank = np.ones(world.blank.shape, bool), scores_of(world.blank)
    cutoff = days[planted.cutoff - 1]

    def p_of(controls: Float[np.ndarray, "C N T"], every: int = 1) -> tuple[float, Float[np.ndarray, " D"]]:
        kept = slice(0, planted.cutoff, every)
        found = memory_probe(
            blank[:, kept], world.returns[:, kept], controls[:, :, kept], member[:, kept], days[kept],
            max(1, planted.horizon // every), shifts=shifts,
        )  # fmt: skip
        return found.periods["all dates"].p_value.value, found.periods["all dates"].daily

    p, daily = p_of(world.controls)
    familiar = familiarity_test(
        scores_of(world.full[0]), world.familiarity, world.returns, world.controls, member & (np.array(days) <= cutoff), planted.horizon
    )
    inside, facts = member & (np.array(days) <= cutoff), np.stack([unit_ranks(fact) for fact in world.facts])
    more = beyond_facts(scores_of(world.full[0]), facts, world.controls, inside)
    beyond = familiarity_test(more, world.familiarity, world.returns, np.concatenate([world.controls, facts]), inside, planted.horizon)
    return {
        "memory probe": p,
        **({} if planted.memorised else {"memory probe, no controls": p_of(world.controls[:0])[0]}),
        "memory probe, every fifth date": p_of(world.controls, 5)[0],
        "familiarity test, b₃": familiar.p_value,
        "familiarity test, b₄ (between dates)": familiar.p_between,
        "familiarity test beyond the facts, b₃": beyond.p_value,
        "familiarity test beyond the facts, b₄": beyond.p_between,
        "mean": float(np.nanmean(daily)),
        "spread": float(np.nanstd(daily)),
    }


def test_rows(worlds: int, power_worlds: int, shifts: int) -> list[dict[str, object]]:
    """Size and power of the tests."""
    rows: list[dict[str, object]] = []
    cases = [(0.0, 0.5, 0.6), *((0.1, 0.5, c) for c in LEFT), *((0.5, 0.5, c) for c in LEFT), (0.1, 0.03, 0.6)]
    alone = np.nan  # spread of the daily RankIC without memory
    for memorised, memory, left in cases:
        planted = Planted(memorised=memorised, memory=memory, left=left, archetypes=1)
        found = [tests_of(planted, seed, shifts) for seed in range(worlds if memorised == 0 else power_worlds)]
        mean, spread = (float(np.mean([one[name] for one in found])) for name in ("mean", "spread"))
        alone = spread if memorised == 0 else alone
        for test in (name for name in found[0] if name not in ("mean", "spread")):
            p = np.array([one[test] for one in found])
            told = probe_power(
                mean, planted.stocks, planted.cutoff, planted.horizon,
                share=0.2 if "fifth" in test else 1.0, spread=alone, persistence=0.0,
            ).power  # fmt: skip
            rows.append(
                {
                    "remembered": memorised, "memory / skill": memory, "left (c)": left, "test": test, "worlds": len(found),
                    "P(p ≤ 0.05)": float((p <= 0.05).mean()),
                    "power foretold": told if test in ("memory probe", "memory probe, every fifth date") and memorised else None,
                    "KS p-value": float(kstest(p, "uniform").pvalue) if memorised == 0 else None,
                }
            )  # fmt: skip
    return rows


def view_rows(planted: Planted, views: dict[str, View], seeds: int) -> list[dict[str, object]]:
    """What views of one kind of world come to, means over seeds and archetypes."""
    sums: dict[str, list[list[float]]] = {name: [] for name in views}
    for seed in range(seeds):
        world = planted_world(planted, seed)
        after = np.arange(planted.dates) >= planted.cutoff
        inside = (world.remembered if planted.memorised else ~after) & (np.arange(planted.dates) >= WARM)
        for k in range(planted.archetypes):
            full, clean = scores_of(world.full[k]), scores_of(world.clean[k])
            before = [_mean_rank_ic(scores, world.returns, inside) for scores in (full, clean)]
            skill = _mean_rank_ic(clean, world.foreseeable, inside)
            later = _mean_rank_ic(full, world.foreseeable, after)
            for name, view in views.items():
                seen, bare = view(world, planted, k)
                sums[name].append(
                    [
                        *before, *(_mean_rank_ic(scores, world.returns, inside) for scores in (seen, bare)),
                        skill, _mean_rank_ic(bare, world.foreseeable, inside), later, _mean_rank_ic(seen, world.foreseeable, after),
                    ]
                )  # fmt: skip
    rows = []
    for name, found in sums.items():
        full, clean, seen, bare, skill, skill_kept, later, later_seen = np.mean(found, axis=0)
        by_seed = np.mean(np.reshape(found, (seeds, -1, 8)), axis=1)
        others = (by_seed.sum(axis=0) - by_seed) / max(seeds - 1, 1)  # jackknife over seeds
        parts = [removed(*others[:, :4].T), others[:, 5] / others[:, 4], others[:, 7] / others[:, 6]]
        errors = [float(np.sqrt((seeds - 1) / seeds * ((part - part.mean()) ** 2).sum())) for part in parts]
        rows.append(
            {
                "remembered": planted.memorised, "left (c)": planted.left, "noise": planted.noise, "K": planted.archetypes, "view": name,
                "RankIC as answered": float(full), "without memory": float(clean), "of the view": float(seen),
                "removed": float(removed(full, clean, seen, bare)), "± ": errors[0],
                "kept": float(skill_kept / skill), "±  ": errors[1],
                "after the cut-off, of 1": float(later_seen / later), "±   ": errors[2],
            }
        )  # fmt: skip
    return rows


def _mean_rank_ic(scores: Scores, returns: Float[np.ndarray, "N T"], kept: Bool[np.ndarray, " T"]) -> float:
    return float(np.nanmean(daily_rank_ic(scores[:, kept], returns[:, kept])))


def removed(full: Numbers, clean: Numbers, seen: Numbers, bare: Numbers) -> Numbers:
    """1 − |what memory still adds| / what it added; NaN where it added nothing."""
    if np.all(full == clean):
        return np.full(np.shape(full), np.nan)
    return 1 - np.abs(seen - bare) / (full - clean)


def mask_rows(seeds: int) -> list[dict[str, object]]:
    """What masks alone leave, what the audit of them finds, and what counterfactual facts tell."""
    rows = []
    for left in LEFT:
        planted, found = Planted(left=left, archetypes=4), []
        for seed in range(seeds):
            world = planted_world(planted, seed)
            audit = identification(world.named[:, ::10])
            seen, k = audit.found(), seed % planted.archetypes
            ic = [
                daily_rank_ic(scores_of(logits[k]), world.returns)[world.remembered].mean()
                for logits in (world.full, world.clean, world.masked)
            ]
            facts = counterfactual_measures(scores_of(world.full[k]), scores_of(world.swapped[k]), world.donor, horizon=planted.horizon)
            found.append(
                [
                    *ic, audit.right.value, audit.chance, float(audit.excess.low > 0), seen[world.identified].mean(),
                    seen[~world.identified].mean(), facts.consistency.value, facts.chance, facts.confidence_invariance.value,
                    facts.facts.value, facts.name.value,
                ]
            )  # fmt: skip
        names = (
            "RankIC as answered", "without memory", "masked", "named right", "by chance", "leak found", "identified stocks found",
            "others found", "prediction consistency", "consistency by chance", "confidence invariance", "facts' share", "name's share",
        )  # fmt: skip
        rows.append({"left (c)": left, **dict(zip(names, map(float, np.mean(found, axis=0)), strict=True))})
    return rows


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES, help="what to measure (default: all)")
    parser.add_argument("--worlds", type=int, default=400, help="worlds without memory, for the size of tests (default: %(default)s)")
    parser.add_argument("--power-worlds", type=int, default=24, help="worlds of each kind with memory (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=24, help="worlds of each kind for views and masks (default: %(default)s)")
    parser.add_argument("--archetypes", type=int, default=16, help="archetypes of the main worlds of views (default: %(default)s)")
    parser.add_argument("--shifts", type=int, default=200, help="circular shifts of the probe (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    options = parser.parse_args(words)
    many, few = (Planted(archetypes=count) for count in (options.archetypes, min(FEW, options.archetypes)))
    shape = f"N={many.stocks}, T={many.dates}, cut-off after {many.cutoff}, horizon {many.horizon}"
    main_views, others = ({name: VIEWS[name] for name in names} for names in (MAIN, [name for name in VIEWS if name not in MAIN]))
    least_squares = main_views | {"residual, least squares": VIEWS["residual, least squares"]}
    cases = [(replace(many, left=left), main_views) for left in LEFT]
    cases += [(replace(few, left=left, memorised=memorised), main_views) for memorised in (0.1, 1.0) for left in LEFT]
    cases += [(replace(few, memorised=0.0), main_views)]
    cases += [(replace(few, left=left), others) for left in (LEFT[0], LEFT[-1])]
    cases += [(replace(few, left=left, noise=noise), least_squares) for noise in (0.0, 0.3) for left in (LEFT[0], LEFT[-1])]
    error = np.sqrt(0.05 * 0.95 / options.worlds)
    tables: dict[str, tuple[str, Callable[[], list[dict[str, object]]], str]] = {
        "views": (
            f"Planted memory: removed and kept, {options.seeds} seeds",
            lambda: [row for planted, chosen in cases for row in view_rows(planted, chosen, options.seeds)],
            f"{shape}, {FACTS} facts. The views are not told the cut-off. ± is the jackknife's error over seeds.",
        ),
        "tests": (
            "Planted memory: size and power of the tests",
            lambda: test_rows(options.worlds, options.power_worlds, options.shifts),
            f"{shape}. Where nothing is remembered the share has a standard error of {error:.3f}.",
        ),
        "masks": (
            "Planted memory: masks alone, with facts that identify a tenth of the stocks",
            lambda: mask_rows(options.seeds),
            f"{shape}. The audit asks on every tenth date; guesses go to famous stocks, and of identified stocks 60 % are right.",
        ),
    }
    for name in options.tables:
        title, rows, note = tables[name]
        frame = pl.DataFrame(rows(), infer_schema_length=None)
        print_table(title, frame)
        write(options.out, f"hindsight_{name}", title, frame, [note])


if __name__ == "__main__":
    main()
