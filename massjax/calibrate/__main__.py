"""`python -m massjax.calibrate --config FILE`: which trait distributions make simulated prices like given ones."""

from __future__ import annotations

import argparse
import math
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from massjax.commands import ended
from massjax.errors import ConfigError, error_context
from massjax.flags import add_loudness, add_version, loudness
from massjax.progress import speaking
from massjax.stopping import end_process, interruptible
from massjax.terminal import escaped_text, result_console

if TYPE_CHECKING:
    from massjax.calibrate.running import Calibration
    from massjax.simulator.policy import Policy

MOST_CORES = 16
"""Cores of a CPU that are used unless more are asked for."""


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 0 when the results are written, 2 on an error the user can mend, 130 on Ctrl-C, 143 on SIGTERM."""
    return ended(lambda: calibrate_command(arguments), "stopped; nothing half-written is left")


def calibrate_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m massjax.calibrate",
        description="`python -m massjax.calibrate`: the trait distributions whose simulated markets come near to the stylised facts of a "
        "price panel, as a posterior over candidates. All candidates follow one policy: agents do not learn anew in each mix.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings, such as configs/calibrate.yaml")
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="folder of the results, made anew (default: runs/calibrate-TIME)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; may be repeated")
    parser.add_argument(
        "--devices", type=int, default=None, metavar="N", help="simulate on N GPUs, or on N cores of the CPU (default: all)"
    )
    parser.add_argument("--seed", type=int, default=None, help="seed of all randomness (default: the config's)")
    parser.add_argument("--compile-cache", default=None, metavar="DIR|off", help="folder in which JAX keeps compiled programs, or `off`")
    add_loudness(parser)
    add_version(parser)
    return parser


def calibrate_command(arguments: list[str] | None) -> int:
    """Read the settings, find the posterior, write the results and print them.

    Returns:
        0 when the results are written.

    Raises:
        MassjaxError: whatever the user can mend.
    """
    options = calibrate_parser().parse_args(arguments)
    if options.devices is not None and options.devices < 1:
        raise ConfigError(f"--devices {options.devices}: expected at least 1")
    with speaking(loudness(quiet=options.quiet, verbose=options.verbose)) as speaker:
        from massjax.calibrate.settings import load_calibration

        config = load_calibration(options.config, [*options.set, *([] if options.seed is None else [f"seed={options.seed}"])])
        out = options.out or config.out or Path("runs") / f"calibrate-{datetime.now():%Y%m%d-%H%M%S}"
        import jax

        from massjax.calibrate.policies import policy_of_config
        from massjax.calibrate.results import results_folder, show_results, write_results
        from massjax.calibrate.running import calibrated
        from massjax.compile_cache import use_compile_cache
        from massjax.engine.devices import over_devices
        from massjax.machine import usable_cores

        interruptible(lambda: use_compile_cache(options.compile_cache))
        with suppress(RuntimeError):  # JAX has computed in this process before: the devices are what they are
            jax.config.update("jax_num_cpu_devices", options.devices or min(usable_cores(), MOST_CORES))
        devices = options.devices or len(jax.devices())
        with results_folder(out) as folder, error_context(options.config):

            def work() -> tuple[Policy, Calibration]:
                with over_devices(math.gcd(devices, config.simulation.learning.parts)):
                    policy = policy_of_config(config, speaker.tell)
                with over_devices(devices):
                    return policy, calibrated(config, policy, speaker.tell)

            policy, found = interruptible(work)
            write_results(found, policy, folder)
    console = result_console()
    show_results(found, console)
    console.print(f"\nResults: {escaped_text(out)}", highlight=False, markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    end_process(main())
