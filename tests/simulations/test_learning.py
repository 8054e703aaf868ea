"""The early warning of learning."""

from __future__ import annotations

import pytest

from massjax.simulations.learning import Row, drying_up


def curve(*parts: tuple[int, float], least: float = 0.002) -> list[Row]:
    return [{"trades": trades, "least_deviation": least} for updates, trades in parts for _ in range(updates)]


@pytest.mark.parametrize(
    ("rows", "warned"),
    [
        (curve((20, 0.38)), ""),
        (curve((5, 0.38), (10, 0.096)), ""),
        (curve((5, 0.38), (10, 0.094)), "the market dries up: trades in 9.4 % of the ticks after 15 updates, 38.0 % at the beginning"),
        (curve((5, 0.01), (10, 0.01)), "the market dries up: trades in 1.0 %"),
        (curve((5, 0.38), (9, 0.0)), ""),
        (curve((20, 0.38), least=0.0), "a market stands still"),
    ],
)
def test_a_market_that_dries_up_is_told_early(rows: list[Row], warned: str) -> None:
    assert drying_up(rows).startswith(warned)
    assert bool(drying_up(rows)) == bool(warned)
