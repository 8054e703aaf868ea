"""`python -m massjax.optimize`: search the mix of archetypes walk-forward, compare it with the controls, write the run directory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from massjax.config import RunConfig, load_config
from massjax.errors import MassjaxError
from massjax.evaluate.pipeline import Progress as Report, run
from massjax.report.console import print_summary
from massjax.report.run_directory import REPORT, run_directory, write_run


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 0 when the run is written, 2 on an error the user can mend."""
    options = _parser().parse_args(arguments)
    console, errors = Console(), Console(stderr=True)
    try:
        optimize(options, console, errors)
    except MassjaxError as error:
        errors.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print("stopped; nothing was written")
        return 130
    return 0


def optimize(options: argparse.Namespace, console: Console, errors: Console) -> Path:
    """Read the configuration, run it, print the summary and write the run directory.

    Returns:
        The run directory.
    """
    config = load_config(options.config, options.set)
    if options.store is not None:
        config = config.replace(store=options.store.absolute())
    if options.seed is not None:
        config = config.replace(seed=options.seed)
    out = _out(options, config)
    config = config.replace(out=out)
    with run_directory(out, overwrite=options.overwrite) as folder:
        with _bar(errors) as report:
            result = run(config, report)
        print_summary(result, console)
        write_run(result, folder)
    console.print(f"\nReport: {out / REPORT}", highlight=False, markup=False, soft_wrap=True)
    return out


def _out(options: argparse.Namespace, config: RunConfig) -> Path:
    chosen = options.out or config.out
    if chosen is None:
        chosen = Path("runs") / f"{config.name}-{datetime.now():%Y%m%d-%H%M%S}"
    return Path(chosen).absolute()


@contextmanager
def _bar(console: Console) -> Iterator[Report | None]:
    if not console.is_terminal:
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for earlier in tasks.values():
                    progress.update(earlier, total=1, completed=1, visible=False)
                tasks[what] = progress.add_task(what, total=None)
            if total:
                progress.update(tasks[what], completed=done, total=total)

        yield tell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m massjax.optimize", description=__doc__)
    parser.add_argument("--config", type=Path, default=None, metavar="FILE", help="settings (default: configs/demo.yaml)")
    parser.add_argument("--store", type=Path, default=None, metavar="PATH", help="score store to read (default: the config's)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="run directory to write (default: runs/NAME-TIME)")
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in the run directory")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; may be repeated")
    parser.add_argument("--seed", type=int, default=None, help="seed of all randomness (default: the config's)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
