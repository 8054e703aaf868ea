"""The command line of `python -m massjax.simulate`.

What takes time to import is imported where it is used, so that a signal is heard from the first moment on.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massjax.commands import run_place
from massjax.errors import MassjaxError, error_context
from massjax.flags import add_loudness, add_version, loudness
from massjax.progress import Speaker, StageTimes, speaking
from massjax.stopping import interruptible
from massjax.terminal import escaped_text, result_console
from massjax.version import massjax_version

if TYPE_CHECKING:
    from massjax.config.market_run import MarketRunConfig
    from massjax.report.market.result import MarketResult

STOPPED = "stopped; nothing half-written is left, and learning goes on from its last checkpoint with the same settings"
READING = """Trades are the share of the ticks with a trade. Mispricing is the standard deviation of the log of price over fundamental,
correlation that of their returns over 50 ticks. A market is healthy with trades in 10 % of the ticks or more and a quarter of those of
untrained agents, a mispricing of 0.015 or less and a tenth of theirs, a correlation of 0.2 or more, and no price that stands still."""
ROOMS = ("massjax.simulations.running", "massjax.simulations.panel", "massjax.report.market.run_files", "massjax.report.market.console")


def simulate_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m massjax.simulate",
        description="`python -m massjax.simulate`: let agents learn to trade with each other, judge their market beside other populations, "
        "write the run directory; or write a panel of stocks of which it is known who is informed.",
        epilog=READING,
    )
    parser.add_argument("--config", type=Path, default=None, metavar="FILE", help="settings (default: configs/market.yaml)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="run directory to write (default: runs/NAME-TIME)")
    parser.add_argument(
        "--updates", type=int, default=None, metavar="N", help="updates to learn for; 0 plays the policy that comes with massjax"
    )
    parser.add_argument(
        "--panel",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder to write a panel of stocks into, as tables, scores and truth; without --out nothing else is written",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in the run directory, and the panel")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting of --help-settings; may be repeated"
    )
    parser.add_argument(
        "--devices", type=int, default=None, metavar="N", help="spread markets over N GPUs, or N cores of the CPU (default: all that can)"
    )
    parser.add_argument("--seed", type=int, default=None, help="seed of all randomness (default: the config's)")
    parser.add_argument(
        "--compile-cache",
        default=None,
        metavar="DIR|off",
        help="folder in which JAX keeps compiled programs, or `off` (as massjax.optimize)",
    )
    parser.add_argument(
        "--help-settings",
        action=_HelpSettings,
        nargs="?",
        const="",
        default=argparse.SUPPRESS,
        metavar="SECTION",
        help="print every setting of a config with what it is, takes and defaults to, or those of SECTION (simulation.traits), and end",
    )
    add_loudness(parser)
    add_version(parser)
    return parser


class _HelpSettings(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: str | Sequence[Any] | None, option: str | None = None
    ) -> None:
        from massjax.config.printed import print_settings
        from massjax.config.reference import market_sections

        print_settings(str(values), market_sections())
        parser.exit()


def simulate_command(arguments: list[str] | None) -> int:
    """Read the configuration, let agents learn or read their policy, judge them, write the run directory and the panel.

    Returns:
        0 when everything is written.

    Raises:
        MassjaxError: whatever the user can mend.
    """
    options = simulate_parser().parse_args(arguments)
    with speaking(loudness(quiet=options.quiet, verbose=options.verbose)) as speaker, ExitStack() as folders:
        interruptible(lambda: import_module("massjax.config.market_run"))
        from massjax.config.market_run import default_market_config, load_market_config

        if options.devices is not None and options.devices < 1:
            raise MassjaxError(f"--devices {options.devices}: expected at least 1")
        file = options.config or default_market_config()
        given = [f"{name}={value}" for name in ("updates", "seed") if (value := getattr(options, name)) is not None]
        config = load_market_config(file, [*options.set, *given])
        judged = options.panel is None or options.out is not None
        out = run_place(options.out, config)
        config = config.replace(out=out)
        panel = None if options.panel is None else options.panel.absolute()
        if panel is not None and judged:
            _check_apart(out, panel)
        speaker.detail(f"massjax {massjax_version()}, settings {file}, run directory {out if judged else 'none'}")
        interruptible(lambda: [import_module(room) for room in ROOMS])
        from massjax.compile_cache import use_compile_cache
        from massjax.report.market.console import print_market
        from massjax.report.market.run_files import MARKET_RUN
        from massjax.report.run_directory import REPORT, run_directory
        from massjax.simulations.panel import PANEL
        from massjax.simulations.running import checkpoints_of, forget

        interruptible(lambda: use_compile_cache(options.compile_cache))
        run_folder = folders.enter_context(run_directory(out, overwrite=options.overwrite, kind=MARKET_RUN)) if judged else None
        panel_folder = None
        if panel is not None:
            panel_folder = folders.enter_context(run_directory(panel, overwrite=options.overwrite, kind=PANEL))
        with error_context(file):
            result = interruptible(lambda: _work(config, options.devices, speaker, run_folder, panel_folder))
        folders.close()
        if config.updates:
            forget(checkpoints_of(config, out))
    console = result_console()
    if result is not None:
        print_market(result, console)
        console.print(f"\nReport: {escaped_text(os.path.normpath(out / REPORT))}", highlight=False, markup=False, soft_wrap=True)
    if panel is not None:
        console.print(f"Panel: {escaped_text(panel)}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _check_apart(out: Path, panel: Path) -> None:
    """Refuse a run and a panel of which one would be in the folder of the other: each of them is moved to its place whole."""
    here, there = out.resolve(), panel.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise MassjaxError(f"--out {out} and --panel {panel}: one would be in the folder of the other; name two folders beside each other")


def _work(
    config: MarketRunConfig, devices: int | None, speaker: Speaker, run_folder: Path | None, panel_folder: Path | None
) -> MarketResult | None:
    """Everything that takes time, in a thread of its own; what was found of the market, where it was judged."""
    from massjax.report.market.run_files import write_market_run
    from massjax.simulations.panel import simulated_panel, write_panel
    from massjax.simulations.running import checkpoints_of, policy_of_run, run_market, spread_over

    times, result = StageTimes(speaker.tell), None
    assert config.out is not None
    with spread_over(devices, config.simulation.learning.parts):
        found = policy_of_run(config, speaker, times, checkpoints_of(config, config.out))
        for warning in found.warnings:
            speaker.say(f"warning: {warning}")
        if run_folder is not None:
            result = run_market(config, found, times)
            speaker.tell("writing the run directory", 0, 0)
            write_market_run(result, run_folder)
        if panel_folder is not None:
            with times.stage("simulating the panel"):
                written = simulated_panel(found.policy, config)
            write_panel(written, config, panel_folder)
    return result
