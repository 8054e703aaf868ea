"""`python -m massjax.answers info|show|verify|repair|merge|export`: look at answer logs, check them, make them sound, join them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from massjax.answers import files
from massjax.answers.log import AnswerLog
from massjax.answers.merge import export, merge
from massjax.answers.places import Place, open_place
from massjax.answers.printing import conversation, described, faults, unanswered_question
from massjax.answers.verify import existing, repair, verify
from massjax.errors import MassjaxError, StoreError
from massjax.flags import add_version
from massjax.row_words import counted
from massjax.terminal import escaped_text, printable_everywhere, result_console

_SHOWN = 20
"""Conversations that `show` prints at most."""


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
    parser = argparse.ArgumentParser(prog="python -m massjax.answers", description=__doc__)
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="info|show|verify|repair|merge|export")

    def command(name: str, do: Callable[[argparse.Namespace, Console], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(do=do)
        return added

    def with_path(name: str, do: Callable[[argparse.Namespace, Console], int], text: str) -> argparse.ArgumentParser:
        added = command(name, do, text)
        added.add_argument("path", metavar="PATH", help="the folder of the log, or of the store that it is in, or its URL (s3://…)")
        return added

    info = with_path("info", _info, "which models answered how many questions, and what that took")
    info.add_argument("--price", type=float, metavar="PRICE", help="price of a million prompt tokens, for the cost")
    show = command(
        "show", _show, "print questions as the model saw them, and what it said: by key, or all behind the score of a stock on a date"
    )
    show.add_argument("path", nargs="?", metavar="PATH", help="the folder of the log, or of the store that it is in, or its URL (s3://…)")
    show.add_argument("key", nargs="?", metavar="KEY", help="the key of a question, or its first digits")
    show.add_argument("--config", type=Path, metavar="FILE", help="settings of a run (default: configs/demo.yaml)")
    show.add_argument("--store", metavar="PATH", help="the store, as PATH is (default: that of the settings)")
    show.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting of it; may be repeated")
    show.add_argument("--archetype", metavar="NAME", help="whose score it is")
    show.add_argument("--stock", metavar="NAME", help="about which stock")
    show.add_argument("--date", metavar="DAY", help="on which date, such as 2024-01-31")
    with_path("verify", _verify, "read and check every file and key; exit code 1 where something is damaged")
    with_path("repair", _repair, "put damaged files aside, so that their questions are asked again")
    table = with_path("export", _export, "write all questions and answers into one parquet table")
    table.add_argument("file", type=Path, metavar="FILE", help="the parquet file to write")
    table.add_argument("--replace", action="store_true", help="replace FILE where it is there already")
    joined = command("merge", _merge, "copy the answers of logs into the log NEW, in few large files")
    joined.add_argument("sources", nargs="+", metavar="OLD", help="the logs to join; they are left as they are")
    joined.add_argument("target", metavar="NEW", help="the merged log, or the store that it is in")
    return parser


def _place(path: str) -> Place:
    """The log at a path, or the one in the store there."""
    inside = existing(path).below("answers")
    return inside if inside.exists() else open_place(path)


def _target(path: str, *, stores: bool) -> Place:
    """The log to merge into: the one at a path, or in the store there; of stores that are joined, in a new store."""
    place = open_place(path)
    inside = place.below("answers")
    is_log = place.exists() and any(files.NAME.fullmatch(name) for name in place.names())
    return inside if not is_log and (stores or inside.exists()) else place


def _info(options: argparse.Namespace, console: Console) -> int:
    with _progress("reading") as advance:
        log = AnswerLog(_place(options.path), advance)
    for part in described(log, options.price):
        console.print(part)
    return 0


def _show(options: argparse.Namespace, console: Console) -> int:
    cell = (options.archetype, options.stock, options.date)
    if any(part is not None for part in cell):
        if None in cell or options.key is not None:
            raise StoreError("show: give --archetype, --stock and --date together, and no key")
        return _show_cell(options, console)
    if options.path is None or options.key is None:
        raise StoreError("show: give PATH and KEY, or --archetype, --stock and --date with the --config of a run")
    if not re.fullmatch(r"[0-9a-fA-F]{1,32}", options.key):
        raise StoreError(f"show {options.key}: expected the 32 hexadecimal digits of a key, or the first of them")
    log = AnswerLog(_place(options.path))
    keys = log.find(options.key)
    if not keys:
        raise StoreError(f"{log.place}: no question has a key that begins with {options.key}")
    print_conversations(log, keys[:_SHOWN], console)
    if len(keys) > _SHOWN:
        console.print(f"and {len(keys) - _SHOWN:,} more; give more digits")
    return 0


def _show_cell(options: argparse.Namespace, console: Console) -> int:
    """All questions that the score of a stock on a date comes from."""
    from massjax.config import load_config
    from massjax.scores.showing import conversation_of
    from massjax.settings import absolute

    config = load_config(options.config, options.set)
    options.path = options.path or options.store
    config = config if options.path is None else config.replace(store=absolute(options.path))
    found = conversation_of(config, options.archetype, options.stock, options.date)
    for title, question, recorded in found.questions:
        _say(console, title, "bold")
        for part in unanswered_question(question) if recorded is None else conversation(recorded):
            console.print(part)
    _say(console, found.outcome, "bold")
    return 0


def print_conversations(log: AnswerLog, keys: Sequence[bytes], console: Console) -> None:
    """Print the questions of some keys, with their answers, those that the log has."""
    for key in keys:
        recorded = log.recorded(key)
        for part in conversation(recorded) if recorded is not None else ():
            console.print(part)


def _verify(options: argparse.Namespace, console: Console) -> int:
    place = _place(options.path)
    with _progress("checking") as advance:
        report = verify(place, advance)
    for part in faults(report.problems, report.notes):
        console.print(part)
    checked = f"{report.answers:,} answers and {report.failures:,} failures in {counted(report.files, 'sound file')}"
    if report.disagreements:
        checked += f"; {report.disagreements:,} answers disagree with another to the same question, which counts"
    advice = f"`python -m massjax.answers repair {options.path}` sets them aside, so that their questions are asked again"
    verdict = "sound" if report.ok else f"{counted(len(report.problems), 'fault')}: {advice}"
    _say(console, f"{place}: {verdict}; {checked}", "green" if report.ok else "red")
    return 0 if _verify_tensors(options.path, console) and report.ok else 1


def _verify_tensors(path: str, console: Console) -> bool:
    """Check the score tensors of a store, if it has any, and say what is wrong with each."""
    from massjax.scores.places import inside
    from massjax.scores.scores import TENSORS, tensor_names
    from massjax.scores.tensor import open_group, verify as wrong_in
    from massjax.settings import is_url

    store, sound = path if is_url(path) else Path(path), True
    for name in tensor_names(store):
        place = inside(store, TENSORS, name)
        try:
            found = wrong_in(open_group(place))
        except StoreError as error:
            found = [str(error)]
        sound = sound and not found
        advice = "delete it and run python -m massjax.precompute, which writes it again from the answers and asks nothing"
        _say(console, f"{place}: {'; '.join(found)}; {advice}" if found else f"{place}: sound", "red" if found else "green")
    return sound


def _repair(options: argparse.Namespace, console: Console) -> int:
    place = _place(options.path)
    with _progress("checking") as advance:
        done = repair(place, advance)
    for part in faults(done.problems):
        console.print(part)
    told = f"{counted(len(done.renamed), 'file')} renamed, {len(done.aside):,} set aside, {len(done.swept):,} unfinished deleted"
    _say(console, f"{place}: {told if done.problems or done.swept else 'sound, nothing to repair'}")
    return 0


def _export(options: argparse.Namespace, console: Console) -> int:
    place = _place(options.path)
    with _progress("writing") as advance:
        rows = export(AnswerLog(place), options.file, replace=options.replace, progress=advance)
    _say(console, f"{options.file}: {rows:,} rows of {place}")
    return 0


def _merge(options: argparse.Namespace, console: Console) -> int:
    sources = [_place(source) for source in options.sources]
    inside_stores = all(str(place) != str(open_place(path)) for place, path in zip(sources, options.sources, strict=True))
    target = _target(options.target, stores=inside_stores)
    with _progress("merging") as advance:
        done = merge(sources, target, advance)
    disagreed = f"; {done.disagreements:,} answers disagreed with another, which was kept" if done.disagreements else ""
    _say(console, f"{target}: {done.copied:,} rows copied, {done.there:,} were there{disagreed}")
    return 0


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(escaped_text(text, keep="\n"), style=style), soft_wrap=True)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


if __name__ == "__main__":
    sys.exit(main())
