"""What `python -m massjax.precompute` does: load the work, then plan it or do it, and say what came of it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from massjax.agents import hindsight_warnings
from massjax.config import RunConfig, ScoringSettings, default_config, load_config
from massjax.config.base import absolute
from massjax.errors import ConfigError
from massjax.flags import Loudness, loudness
from massjax.progress import Speaker, correcting, speaking
from massjax.scoring.cost import Tally
from massjax.scoring.engine import Engine, NoEngine
from massjax.scoring.examples import lines_of
from massjax.scoring.leaks import leak_warnings
from massjax.scoring.machine import Machine, dtype_warnings, this_machine, with_dtype
from massjax.scoring.passes import ASKING, run_passes
from massjax.scoring.placing import open_or_create, own_units
from massjax.scoring.plan import Plan, plan
from massjax.scoring.recording import record_run
from massjax.scoring.settled import Settled, settled
from massjax.scoring.sharding import parse_shard, split
from massjax.scoring.work import Work, prepare, same_prompts
from massjax.stopping import RESUMABLE, ending_at_once
from massjax.store import Reason, ScoreStore, Unit, by_kind
from massjax.terminal import escaped_text
from massjax.version import massjax_version

LITTLE_COVERAGE = 0.3
"""Mean coverage below which the answers say little about the choices."""


def precompute(options: argparse.Namespace) -> int:
    """Do what the command line says.

    Returns:
        0 when every score is stored, 1 when some could not be had.

    Raises:
        MassjaxError: whatever the user can mend.
    """
    console, how = Console(), loudness(options)
    errors = console if how is Loudness.QUIET else Console(stderr=True)  # what warns of the result belongs to it
    units = None
    with speaking(how) as speaker:
        config = load_config(options.config, options.set)
        path = options.store or config.store
        if path is None:
            raise ConfigError(f"{options.config}: names no store; add `store: FOLDER.zarr` or give --store")
        path = absolute(path)
        config = config.replace(store=path)
        speaker.detail(f"massjax {massjax_version()}, settings {options.config or default_config()}, store {path}")
        machine, asked = this_machine(), config.scoring
        if options.plan or options.ray is None:  # else each worker looks at its own machine
            config = with_dtype(config, path, machine)
        speaker.tell("reading the market data and writing the prompts", 0, 0)
        work = prepare(config)
        for warning in [
            *work.panel.warnings,
            *hindsight_warnings(config, work.panel.dates, work.archetypes),
            *fake_warnings(config),
            *dtype_warnings(config.scoring, machine),
            *same_prompts_warnings(work),
            *leak_warnings(work),
        ]:
            _warn(errors, warning)
        stored = None if options.plan else settled(work, path)
        if options.plan:
            speaker.tell("counting what is left to ask", 0, 0)
            found = plan(work, path, machine, asked)
        elif stored is not None:
            pass
        elif options.ray is not None:
            store, tally, part = _on_ray(options, work, path, speaker)
        else:
            store, tally, part, units = _here(options, work, path, machine, speaker, errors)
    if options.plan:
        return show_plan(found, path, console, errors)
    if stored is not None:
        return nothing_to_ask(stored, own_units(work, stored.store), console, errors)
    judged = own_units(work, store) if units is None else units
    return conclude(tally, store, record_run(work, store, tally, **part), console, errors, judged)


def _here(
    options: argparse.Namespace, work: Work, path: Path | str, machine: Machine, speaker: Speaker, errors: Console
) -> tuple[ScoreStore, Tally, dict[str, str | int], list[Unit] | None]:
    """Ask in this process; with the store and the tally, which part of the work it was, and its units (None: all)."""
    shard = None if options.shard is None else parse_shard(options.shard)
    speaker.tell("starting the engine", 0, 0)
    with ending_at_once(RESUMABLE):
        engine = engine_for(work)
    try:
        store = open_or_create(work, path, engine.identity())
        units = None if shard is None else split(work, store, shard[1])[shard[0] - 1]
        expected = plan(work, path, machine)
        if shard is None and expected.to_ask:
            speaker.say(f"{expected.to_ask:,} prompts to ask take about {expected.time()}")
        for warning in expected.warnings:
            _warn(errors, warning)
        progress = correcting(speaker, ASKING)
        tally = run_passes(work, store, engine, units=None if units is None else frozenset(units), progress=progress)
    finally:
        engine.close()
    return store, tally, {} if shard is None else {"shard": f"{shard[0]}/{shard[1]}"}, units


def _on_ray(options: argparse.Namespace, work: Work, path: Path | str, speaker: Speaker) -> tuple[ScoreStore, Tally, dict[str, str | int]]:
    if options.shard is not None:
        raise ConfigError("--shard and --ray: give one of them; Ray shares the work out by itself")
    if options.ray < 1:
        raise ConfigError(f"--ray {options.ray}: expected at least 1 worker")
    from massjax.scoring.ray_workers import run_on_ray

    tally = run_on_ray(work.config, path, options.ray, speaker.tell)
    return ScoreStore.open(path, mode="r+"), tally, {"ray_workers": options.ray}


def show_plan(found: Plan, path: Path | str, console: Console, errors: Console) -> int:
    """Print a plan: one whole prompt an archetype, the counts, and what stands in the way; the exit code."""
    for line in (line for example in found.examples for line in (*lines_of(example), "")):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(found.table())
    if found.nothing_left:
        console.print(f"Nothing is left to ask: all {found.scores:,} scores are in {escape(escaped_text(path))}.", soft_wrap=True)
    if found.texts:
        console.print("Scores that follow a text are counted when all texts before them are written.", soft_wrap=True)
    for warning in found.warnings:
        _warn(errors, warning)
    return 0


def nothing_to_ask(found: Settled, units: Sequence[Unit], console: Console, errors: Console) -> int:
    """Say that a store holds all that is wanted of some of its units, and what has no score; the exit code as of `conclude`."""
    store, unscored = found.store, without_score(found.store, units)
    entries = store.entries()
    known = sum(entries[unit].counts.get(kind, 0) for unit in units for kind in ("scored", "rule"))
    which = f"{known:,} scores" if unscored else f"all {known:,} scores"
    console.print(f"Nothing is left to ask: {which} are in {escape(escaped_text(store.path))}.", soft_wrap=True, highlight=False)
    if found.unread:
        _warn(errors, found.unread)
    for reason, count in unscored.items():
        console.print(f"[yellow]no score: {reason}[/]  {count:,}", soft_wrap=True, highlight=False)
    _warn_of_little_coverage(store, errors)
    return 1 if unscored else 0


def engine_for(work: Work) -> Engine:
    """The engine that a run needs: none for rules alone."""
    return make_engine(work.config.scoring) if any(a.kind == "llm" for a in work.archetypes) else NoEngine()


def conclude(
    tally: Tally, store: ScoreStore, unrecorded: str | None, console: Console, errors: Console, units: Sequence[Unit] | None = None
) -> int:
    """Say what was asked and what is missing, of all units or of those given, and that the run could not be recorded; the exit code."""
    unscored = without_score(store, units)
    console.print(summary(tally, unscored, store, units))
    for reason in unscored:
        words = tally.examples.get(reason)
        if words:
            console.print(f"[yellow]{reason}[/], for example: {escape(escaped_text(words))}", highlight=False, soft_wrap=True)
    if unrecorded is not None:
        _warn(errors, unrecorded)
    _warn_of_little_coverage(store, errors)
    return 1 if unscored else 0


def _warn_of_little_coverage(store: ScoreStore, errors: Console) -> None:
    coverage = store.coverage()
    if np.isfinite(coverage).any() and np.nanmean(coverage) < LITTLE_COVERAGE:
        share = f"the model put only {np.nanmean(coverage):.0%} of its probability on the choices"
        _warn(errors, f'{share}; a prefill such as "Rating: " (scoring.prefill) makes it choose')


def make_engine(settings: ScoringSettings) -> Engine:
    """The engine that `scoring.engine` names."""
    if settings.engine == "fake":
        from massjax.scoring.fake import FakeEngine

        return FakeEngine(settings)
    if settings.engine == "openai":
        from massjax.scoring.openai_engine import OpenAIEngine

        return OpenAIEngine(settings)
    from massjax.scoring.vllm_engine import VLLMEngine

    return VLLMEngine(settings)


def without_score(store: ScoreStore, units: Collection[Unit] | None = None) -> dict[Reason, int]:
    """How many cells were asked and have no score, by kind of reason, over the whole store or some of its units."""
    reasons: Counter[str] = Counter()
    for unit, entry in store.entries().items():
        if units is None or unit in units:
            reasons.update(entry.stats.get("reasons", {}))
    return by_kind(reasons)


def fake_warnings(config: RunConfig) -> list[str]:
    """A warning where no model answers."""
    return ["scoring.engine is 'fake': the scores are noise, for tests of the machinery only"] if config.scoring.engine == "fake" else []


def same_prompts_warnings(work: Work) -> list[str]:
    """A warning for every archetype whose prompts are those of another, so that it adds nothing."""
    return [
        f"archetypes {first!r} and {second!r} ask the very same prompts, so their scores are the same; "
        "give one another persona, preference or modality, or a template that uses archetype.replica"
        for first, second in same_prompts(work)
    ]


def summary(tally: Tally, unscored: Mapping[Reason, int], store: ScoreStore, units: Collection[Unit] | None = None) -> Table:
    """What was asked and what it took, and what the store holds of all units or of those given, as a table."""
    table = Table(title=escape(escaped_text(f"Scores in {store.path}")), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rate = tally.prompts / tally.seconds if tally.seconds else 0.0
    table.add_row("units written", f"{tally.units:,}")
    if tally.others:
        table.add_row("units left to other processes", f"{tally.others:,}")
    table.add_row("scores written", f"{tally.scores:,}")
    held = sum(entry.counts.get("scored", 0) for unit, entry in store.entries().items() if units is None or unit in units)
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
        table.add_row(f"[yellow]no score: {escape(escaped_text(reason))}", f"{count:,}")
    return table


def _warn(console: Console, warning: str) -> None:
    shown = escape(escaped_text(warning, keep="\n"))
    console.print(f"[yellow]warning:[/] {shown}", highlight=False, soft_wrap=True)
