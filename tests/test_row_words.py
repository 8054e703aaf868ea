from __future__ import annotations

import pytest

from massjax.row_words import counted, every, first_few, row_unit, short_unit


@pytest.mark.parametrize(
    ("periods_per_year", "unit"),
    [
        *((365, "day"), (366, "day"), (252, "trading day"), (243, "trading day"), (302, "trading day"), (52, "week"), (12, "month")),
        *((4, "quarter"), (1, "year"), (104, "row"), (26, "row"), (150, "row"), (1000, "row")),
    ],
)
def test_a_row_is_called_what_it_is(periods_per_year: float, unit: str) -> None:
    assert row_unit(periods_per_year) == unit
    assert short_unit(periods_per_year) == unit.removeprefix("trading ")


def test_numbers_and_words_agree() -> None:
    assert [counted(n, "date") for n in (0, 1, 2, 1000)] == ["0 dates", "1 date", "2 dates", "1,000 dates"]
    assert (every(1, "week"), every(5, "trading day")) == ("every week", "every 5 trading days")


def test_the_first_of_many_names_and_how_many_there_are_besides() -> None:
    names = [f"S{number}" for number in range(2_000)]
    assert first_few(names[:2], 2) == "S0, S1"
    assert first_few(names, 2) == "S0, S1 and 1,998 more"
    assert first_few(names[:3], 2, "; ") == "S0; S1 and 1 more"
    assert first_few([], 2) == ""
