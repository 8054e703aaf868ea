"""`python -m massjax.experiment`: the same questions with one thing changed, compared answer by answer."""

from __future__ import annotations

import sys

from massjax.commands import ended
from massjax.experiments.command import experiment_command
from massjax.stopping import RESUMABLE


def main(arguments: list[str] | None = None) -> int:
    """Command line.

    Returns:
        0 when all variants are compared; 1 when one has no answer to compare; 2 on an error the user can mend; 130, 143 and 129 when
        stopped by Ctrl-C, by SIGTERM and by a closed terminal.
    """
    return ended(lambda: experiment_command(arguments), RESUMABLE)


if __name__ == "__main__":
    sys.exit(main())
