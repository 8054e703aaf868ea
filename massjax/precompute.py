"""`python -m massjax.precompute`: score every archetype, stock and date once with a language model, into the score store.

Everything heavy is imported within `main`, so that the command can be stopped cleanly from its first moment on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from massjax.errors import MassjaxError
from massjax.flags import add_help_settings, add_loudness, add_version
from massjax.stopping import RESUMABLE, ending_at_once, exit_code, stoppable
from massjax.terminal import escaped_text, printable_everywhere


def main(arguments: list[str] | None = None) -> int:
    """Command line.

    Returns:
        0 when every score is stored; 1 when some could not be had; 2 on an error the user can mend; 130, 143 and 129 when stopped by
        Ctrl-C, by SIGTERM and by a closed terminal.
    """
    printable_everywhere()
    try:
        with stoppable():
            options = _parser().parse_args(arguments)
            with ending_at_once(RESUMABLE):
                from massjax.scoring.command import precompute

            return precompute(options)
    except MassjaxError as error:
        return _tell(f"error: {error}", 2)
    except KeyboardInterrupt as stop:
        return _tell(RESUMABLE, exit_code(stop))


def _tell(message: str, code: int) -> int:
    red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() and code == 2 else ("", "")
    shown = escaped_text(message, keep="\n")
    print(f"{red}{shown}{plain}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m massjax.precompute", description=__doc__.split("\n")[0])
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


if __name__ == "__main__":
    sys.exit(main())
