"""Which texts a prompt shows: equal ones once, which of many, windows of days, and what is counted as left out."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from massjax.agents import TextCounts, count_texts, facts_of
from massjax.agents.archetype import Archetype
from massjax.agents.settings import AgentsSettings
from massjax.agents.texts import same_text
from massjax.market import Panel
from massjax.market.panel import TEXT_SCHEMA

ONE = (Archetype(name="a", modalities=("news",)),)
DATES = np.array(["2021-01-04", "2021-01-05", "2021-01-06", "2021-01-08"], dtype="datetime64[D]")


def panel(*texts: tuple[int, str, str], member: np.ndarray | None = None, **more: object) -> Panel:
    """Two stocks on four dates; texts are (day of January, stock, text)."""
    rows = [(date(2021, 1, day), stock, "news", text) for day, stock, text in texts]
    table = pl.DataFrame(rows, schema=TEXT_SCHEMA, orient="row").sort("date", "stock", maintain_order=True)
    return Panel(DATES, ("A", "B"), np.ones((2, 4), dtype=bool) if member is None else member, texts=table, **more)  # type: ignore[arg-type]


def shown(data: Panel, **options: object) -> dict[tuple[str, str], list[str]]:
    """The texts of each prompt by stock and day."""
    fact = facts_of(data, AgentsSettings(archetypes=ONE, **options))[-1]  # type: ignore[arg-type]
    return {
        (data.stocks[n], str(data.dates[t])[-2:]): [line.strip().strip('"') for line in fact.texts[code].split("\n")]
        for (n, t), code in np.ndenumerate(fact.codes)
        if code >= 0
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Acme wins", "ACME WINS"),
        ("Acme wins", "  Acme \t wins "),
        ("Acme wins!", "Acme wins."),
        ("“Acme” wins", "'Acme' wins"),
        ("Ａｃｍｅ wins", "Acme wins"),
        ("Acme wins…", "Acme wins..."),
        ("Acme\u00a0wins", "Acme wins"),
        ("Acme: wins - again", "acme wins again"),
        ("STRASSE", "Straße"),
        ("Acme\u200b wins", "Acme wins"),
        ("营收增长，超预期。", "营收增长,超预期"),
    ],
)
def test_texts_that_differ_in_form_alone_are_the_same(one: str, other: str) -> None:
    assert same_text(one) == same_text(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("up 1.5 %", "up 15 %"),
        ("earnings -5", "earnings 5"),
        ("$5", "€5"),
        ("Acme wins", "Acme wins again"),
        ("...", "!"),
        ("10,000 shares", "10 000 shares"),
        ("up 5% :)", "up 6% :)"),
        ("📈", "📉"),
    ],
)
def test_texts_that_say_something_else_differ(one: str, other: str) -> None:
    assert same_text(one) != same_text(other)


def test_equal_texts_of_a_stock_and_day_count_once() -> None:
    copies = (
        [(4, "A", "Big contract")] + [(4, "A", form) for form in ("Loss reported", "LOSS  reported.", "loss reported!")] + [(4, "B", "x")]
    )
    assert shown(panel(*copies), texts_per_prompt=3) == {("A", "04"): ["Big contract", "Loss reported"], ("B", "04"): ["x"]}
    again = [*copies, (5, "A", "Loss reported")]
    assert shown(panel(*again))["A", "05"] == ["Loss reported"]
    assert count_texts(panel(*again), AgentsSettings(archetypes=ONE)) == TextCounts(known=6, shown=4, repeated=2, left_out=0)


@pytest.mark.parametrize(
    ("order", "expected"),
    [("latest", ["a short one", "d"]), ("first", ["the longest of them", "b"]), ("longest", ["the longest of them", "a short one"])],
)
def test_which_of_many_is_a_setting(order: str, expected: list[str]) -> None:
    data = panel((4, "A", "the longest of them"), (4, "A", "b"), (4, "A", "a short one"), (4, "A", "d"))
    assert shown(data, texts_per_prompt=2, texts_order=order) == {("A", "04"): expected}


def test_a_window_shows_texts_for_some_days_more() -> None:
    data = panel((4, "A", "monday"), (6, "A", "wednesday"), (6, "A", "Monday!"), (5, "B", "other"), text_windows={"news": 2})
    assert shown(data) == {
        ("A", "04"): ["monday"],
        ("A", "05"): ["monday"],
        ("A", "06"): ["monday", "wednesday"],
        ("A", "08"): ["wednesday", "Monday!"],
        ("B", "05"): ["other"],
        ("B", "06"): ["other"],
    }


def test_a_window_reaches_back_before_the_first_date_of_a_run() -> None:
    data = panel((4, "A", "monday"), (5, "A", "tuesday"), text_windows={"news": 1})
    assert shown(data.between("2021-01-05")) == {("A", "05"): ["monday", "tuesday"], ("A", "06"): ["tuesday"]}
    assert panel((4, "A", "monday")).between("2021-01-05").texts.is_empty()


def test_nothing_is_shown_before_it_is_known_or_to_others() -> None:
    member = np.ones((2, 4), dtype=bool)
    member[0, 1] = False
    data = panel((5, "A", "tuesday"), (6, "A", "wednesday"), member=member, text_windows={"news": 1})
    assert shown(data) == {("A", "06"): ["tuesday", "wednesday"]}


def test_what_prompts_leave_out_is_counted() -> None:
    member = np.ones((2, 4), dtype=bool)
    member[1, 0] = False
    data = panel(*[(4, "A", f"news {n}") for n in range(7)], (4, "A", "NEWS 6"), (4, "B", "no member"), (6, "B", "seen"), member=member)
    assert count_texts(data, AgentsSettings(archetypes=ONE, texts_per_prompt=3)) == TextCounts(known=9, shown=4, repeated=1, left_out=4)
    assert count_texts(panel(), AgentsSettings(archetypes=ONE)) == TextCounts(0, 0, 0, 0)
