"""An experiment as tables: on a terminal, as markdown, and its pairs as a parquet file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table as RichTable

from massjax.experiments.comparing import Comparison
from massjax.experiments.running import Experiment
from massjax.statistics.clusters import Estimate
from massjax.statistics.decisions import MISSING
from massjax.statistics.paired import PairedComparison
from massjax.terminal import markup_text

NAMES = ("long", "neither", "short")
HOW_TO_READ = (
    "A pair is what both variants are asked, counted once, however many stocks and dates share it. p is of McNemar's test made valid for "
    "pairs that share stocks and dates; brackets are 95 % intervals over resampled stocks and dates. `only A`, `only B`: pairs in which "
    "one variant alone said yes."
)


class Shown(NamedTuple):
    """A table: title, headings, and rows of text."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(found: Experiment) -> Iterator[Shown]:
    """The tables of an experiment: shares, paired comparisons, and a cross table of each comparison."""
    yield Shown(
        f"Decisions by {found.varied.name}",
        ("archetype", "variant", "decided", *NAMES, "mean score"),
        tuple(_share_rows(found)),
    )
    yield Shown(
        "Paired comparisons",
        ("archetype", "A", "B", "yes", "pairs", "rate A", "rate B", "difference", "only A", "only B", "odds ratio", "p"),
        tuple(row for one in found.comparisons for row in _pair_rows(one)),
    )
    yield Shown(
        "Scores and decisions that changed",
        ("archetype", "A", "B", "decisions changed", "score B less A", "correlation of scores"),
        tuple(
            (one.archetype, one.first, one.second, _percent(one.changed), _estimate(one.score_change, 1.0, 4), f"{one.correlation:.3f}")
            for one in found.comparisons
        ),
    )
    for one in found.comparisons:
        rows = tuple((name, *(f"{count:,}" for count in counts)) for name, counts in zip(NAMES, one.crossed.counts.tolist(), strict=True))
        yield Shown(f"{one.archetype}: {one.first} (rows) against {one.second} (columns)", ("", *NAMES), rows)


def _share_rows(found: Experiment) -> Iterator[tuple[str, ...]]:
    for name, answers in found.answers.items():
        mine = [one for one in found.comparisons if one.archetype == name]
        shares = [mine[0].shares[0], *(one.shares[1] for one in mine)]
        for variant, answer, share in zip(found.variants, answers, shares, strict=True):
            decided = int((answer.decision != MISSING).sum())
            parts = (_percent(part.value) for part in (share.overweight, share.neutral, share.underweight))
            mean = np.nanmean(answer.score) if np.isfinite(answer.score).any() else np.nan
            yield (name, variant.label, f"{decided:,}", *parts, f"{mean:.4f}")


def _pair_rows(one: Comparison) -> Iterator[tuple[str, ...]]:
    compared: dict[str, PairedComparison] = {**{f"{role} follows": pair for role, pair in one.approvals.items()}, **one.sides}
    for what, pair in compared.items():
        yield (
            *(one.archetype, one.first, one.second, what, f"{pair.pairs:,}"),
            *(_percent(pair.first.value), _percent(pair.second.value), _estimate(pair.difference, 100.0, 1)),
            *(f"{pair.first_only:,}", f"{pair.second_only:,}", _estimate(pair.odds_ratio, 1.0, 2), _p(pair)),
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if np.isfinite(share) else "–"


def _estimate(found: Estimate, times: float, digits: int) -> str:
    if not np.isfinite(found.value):
        return "–"
    if not (np.isfinite(found.low) and np.isfinite(found.high)):
        return f"{times * found.value:.{digits}f}"
    return f"{times * found.value:.{digits}f} [{times * found.low:.{digits}f}, {times * found.high:.{digits}f}]"


def _p(pair: PairedComparison) -> str:
    return "–" if np.isnan(pair.p_value) else f"{pair.p_value:.3g}"


def show_experiment(found: Experiment, console: Console) -> None:
    """Print an experiment."""
    for shown in tables(found):
        table = RichTable(*shown.headings, title=markup_text(shown.title), title_justify="left", title_style="bold")
        for row in shown.rows:
            table.add_row(*map(markup_text, row))
        console.print(table)
    for note in notes(found):
        console.print(markup_text(note), soft_wrap=True, highlight=False)


def notes(found: Experiment) -> Iterator[str]:
    """What has to be known beside the tables."""
    yield HOW_TO_READ
    calls = ", ".join(f"{asked:,} with {variant.label}" for variant, asked in zip(found.variants, found.asked, strict=True))
    yield f"Questions asked: {calls}; what variants share was asked once."
    if found.fake:
        yield "The answers are of the fake engine, hence noise."
    for archetype, first, second in found.alike:
        yield f"{archetype}: {first} and {second} ask the very same questions, so that nothing can differ: the value changes no prompt."
    told = dict.fromkeys(
        f"{one.archetype}, {what}, {one.second}: {pair.reason}."
        for one in found.comparisons
        for what, pair in {**one.approvals, **one.sides}.items()
        if pair.reason
    )
    yield from told


def markdown(found: Experiment) -> str:
    """The tables of an experiment in markdown."""
    parts = []
    for shown in tables(found):
        lines = [f"| {' | '.join(row)} |" for row in (shown.headings, ("---",) * len(shown.headings), *shown.rows)]
        parts.append(f"**{shown.title}**\n\n" + "\n".join(lines))
    return "\n\n".join([*parts, *notes(found)]) + "\n"


def pairs(found: Experiment) -> pl.DataFrame:
    """A row for each archetype, variant, stock and date with an answer: score, decision, and whether each role that may follow does."""
    frames = []
    for name, answers in found.answers.items():
        for variant, answer in zip(found.variants, answers, strict=True):
            stock, date = np.nonzero(answer.decision != MISSING)
            columns: dict[str, Any] = {
                "archetype": pl.Series([name] * len(stock), dtype=pl.String),
                "variant": pl.Series([variant.label] * len(stock), dtype=pl.String),
                "stock": pl.Series(found.stocks, dtype=pl.String).gather(stock.astype(np.uint32)),
                "date": found.dates[date],
                "score": answer.score[stock, date],
                "decision": answer.decision[stock, date],
            }
            if answer.situation is not None:
                columns["situation"] = answer.situation[stock, date]
            for role, follows in answer.approval.items():
                given = follows[stock, date]
                columns[f"{role} follows"] = pl.Series([None if one == MISSING else bool(one) for one in given.tolist()], dtype=pl.Boolean)
            frames.append(pl.DataFrame(columns, nan_to_null=True))
    return pl.concat(frames, how="diagonal")


def write_experiment(found: Experiment, folder: Path) -> None:
    """Write `experiment.md`, `pairs.parquet` and `experiment.json` (what was varied, and the settings of each variant)."""
    (folder / "experiment.md").write_text(markdown(found), encoding="utf-8")
    pairs(found).write_parquet(folder / "pairs.parquet")
    document = {
        "varied": found.varied.name,
        "values": list(found.varied.values),
        "asked": list(found.asked),
        "variants": {variant.label: variant.config.model_dump(mode="json", exclude_defaults=True) for variant in found.variants},
    }
    (folder / "experiment.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
