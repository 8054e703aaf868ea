"""What precompute prints when it is done: the plan, the scores that were written, what has none, and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from massjax.answers.cost import Tally
from massjax.models.failures import Reason, by_kind
from massjax.scoring.examples import lines_of
from massjax.scoring.plan import Plan
from massjax.scoring.settled import Settled
from massjax.store import ScoreStore, Unit
from massjax.terminal import markup_text

LITTLE_MASS = 0.3
"""Mean probability mass on the choices below which the answers say little about the choices."""


def show_plan(found: Plan, path: Path | str, console: Console, errors: Console) -> int:
    """Print a plan: one whole prompt an archetype, the counts, and what stands in the way; the exit code."""
    for line in (line for example in found.examples for line in (*lines_of(example), "")):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(found.table())
    if found.nothing_left:
        console.print(f"Nothing is left to ask: all {found.scores:,} scores are in {markup_text(path)}.", soft_wrap=True)
    if found.texts:
        console.print("Scores that follow a text are counted when all texts before them are written.", soft_wrap=True)
    for warning in found.warnings:
        warn(errors, warning)
    return 0


def nothing_to_ask(found: Settled, units: Sequence[Unit], console: Console, errors: Console) -> int:
    """Say that a store holds all that is wanted of some units, and what has no score; the exit code is 1 where something has none."""
    store, unscored = found.store, without_score(found.store, units)
    entries = store.entries()
    known = sum(entries[unit].counts.get(kind, 0) for unit in units for kind in ("scored", "rule"))
    which = f"{known:,} scores" if unscored else f"all {known:,} scores"
    console.print(f"Nothing is left to ask: {which} are in {markup_text(store.path)}.", soft_wrap=True, highlight=False)
    if found.unread:
        warn(errors, found.unread)
    for reason, count in unscored.items():
        console.print(f"[yellow]no score: {reason}[/]  {count:,}", soft_wrap=True, highlight=False)
    _warn_of_little_mass(store, errors)
    return 1 if unscored else 0


def conclude(tally: Tally, store: ScoreStore, unrecorded: str | None, units: Sequence[Unit], console: Console, errors: Console) -> int:
    """Say what was asked, what of some units has no score, and why a run was not recorded; the exit code is 1 where something has none."""
    unscored = without_score(store, units)
    console.print(asking_table(tally, unscored, store, units))
    for reason in unscored:
        words = tally.words.get(reason)
        if words:
            console.print(f"[yellow]{reason}[/], for example: {markup_text(words)}", highlight=False, soft_wrap=True)
    if unrecorded is not None:
        warn(errors, unrecorded)
    _warn_of_little_mass(store, errors)
    return 1 if unscored else 0


def _warn_of_little_mass(store: ScoreStore, errors: Console) -> None:
    mass = store.coverage()
    if np.isfinite(mass).any() and np.nanmean(mass) < LITTLE_MASS:
        share = f"the model put only {np.nanmean(mass):.0%} of its probability on the choices"
        warn(errors, f'{share}; a prefill such as "Rating: " (scoring.prefill) makes it choose')


def without_score(store: ScoreStore, units: Collection[Unit]) -> dict[Reason, int]:
    """How many cells were asked and have no score, by kind of reason, over some units of a store."""
    reasons: Counter[str] = Counter()
    wanted = frozenset(units)
    for unit, entry in store.entries().items():
        if unit in wanted:
            reasons.update(entry.stats.get("reasons", {}))
    return by_kind(reasons)


def asking_table(tally: Tally, unscored: Mapping[Reason, int], store: ScoreStore, units: Collection[Unit]) -> Table:
    """What was asked and what it took, and what the store holds of some units, as a table."""
    table = Table(title=markup_text(f"Scores in {store.path}"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rate = tally.prompts / tally.seconds if tally.seconds else 0.0
    table.add_row("units written", f"{tally.units:,}")
    if tally.others:
        table.add_row("units left to other processes", f"{tally.others:,}")
    table.add_row("scores written", f"{tally.scores:,}")
    wanted = frozenset(units)
    held = sum(entry.counts.get("scored", 0) for unit, entry in store.entries().items() if unit in wanted)
    table.add_row("scores in the store now", f"{held:,}")
    if tally.rule_scores:
        table.add_row("rule scores written (no model)", f"{tally.rule_scores:,}")
    if tally.reasons:
        table.add_row("asked, without a score", f"{sum(tally.reasons.values()):,}")
    if tally.empty:
        table.add_row("cells with nothing to ask", f"{tally.empty:,}")
    if tally.texts:
        table.add_row("texts written before the scores", f"{tally.texts:,} in {tally.text_seconds:,.0f} s")
    if tally.distinct:
        table.add_row("distinct prompts", f"{tally.distinct:,}")
        table.add_row("of them answered before", f"{tally.distinct - tally.prompts:,}")
    table.add_row("prompts asked", f"{tally.prompts:,}")
    table.add_row("prompts asked to calibrate", f"{tally.content_free:,}")
    table.add_row("scores from a prompt asked before", f"{tally.reused:,} ({tally.duplicates:.1%})")
    table.add_row("prompts a second", f"{rate:.1f}")
    table.add_row("tokens from the prefix cache", f"{tally.cached:.0%} of {tally.prompt_tokens:,}")
    for reason, count in unscored.items():
        table.add_row(f"[yellow]no score: {markup_text(reason)}", f"{count:,}")
    return table


def warn(console: Console, warning: str) -> None:
    """Print a warning."""
    console.print(f"[yellow]warning:[/] {markup_text(warning, keep=chr(10))}", highlight=False, soft_wrap=True)
