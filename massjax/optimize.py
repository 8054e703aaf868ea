"""`python -m massjax.optimize`: search the mix of archetypes walk-forward, compare it with the controls, write the run directory."""

from __future__ import annotations

from massjax.commands import ended, optimize_command
from massjax.stopping import end_process


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 0 when the run is written, 2 on an error the user can mend, 130 on Ctrl-C, 143 on SIGTERM."""
    return ended(lambda: optimize_command(arguments), "stopped; nothing half-written is left")


if __name__ == "__main__":
    end_process(main())
