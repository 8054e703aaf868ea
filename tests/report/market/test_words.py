"""What a run of a simulated market is said to show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from massjax.report.market.result import HILL, TRAINED
from massjax.report.market.words import findings, interval, marks, opening, regularities, specialisation
from tests.report.market.made_market import figure, made_market


def test_a_healthy_market_is_told_of_with_its_regularities() -> None:
    result = made_market()
    assert opening(result) == (
        "The market is alive and follows its fundamental: trades in 18 % of the ticks, mispricing 0.0132 against 0.360 untrained. It shows "
        "3 of 4 regularities of real prices looked for."
    )
    assert [one.found for one in regularities(result)] == [True, True, True, False]
    assert "0.0041 [0.0023, 0.0060]" in regularities(result)[-1].figures
    assert [one.found for one in specialisation(result)] == [True, True, True, False]
    assert marks(result) == ()
    assert len(findings(result)) == 8


def test_of_a_market_that_is_not_healthy_that_is_said_first() -> None:
    result = made_market(("trades in 0.2 % of the ticks: expected at least 10 %",))
    assert opening(result) == "The market is not healthy: trades in 0.2 % of the ticks: expected at least 10 %."
    assert marks(result)[0].startswith("The market is not healthy, and its figures may come of that")


@pytest.mark.parametrize(
    ("fact", "found", "which"),
    [
        ("excess kurtosis, 100 ticks", (0.7, 0.4, 0.9), 0),
        (HILL, (5.2, 4.4, 5.5), 1),
        ("volume-volatility, bars of 10 ticks", (0.14, 0.12, 0.16), 2),
    ],
)
def test_a_regularity_that_is_not_there_is_not_said_to_be(fact: str, found: tuple[float, float, float], which: int) -> None:
    result = made_market()
    populations = tuple(
        replace(one, facts={**one.facts, fact: figure(*found)}) if one.name == TRAINED else one for one in result.populations
    )
    assert [one.found for one in regularities(replace(result, populations=populations))] == [
        place != which and place != 3 for place in range(4)
    ]


@pytest.mark.parametrize(("fact", "which"), [("excess kurtosis, 100 ticks", 0), (HILL, 1), ("volume-volatility, bars of 10 ticks", 2)])
def test_of_what_is_undefined_it_is_not_said_that_it_is_not_there(fact: str, which: int) -> None:
    result = made_market()
    undefined = figure(*(float("nan"),) * 3)
    populations = tuple(replace(one, facts={**one.facts, fact: undefined}) if one.name == TRAINED else one for one in result.populations)
    told = regularities(replace(result, populations=populations))
    assert [one.found for one in told] == [None if place == which else place != 3 for place in range(4)]
    assert told[which].answer == "cannot be told"
    assert told[3].answer == "no"


def test_an_interval_without_bounds_is_its_estimate() -> None:
    assert interval(figure(1.0, float("nan"), float("nan"))) == "1.00"
    assert interval(figure(-0.5, -0.75, 0.0), 1) == "−0.5 [−0.8, 0.0]"
