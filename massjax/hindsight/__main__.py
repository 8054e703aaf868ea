"""`python -m massjax.hindsight`: what a language model remembers of the dates that it is asked about, measured."""

from __future__ import annotations

import sys

from massjax.commands import ended
from massjax.hindsight.command import STOPPED, hindsight_command


def main(arguments: list[str] | None = None) -> int:
    """Command line.

    Returns:
        0 when all is measured; 1 when the state of a model's memory is undefined; 2 on an error the user can mend; 130, 143 and 129 when
        stopped by Ctrl-C, by SIGTERM and by a closed terminal.
    """
    return ended(lambda: hindsight_command(arguments), STOPPED)


if __name__ == "__main__":
    sys.exit(main())
