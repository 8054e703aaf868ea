"""`python -m massjax.precompute`: score every archetype, stock and date once with a language model, into the score store."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from massjax.config import RunConfig, ScoringSettings, load_config
from massjax.errors import ConfigError, MassjaxError
from massjax.scoring.asking import Progress as Report, Tally, ask_missing
from massjax.scoring.engine import Engine, NoEngine
from massjax.scoring.placing import open_or_create
from massjax.scoring.plan import plan
from massjax.scoring.work import Work, prepare, same_prompts
from massjax.store import ScoreStore

LITTLE_COVERAGE = 0.3
"""Mean coverage below which the answers say little about the choices."""


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 0 when every score is stored, 1 when some could not be had, 2 on an error the user can mend."""
    options = _parser().parse_args(arguments)
    console, errors = Console(), Console(stderr=True)
    try:
        return precompute(options, console, errors)
    except MassjaxError as error:
        errors.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print("stopped; what is scored is stored, and the same command goes on from there")
        return 130


def precompute(options: argparse.Namespace, console: Console, errors: Console) -> int:
    """Load the work, then plan it or do it."""
    config = load_config(options.config, options.set)
    path = options.store or config.store
    if path is None:
        raise ConfigError(f"{options.config}: names no store; add `store: FOLDER.zarr` or give --store")
    work = prepare(config)
    for warning in [*work.panel.warnings, *cutoff_warnings(config, work), *fake_warnings(config), *same_prompts_warnings(work)]:
        _warn(errors, warning)
    if options.plan:
        console.print(plan(work, path).table())
        return 0
    engine = make_engine(config.scoring) if any(a.kind == "llm" for a in work.archetypes) else NoEngine()
    try:
        store = open_or_create(work, path, engine.identity())
        with _bar(errors) as report:
            tally = ask_missing(work, store, engine, report)
    finally:
        engine.close()
    unscored = without_score(store)
    console.print(summary(tally, unscored, path))
    coverage = store.coverage()
    if np.isfinite(coverage).any() and np.nanmean(coverage) < LITTLE_COVERAGE:
        share = f"the model put only {np.nanmean(coverage):.0%} of its probability on the choices"
        _warn(errors, f'{share}; a prefill such as "Rating: " (scoring.prefill) makes it choose')
    return 1 if unscored else 0


def without_score(store: ScoreStore) -> dict[str, int]:
    """How many cells were asked and have no score, by reason, over the whole store."""
    reasons: Counter[str] = Counter()
    for entry in store.entries().values():
        reasons.update(entry.stats.get("reasons", {}))
    return dict(reasons)


def make_engine(settings: ScoringSettings) -> Engine:
    """The engine that `scoring.engine` names."""
    if settings.engine == "fake":
        from massjax.scoring.fake import FakeEngine

        return FakeEngine(settings)
    from massjax.scoring.vllm_engine import VLLMEngine

    return VLLMEngine(settings)


def cutoff_warnings(config: RunConfig, work: Work) -> list[str]:
    """A warning where the model may have read what happened on the dates it is asked about."""
    cutoff = config.scoring.knowledge_cutoff
    if cutoff is None or work.panel.dates[0].item() > cutoff:
        return []
    known = int((work.panel.dates <= cutoff).sum())
    masked = "names and dates are masked, which helps" if config.agents.mask else "set agents.mask: true to hide names and dates"
    return [f"the model's knowledge ends {cutoff}, so it may remember what happened on {known} of {len(work.panel.dates)} dates; {masked}"]


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


def summary(tally: Tally, unscored: Mapping[str, int], path: Path) -> Table:
    """What was asked and what it took, as a table."""
    table = Table(title=escape(f"Scores in {path}"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rate = tally.prompts / tally.seconds if tally.seconds else 0.0
    cached = tally.cached_tokens / tally.prompt_tokens if tally.prompt_tokens else 0.0
    table.add_row("units written", f"{tally.units:,}")
    table.add_row("scores written", f"{tally.cells:,}")
    table.add_row("prompts asked", f"{tally.prompts:,}")
    table.add_row("scores from a prompt asked before", f"{tally.reused:,}")
    table.add_row("prompts a second", f"{rate:.1f}")
    table.add_row("tokens from the prefix cache", f"{cached:.0%} of {tally.prompt_tokens:,}")
    for reason, count in unscored.items():
        table.add_row(f"[yellow]no score: {escape(reason)}", f"{count:,}")
    return table


def _warn(console: Console, warning: str) -> None:
    console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)


@contextmanager
def _bar(console: Console) -> Iterator[Report | None]:
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("scoring")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m massjax.precompute", description=__doc__)
    parser.add_argument("--config", type=Path, default=None, help="settings (default: configs/demo.yaml)")
    parser.add_argument("--store", type=Path, default=None, help="score store to write (default: the config's)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; may be repeated")
    parser.add_argument("--plan", action="store_true", help="say what would be asked, how long it takes and what it costs; ask nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
