"""`python -m massjax.simulate`: a market of agents that learn to trade, judged, and panels of stocks of which the truth is known."""

from __future__ import annotations

from massjax.commands import ended
from massjax.simulations.command import STOPPED, simulate_command
from massjax.stopping import end_process


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 0 when the run is written, 2 on an error the user can mend, 130 on Ctrl-C, 143 on SIGTERM."""
    return ended(lambda: simulate_command(arguments), STOPPED)


if __name__ == "__main__":
    end_process(main())
