"""What the long commands have in common on their command lines: how much they say, and which version they are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from enum import Enum
from importlib import import_module
from typing import Any

from massjax.version import massjax_version


class Loudness(Enum):
    """How much a command says of itself while it works."""

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add `--version`."""
    parser.add_argument("--version", action="version", version=f"massjax {massjax_version()}", help="print the version and end")


def add_loudness(parser: argparse.ArgumentParser) -> None:
    """Add `--quiet` and `--verbose`, of which one may be given."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quiet", "-q", action="store_true", help="print errors and the result only")
    how.add_argument("--verbose", "-v", action="store_true", help="say on stderr what is done, when, and how long it took")


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
        import_module("massjax.config.printed").print_settings(values)  # by name: flags are read before anything heavy is imported
        parser.exit()


def loudness(options: argparse.Namespace) -> Loudness:
    """What the command line asked for."""
    if options.quiet:
        return Loudness.QUIET
    return Loudness.VERBOSE if options.verbose else Loudness.NORMAL
