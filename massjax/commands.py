"""What the commands over `massjax.pipeline` do at the edge: read arguments, tell of progress, print results, write files, end.

What takes time to import is imported where it is used, so that a signal is heard from the first moment on: an interrupt in the midst of
an import or of a compiled search can get lost, or come out as another error.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massjax.errors import ConfigError, MassjaxError, error_context
from massjax.flags import Loudness, add_loudness, add_version, loudness
from massjax.progress import speaking
from massjax.stopping import RESUMABLE, ending_at_once, exit_code, interruptible, stoppable
from massjax.terminal import escaped_text, markup_text, printable_everywhere, result_console
from massjax.version import massjax_version

if TYPE_CHECKING:
    from rich.console import Console

    from massjax.config import RunConfig
    from massjax.config.market_run import MarketRunConfig
    from massjax.scores.outcome import Asked, NothingToAsk
    from massjax.scores.plan import Plan

READING = """How to read what is printed: RankIC and IC are means over dates, in percent. A correlation is not a number (NaN) on a date on
which the signal or the return has no spread over the stocks; such dates are skipped, and a figure with no date left is printed as a
dash, as is a t-statistic on too few dates to tell: fewer than 30, or than 12 horizons. t is the mean divided by its standard error,
the larger of Hansen-Hodrick's and Newey-West's, which allow for the overlap of the returns. A year has as many rows as the dates of
the data have, 252 for trading days (market.periods_per_year sets it); nothing is given per year for less than a quarter of one.
Searches, like mj.fitness, compute in float32; what is printed is computed in float64."""


def ended(work: Callable[[], int], stopped: str) -> int:
    """Do the work of a command, which can be stopped at any moment, and tell what ended it early.

    Args:
        work: returns the exit code.
        stopped: what is said where it was stopped.

    Returns:
        The exit code: that of `work`, 2 on an error the user can mend, 130, 143 and 129 when stopped by Ctrl-C, by SIGTERM and by a closed
        terminal.
    """
    printable_everywhere()
    try:
        with stoppable():
            return work()
    except MassjaxError as error:
        tell_error(error)
        return 2
    except KeyboardInterrupt as stop:
        print(stopped, file=sys.stderr, flush=True)
        return exit_code(stop)


def tell_error(error: MassjaxError) -> None:
    """Print an error on stderr; nothing in it can steer the terminal."""
    from rich.console import Console

    shown = markup_text(error, keep="\n")
    Console(stderr=True).print(f"[red]error:[/] {shown}", highlight=False, soft_wrap=True, emoji=False)


def optimize_command(arguments: list[str] | None) -> int:
    """Read the configuration, run it, write the run directory and print the summary.

    Returns:
        0 when the run is written.

    Raises:
        MassjaxError: whatever the user can mend.
    """
    options = optimize_parser().parse_args(arguments)
    with speaking(loudness(quiet=options.quiet, verbose=options.verbose)) as speaker:
        interruptible(lambda: import_module("massjax.config"))
        from massjax.config import default_config, load_config

        if options.devices is not None and options.devices < 1:
            raise MassjaxError(f"--devices {options.devices}: expected at least 1")
        file = options.config or default_config()
        config = load_config(file, [*options.set, *([] if options.seed is None else [f"seed={options.seed}"])])
        out = run_place(options.out, config)
        config = config.replace(out=out, store=_store(options.store, config))
        speaker.detail(f"massjax {massjax_version()}, settings {file}, store {config.store}, run directory {out}")
        interruptible(_import_rooms)
        from massjax.compile_cache import use_compile_cache
        from massjax.pipeline import run_over
        from massjax.report.console import print_summary
        from massjax.report.run_directory import REPORT, run_directory, write_run

        console = result_console()
        kept = interruptible(lambda: use_compile_cache(options.compile_cache))
        if kept is not None:
            speaker.say(f"compiled programs are kept in {kept} (--compile-cache off: nowhere)")
        with run_directory(out, overwrite=options.overwrite) as folder:
            with error_context(file):
                result = interruptible(lambda: run_over(options.devices, config, speaker.tell))
            speaker.tell("writing the run directory", 0, 0)
            try:
                write_run(result, folder)
            except MassjaxError:
                print_summary(result, console)
                raise
    print_summary(result, console)
    console.print(f"\nReport: {escaped_text(os.path.normpath(out / REPORT))}", highlight=False, markup=False, soft_wrap=True)
    return 0


def optimize_parser() -> argparse.ArgumentParser:
    """The command line of `python -m massjax.optimize`."""
    parser = argparse.ArgumentParser(
        prog="python -m massjax.optimize",
        description="`python -m massjax.optimize`: search the mix of archetypes walk-forward, compare it with the controls, "
        "write the run directory.",
        epilog=READING,
    )
    parser.add_argument("--config", type=Path, default=None, metavar="FILE", help="settings (default: configs/demo.yaml)")
    parser.add_argument("--store", default=None, metavar="PATH", help="score store to read (default: the config's)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="run directory to write (default: runs/NAME-TIME)")
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in the run directory")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting of --help-settings; may be repeated"
    )
    parser.add_argument("--devices", type=int, default=None, metavar="N", help="search on N GPUs, or on N cores of the CPU (default: all)")
    parser.add_argument("--seed", type=int, default=None, help="seed of all randomness (default: the config's)")
    parser.add_argument(
        "--compile-cache",
        default=None,
        metavar="DIR|off",
        help="folder in which JAX keeps compiled programs for the next run, or `off` (default: JAX_COMPILATION_CACHE_DIR, where that is "
        "set, else massjax/compiled in the user's folder for caches)",
    )
    add_help_settings(parser)
    add_loudness(parser)
    add_version(parser)
    return parser


def add_help_settings(parser: argparse.ArgumentParser) -> None:
    """Add `--help-settings [SECTION]`, which prints what the settings mean and ends."""
    parser.add_argument(
        "--help-settings",
        action=_HelpSettings,
        nargs="?",
        const="",
        default=argparse.SUPPRESS,
        metavar="SECTION",
        help="print every setting of a config with what it is, takes and defaults to, or those of SECTION (market.prices, "
        "search.gradient, lookback), and end",
    )


class _HelpSettings(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: str | Sequence[Any] | None, option: str | None = None
    ) -> None:
        from massjax.config.printed import print_settings

        print_settings(str(values))
        parser.exit()


def run_place(named: Path | None, config: RunConfig | MarketRunConfig) -> Path:
    """The run directory to be: the one that is named, or the configuration's, or one under `runs` by the run's name and the time."""
    return Path(named or config.out or Path("runs") / re.sub(r"[^\w.-]+", "-", f"{config.name}-{datetime.now():%Y%m%d-%H%M%S}")).absolute()


def _import_rooms() -> None:
    for room in ("massjax.pipeline", "massjax.report.run_directory", "massjax.report.console"):
        import_module(room)


def _store(named: str | None, config: RunConfig) -> Path | str | None:
    """The store that is named, relative to the current folder unless it is a URL; else that of the configuration."""
    from massjax.settings import absolute

    return config.store if named is None else absolute(named)


def precompute_command(arguments: list[str] | None) -> int:
    """Read the configuration, ask for the scores that its store lacks, and print what was asked; or print the plan.

    Returns:
        0 when every score is stored, 1 when some could not be had.

    Raises:
        MassjaxError: whatever the user can mend.
    """
    options = precompute_parser().parse_args(arguments)
    with ending_at_once(RESUMABLE):
        from rich.console import Console

        from massjax import pipeline
        from massjax.answers.sharding import parse_shard
        from massjax.config import default_config
        from massjax.scores.printing import warn

    console, how = result_console(), loudness(quiet=options.quiet, verbose=options.verbose)
    errors = console if how is Loudness.QUIET else Console(stderr=True)  # what warns of the result belongs to it
    with speaking(how) as speaker:
        config = with_store(options.config, options.set, options.store)
        speaker.detail(f"massjax {massjax_version()}, settings {options.config or default_config()}, store {config.store}")
        result = pipeline.precompute(
            config,
            plan=options.plan,
            shard=None if options.shard is None else parse_shard(options.shard),
            ray_workers=options.ray,
            speaker=speaker._replace(warn=partial(warn, errors)),
            starting=partial(ending_at_once, RESUMABLE),
        )
    return _shown(result, config, console, errors, every_example=options.verbose)


def precompute_parser() -> argparse.ArgumentParser:
    """The command line of `python -m massjax.precompute`."""
    parser = argparse.ArgumentParser(
        prog="python -m massjax.precompute",
        description="`python -m massjax.precompute`: score every archetype, stock and date once with a language model, "
        "into the score store.",
    )
    parser.add_argument("--config", type=Path, default=None, metavar="FILE", help="settings (default: configs/demo.yaml)")
    parser.add_argument("--store", default=None, metavar="PATH", help="score store to write (default: the config's)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting of --help-settings; may be repeated"
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="print a whole prompt an archetype, what would be asked, how long it takes and what it costs; check the model; ask nothing",
    )
    parser.add_argument("--shard", default=None, metavar="I/N", help="do the I-th of N parts of the work, I from 1 to N (array jobs)")
    parser.add_argument("--ray", type=int, default=None, metavar="WORKERS", help="share the work out to so many Ray workers")
    add_help_settings(parser)
    add_loudness(parser)
    add_version(parser)
    return parser


def with_store(named: Path | None, assignments: list[str], store: str | None) -> RunConfig:
    """The settings, with the store that they or the command line name."""
    from massjax.agents.archetype import asks_a_model
    from massjax.config import default_config, load_config
    from massjax.settings import absolute

    config = load_config(named, assignments)
    if place := store or config.store:
        return config.replace(store=absolute(place))
    file, agents = named or default_config(), config.agents
    if agents.grid is None and agents.draw is None and not asks_a_model(agents.archetypes):
        raise ConfigError(
            f"{file}: all its archetypes are rules, so there is nothing to ask; run python -m massjax.optimize --config {file}"
        )
    raise ConfigError(f"{file}: names no store; add `store: FOLDER` or give --store")


def _shown(
    result: Plan | NothingToAsk | Asked, config: RunConfig, console: Console, errors: Console, *, every_example: bool = False
) -> int:
    """Print what came of `precompute`, warnings on `errors`; the exit code."""
    from massjax.scores.outcome import Asked, NothingToAsk
    from massjax.scores.printing import conclude, nothing_to_ask, show_plan

    place = config.store or ""
    if isinstance(result, NothingToAsk):
        return nothing_to_ask(result, place, console, errors)
    if isinstance(result, Asked):
        return conclude(result, place, console, errors)
    return show_plan(result, place, console, errors, every_example=every_example)
