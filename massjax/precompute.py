"""`python -m massjax.precompute`: score every archetype, stock and date once with a language model, into the score store."""

from __future__ import annotations

import sys

from massjax.commands import ended, precompute_command
from massjax.stopping import RESUMABLE


def main(arguments: list[str] | None = None) -> int:
    """Command line.

    Returns:
        0 when every score is stored; 1 when some could not be had; 2 on an error the user can mend; 130, 143 and 129 when stopped by
        Ctrl-C, by SIGTERM and by a closed terminal.
    """
    return ended(lambda: precompute_command(arguments), RESUMABLE)


if __name__ == "__main__":
    sys.exit(main())
