"""`python -m massjax.store info|verify|repair PATH`: look at a score store, check it, make it sound again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from massjax.errors import MassjaxError
from massjax.store.files import REPAIR
from massjax.store.info import StoreInfo
from massjax.store.repair import Repair, repair
from massjax.store.store import ScoreStore
from massjax.store.verify import Report, verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 1 where `verify` found a fault; 2 on an error the user can act on.
    """
    parser = argparse.ArgumentParser(prog="python -m massjax.store", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="info|verify|repair")
    for name, text in _HELP.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("path", type=Path, metavar="PATH", help="the folder of the store")
    options = parser.parse_args(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    try:
        return _COMMANDS[options.command](options.path, console)
    except MassjaxError as error:
        Console(stderr=True).print(Text(f"error: {error}", style="red"), soft_wrap=True)
        return 2


_WIDTH = 120
"""Columns of what is written to a file or a pipe."""
_HELP = {
    "info": "what model, prompts, dates and archetypes a store holds, how complete it is and what it cost",
    "verify": "read and check every chunk, manifest and record; exit code 1 where something is damaged",
    "repair": "restore damaged metadata and drop damaged units, so that they are asked again",
}


def _info(path: Path, console: Console) -> int:
    store = ScoreStore.open(path)
    with _progress("reading") as advance:
        info = store.info(progress=advance)
    prompt = Panel(Text(info.provenance.example_prompt or "none"), title="one prompt as it was sent")
    console.print(_summary(info), _archetypes(info), prompt)
    return 0


def _verify(path: Path, console: Console) -> int:
    with _progress("checking") as advance:
        report = verify(path, advance)
    _print_problems(report, console)
    checked = f"{report.chunks} chunks, {report.units} compacted units and {report.records} records were read and checked"
    verdict = "sound" if report.ok else f"{len(report.problems)} faults: {REPAIR.replace('PATH', str(path))}"
    console.print(Text(f"{path}: {verdict}; {checked}", style="green" if report.ok else "red"), soft_wrap=True)
    return 0 if report.ok else 1


def _repair(path: Path, console: Console) -> int:
    with _progress("checking") as advance:
        done = repair(path, advance)
    _print_problems(done, console)
    text = f"{path}: {len(done.restored)} metadata files restored, {len(done.dropped)} units dropped, to be asked again"
    console.print(Text(text if done.problems else f"{path}: sound, nothing to repair"), soft_wrap=True)
    return 0


_COMMANDS: dict[str, Callable[[Path, Console], int]] = {"info": _info, "verify": _verify, "repair": _repair}


def _summary(info: StoreInfo) -> Table:
    table = Table(title=info.path, show_header=False, title_style="bold", title_justify="left")
    first, last, count = info.dates
    rows: dict[str, object] = {
        "dates": f"{count}, {first} to {last}, {info.dates_per_unit} a block",
        "stocks": f"{len(info.stocks)}: {_shorten(', '.join(info.stocks))}",
        "choices": ", ".join(info.choices),
        "finished": f"{info.finished} of {info.units} units ({info.finished / info.units:.1%}), {info.journaled} of them in the journal",
        "cells": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in info.status.items()) or "none",
        "counted": _shorten(json.dumps(info.stats, ensure_ascii=False)),
        "size": f"{info.bytes / 1e6:.2f} MB in {info.files} files",
        "made": f"{info.provenance.created} by massjax {info.provenance.version}",
        "panel": _shorten(json.dumps(info.provenance.panel, ensure_ascii=False)),
        **_flat(info.provenance.run_key),
    }
    if info.writers:
        rows["writers"] = "; ".join(info.writers)
    for name, value in rows.items():
        table.add_row(Text(name), Text(str(value)))
    return table


def _flat(document: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """A nested mapping as one level of dotted names and printable values."""
    rows: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            rows |= _flat(value, f"{above}{name}.")
        else:
            rows[above + name] = _shorten(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return rows


def _archetypes(info: StoreInfo) -> Table:
    table = Table(title="archetypes", title_style="bold", title_justify="left")
    for column in ("archetype", "kind", "finished", "scored", "missing", "score 5/50/95 %", "coverage 5/50/95 %"):
        table.add_column(column, justify="left" if column in ("archetype", "kind") else "right", no_wrap=True)
    for archetype in info.archetypes:
        scored = archetype.status.get("scored", 0) + archetype.status.get("rule", 0)
        table.add_row(
            Text(archetype.name),
            "rule" if archetype.definition.get("rule") else "LLM",
            f"{archetype.finished / archetype.units:.0%}",
            str(scored),
            str(sum(archetype.status.values()) - scored),
            _spread(archetype.scores),
            _spread(archetype.coverage),
        )
    return table


def _spread(quantiles: tuple[float, ...]) -> str:
    return "/".join(f"{value:.3f}" for value in quantiles[::2]) if quantiles else "none"


def _shorten(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _print_problems(found: Report | Repair, console: Console) -> None:
    if found.problems:
        table = Table("file", "fault", "block", "dates", "archetypes", title="faults", title_style="bold", title_justify="left")
        for problem in found.problems:
            dates = "" if problem.dates is None else " to ".join(problem.dates)
            block = "" if problem.block is None else str(problem.block)
            table.add_row(Text(problem.file), Text(problem.fault), block, dates, Text(_shorten(", ".join(problem.archetypes), 120)))
        console.print(table)
    for note in found.notes if isinstance(found, Report) else ():
        console.print(Text(f"note: {note}"), soft_wrap=True)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


if __name__ == "__main__":
    sys.exit(main())
