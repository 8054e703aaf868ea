"""`python -m massjax.store info|verify|repair|export|merge`: look at score stores, check them, make them sound, hand them on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from massjax.errors import MassjaxError
from massjax.flags import add_version
from massjax.store.files import REPAIR
from massjax.store.printing import described, faults
from massjax.store.repair import repair
from massjax.store.store import ScoreStore
from massjax.store.verify import verify
from massjax.terminal import escaped_text, printable_everywhere, result_console


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 1 where `verify` found a fault; 2 on an error the user can act on.
    """
    printable_everywhere()
    options = _parser().parse_args(arguments)
    console = result_console()
    try:
        return int(options.do(options, console))
    except MassjaxError as error:
        Console(stderr=True).print(Text(escaped_text(f"error: {error}", keep="\n"), style="red"), soft_wrap=True)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m massjax.store", description=__doc__)
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="info|verify|repair|export|merge")

    def command(name: str, do: Callable[[argparse.Namespace, Console], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(do=do)
        added.add_argument("path", metavar="PATH", help="the folder of the store, or its URL (s3://…)")
        return added

    info = command("info", _info, "what model, prompts, dates and archetypes a store holds, how complete it is and what it cost")
    info.add_argument("--price", type=float, metavar="PRICE", help="price of a million prompt tokens, for the cost")
    command("verify", _verify, "read and check every chunk, manifest and record; exit code 1 where something is damaged")
    command("repair", _repair, "restore damaged metadata and drop damaged units, so that they are asked again")
    export = command("export", _export, "write the asked cells into a long parquet table: date, stock, archetype, score, …")
    export.add_argument("file", type=Path, metavar="FILE", help="the parquet file to write")
    export.add_argument("--raw", action="store_true", help="probabilities as the model gave them, before calibration")
    export.add_argument("--replace", action="store_true", help="replace FILE where it is there already")
    merge = command("merge", _merge, "join stores of disjoint units, of the same model, prompts and settings, into the store PATH")
    merge.add_argument("sources", nargs="+", metavar="SOURCE", help="the stores to join; they are left as they are")
    return parser


def _info(options: argparse.Namespace, console: Console) -> int:
    store = ScoreStore.open(options.path)
    with _progress("reading") as advance:
        info = store.info(progress=advance)
    for shown in described(info, options.price):
        console.print(shown)
    return 0


def _verify(options: argparse.Namespace, console: Console) -> int:
    with _progress("checking") as advance:
        report = verify(options.path, advance)
    for shown in faults(report):
        console.print(shown)
    checked = f"{report.chunks} chunks, {report.units} compacted units and {report.records} records were read and checked"
    verdict = "sound" if report.ok else f"{len(report.problems)} faults: {REPAIR.replace('PATH', str(options.path))}"
    console.print(
        Text(escaped_text(f"{options.path}: {verdict}; {checked}", keep="\n"), style="green" if report.ok else "red"), soft_wrap=True
    )
    return 0 if report.ok else 1


def _repair(options: argparse.Namespace, console: Console) -> int:
    with _progress("checking") as advance:
        done = repair(options.path, advance)
    for shown in faults(done):
        console.print(shown)
    forgotten = f", {len(done.forgotten)} damaged records of runs, answers or texts deleted" if done.forgotten else ""
    text = f"{len(done.restored)} metadata files restored{forgotten}, {len(done.dropped)} units dropped, to be asked again"
    console.print(Text(escaped_text(f"{options.path}: {text if done.problems else 'sound, nothing to repair'}", keep="\n")), soft_wrap=True)
    return 0


def _export(options: argparse.Namespace, console: Console) -> int:
    from massjax.store.export import export

    store = ScoreStore.open(options.path)
    with _progress("writing") as advance:
        rows = export(store, options.file, calibrated=not options.raw, replace=options.replace, progress=advance)
    console.print(Text(escaped_text(f"{options.file}: {rows:,} rows of {options.path}", keep="\n")), soft_wrap=True)
    return 0


def _merge(options: argparse.Namespace, console: Console) -> int:
    from massjax.store.merge import merge

    with _progress("merging") as advance:
        done = merge(options.path, options.sources, advance)
    missing = len(done.store.missing_units())
    text = f"{done.copied} units copied, {done.there} were there; {missing or 'none'} of {len(done.store.units())} units still to be asked"
    console.print(Text(escaped_text(f"{options.path}: {text}", keep="\n")), soft_wrap=True)
    return 0


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


if __name__ == "__main__":
    sys.exit(main())
