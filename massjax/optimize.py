"""`python -m massjax.optimize`: search the mix of archetypes walk-forward, compare it with the controls, write the run directory.

What takes time to import is imported where it is used, and off the main thread, so that a signal is heard from the first moment on: an
interrupt in the midst of an import or of a compiled search can get lost.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from massjax.errors import MassjaxError, blaming
from massjax.flags import add_help_settings, add_loudness, add_version, loudness
from massjax.progress import speaking
from massjax.stopping import end_process, exit_code, interruptible, stoppable
from massjax.terminal import escaped_text, markup_text, printable_everywhere, result_console
from massjax.version import massjax_version

if TYPE_CHECKING:
    from massjax.config import RunConfig

Result = TypeVar("Result")

MOST_CORES = 16
"""Of a CPU, unless more are asked for: each has its own share of the dates and candidates, and small shares cost more than they save."""


READING = """How to read what is printed: RankIC and IC are means over dates, in percent. A correlation is not a number (NaN) on a date on
which the signal or the return has no spread over the stocks; such dates are skipped, and a figure with no date left is printed as a
dash, as is a t-statistic on too few dates to tell: fewer than 30, or than 12 horizons. t is the mean divided by its standard error,
the larger of Hansen-Hodrick's and Newey-West's, which allow for the overlap of the returns. A year has as many rows as the dates of
the data have, 252 for trading days (market.periods_per_year sets it); nothing is given per year for less than a quarter of one.
Searches, like mj.fitness, compute in float32; what is printed is computed in float64."""


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 0 when the run is written, 2 on an error the user can mend, 130 on Ctrl-C, 143 on SIGTERM."""
    printable_everywhere()
    try:
        with stoppable():
            optimize(_parser().parse_args(arguments))
    except MassjaxError as error:
        _tell(error)
        return 2
    except KeyboardInterrupt as stop:
        print("stopped; nothing half-written is left", file=sys.stderr, flush=True)
        return exit_code(stop)
    return 0


def optimize(options: argparse.Namespace) -> Path:
    """Read the configuration, run it, write the run directory and print the summary.

    Returns:
        The run directory.
    """
    with speaking(loudness(options)) as speaker:
        interruptible(lambda: import_module("massjax.config"))
        from massjax.config import default_config, load_config

        if options.devices is not None and options.devices < 1:
            raise MassjaxError(f"--devices {options.devices}: expected at least 1")
        file = options.config or default_config()
        config = load_config(file, [*options.set, *([] if options.seed is None else [f"seed={options.seed}"])])
        out = _out(options, config)
        config = config.replace(out=out, store=_store(options, config))
        speaker.detail(f"massjax {massjax_version()}, settings {file}, store {config.store}, run directory {out}")
        interruptible(_import_rooms)
        from massjax.pipeline import run
        from massjax.report.console import print_summary
        from massjax.report.run_directory import REPORT, run_directory, write_run

        console = result_console()
        with run_directory(out, overwrite=options.overwrite) as folder:
            with blaming(file):
                result = interruptible(lambda: _over_devices(options.devices, lambda: run(config, speaker.tell)))
            speaker.tell("writing the run directory", 0, 0)
            try:
                write_run(result, folder)
            except MassjaxError:
                print_summary(result, console)
                raise
    print_summary(result, console)
    console.print(f"\nReport: {escaped_text(os.path.normpath(out / REPORT))}", highlight=False, markup=False, soft_wrap=True)
    return out


def _over_devices(count: int | None, work: Callable[[], Result]) -> Result:
    """Call `work` with dates and candidates spread over `count` devices, or over all; a CPU is split into as many as are asked for."""
    import jax

    from massjax.engine.devices import over_devices

    if count is None or count > 0:
        with suppress(RuntimeError):  # JAX has computed in this process before: the devices are what they are
            jax.config.update("jax_num_cpu_devices", min(_cores(), MOST_CORES) if count is None else count)
    with over_devices(count):
        return work()


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _import_rooms() -> None:
    for room in ("massjax.pipeline", "massjax.report.run_directory", "massjax.report.console"):
        import_module(room)


def _out(options: argparse.Namespace, config: RunConfig) -> Path:
    chosen = options.out or config.out or Path("runs") / re.sub(r"[^\w.-]+", "-", f"{config.name}-{datetime.now():%Y%m%d-%H%M%S}")
    return Path(chosen).absolute()


def _store(options: argparse.Namespace, config: RunConfig) -> Path | str | None:
    """The store that is named, relative to the current folder unless it is a URL; else that of the configuration."""
    from massjax.settings import absolute

    return config.store if options.store is None else absolute(options.store)


def _tell(error: MassjaxError) -> None:
    from rich.console import Console

    shown = markup_text(error, keep="\n")
    Console(stderr=True).print(f"[red]error:[/] {shown}", highlight=False, soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m massjax.optimize", description=(__doc__ or "").partition("\n")[0], epilog=READING)
    parser.add_argument("--config", type=Path, default=None, metavar="FILE", help="settings (default: configs/demo.yaml)")
    parser.add_argument("--store", default=None, metavar="PATH", help="score store to read (default: the config's)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="run directory to write (default: runs/NAME-TIME)")
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in the run directory")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting of --help-settings; may be repeated"
    )
    parser.add_argument("--devices", type=int, default=None, metavar="N", help="search on N GPUs, or on N cores of the CPU (default: all)")
    parser.add_argument("--seed", type=int, default=None, help="seed of all randomness (default: the config's)")
    add_help_settings(parser)
    add_loudness(parser)
    add_version(parser)
    return parser


if __name__ == "__main__":
    end_process(main())
