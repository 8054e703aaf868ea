"""What the long commands have in common on their command lines: how much they say, and which version they are."""

from __future__ import annotations

import argparse
from enum import Enum

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


def loudness(*, quiet: bool, verbose: bool) -> Loudness:
    """What the flags of `add_loudness` ask for."""
    if quiet:
        return Loudness.QUIET
    return Loudness.VERBOSE if verbose else Loudness.NORMAL
