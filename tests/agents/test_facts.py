"""Facts: quantile words against a plain reference, numbers, texts, and that nothing unknown is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import rankdata

from massjax.agents import facts_of, quantile_codes
from massjax.agents.archetype import Archetype
from massjax.agents.facts import quote
from massjax.agents.settings import AgentsSettings
from massjax.errors import ConfigError
from massjax.market import Feature, MarketFact, Panel

ONE = (Archetype(name="a", modalities=("price",)),)
DATES = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[D]")


def panel(values: np.ndarray, style: str = "percent", **more: object) -> Panel:
    member = np.ones(values.shape, dtype=bool)
    features = {"f": Feature("f", "price", values, "the f", style, ("low", "mid", "high"))}  # type: ignore[arg-type]
    stocks = tuple(f"S{n}" for n in range(values.shape[0]))
    return Panel(DATES[: values.shape[1]], stocks, member, features, **more)  # type: ignore[arg-type]


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.integers(-3, 3)), min_size=1, max_size=30), st.integers(2, 7))
def test_quantiles_are_those_of_average_ranks(raw: list[int | None], count: int) -> None:
    values = np.array([np.nan if v is None else float(v) for v in raw])[:, None]
    codes = quantile_codes(values, np.ones(values.shape, dtype=bool), count)[:, 0]
    known = np.isfinite(values[:, 0])
    assert (codes[~known] == -1).all()
    if known.any():
        ranks = rankdata(values[known, 0])
        expected = np.minimum(np.floor((ranks - 0.5) / known.sum() * count + 1e-12), count - 1)
        assert (codes[known] == expected).all()


def test_only_members_are_compared() -> None:
    values = np.array([[1.0], [2.0], [3.0], [100.0]])
    member = np.array([[True], [True], [True], [False]])
    assert quantile_codes(values, member, 3)[:, 0].tolist() == [0, 1, 2, -1]


def test_words_and_numbers() -> None:
    values = np.array([[0.1234, np.nan], [-0.05, 0.0], [0.0, 0.02]])
    words = facts_of(panel(values), AgentsSettings(archetypes=ONE))[0]
    assert [words.texts[c] for c in words.codes[:, 0]] == ["high", "low", "mid"]
    assert words.codes[0, 1] == -1
    numbers = facts_of(panel(values), AgentsSettings(archetypes=ONE, facts="numbers"))[0]
    assert [numbers.texts[c] for c in numbers.codes[:, 0]] == ["+12.3%", "-5.0%", "+0.0%"]
    assert numbers.codes[0, 1] == -1


@pytest.mark.parametrize(("style", "printed"), [("ratio", "1234.57"), ("number", "1235"), ("percent", "+123456.8%")])
def test_numbers_are_printed_by_their_style(style: str, printed: str) -> None:
    values = np.array([[1234.5678], [0.0]])
    fact = facts_of(panel(values, style), AgentsSettings(archetypes=ONE, facts="numbers"))[0]
    assert fact.texts[fact.codes[0, 0]] == printed


def test_names_and_dates_are_hidden_unless_asked_for() -> None:
    data = panel(np.zeros((2, 2)), names={"S0": "Zero Inc"}, sectors={"S0": "Energy"})
    assert [f.label for f in facts_of(data, AgentsSettings(archetypes=ONE))] == ["the f"]
    shown = {f.label: f for f in facts_of(data, AgentsSettings(archetypes=ONE, mask=False))}
    assert shown["stock"].texts == ("Zero Inc (S0)", "S1")
    assert shown["sector"].texts == ("Energy", "unknown")
    assert shown["date"].texts[shown["date"].codes[1, 1]] == "2020-01-02"


def test_market_wide_facts_are_compared_with_their_own_past() -> None:
    rate = MarketFact("rate", "macro", np.array([1.0, 2.0, 0.5]), "interest rate", words=("low", "mid", "high"))
    fact = facts_of(panel(np.zeros((2, 3)), market_facts={"rate": rate}), AgentsSettings(archetypes=ONE))[-1]
    assert [fact.texts[c] for c in fact.codes[0]] == ["mid", "high", "low"]
    assert (fact.codes[0] == fact.codes[1]).all()


def test_the_latest_texts_are_quoted() -> None:
    texts = pl.DataFrame(
        {"date": [DATES[1].item()] * 3, "stock": ["S1"] * 3, "modality": ["news"] * 3, "text": ["old", "newer", 'say "hi"\nthen']}
    )
    data = panel(np.zeros((2, 2)), texts=texts)
    fact = facts_of(data, AgentsSettings(archetypes=ONE, texts_per_prompt=2))[-1]
    assert fact.codes.tolist() == [[-1, -1], [-1, 0]]
    assert fact.texts == ('  "newer"\n  "say \'hi\' then"',)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=3))
def test_a_quoted_text_stays_one_quoted_line(texts: list[str]) -> None:
    lines = quote(texts).split("\n")
    assert len(lines) == len(texts)
    assert all(line.startswith('  "') and line.endswith('"') and line.count('"') == 2 for line in lines)


def test_an_unknown_feature_to_show_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"agents\.features.*'g'"):
        facts_of(panel(np.zeros((2, 2))), AgentsSettings(archetypes=ONE, features=("g",)))


def test_facts_of_some_modalities_are_those_of_all(panel_of_two: Panel) -> None:
    for style in ("words", "numbers"):
        chosen = AgentsSettings(archetypes=ONE, facts=style)
        every = {fact.label: fact for fact in facts_of(panel_of_two, chosen)}
        some = facts_of(panel_of_two, chosen, {"price"})
        assert [fact.modality for fact in some] == ["price"]
        assert some[0].texts == every[some[0].label].texts
        np.testing.assert_array_equal(some[0].codes, every[some[0].label].codes)
        assert {fact.modality for fact in every.values()} == {"price", "risk", "macro"}


@pytest.fixture
def panel_of_two() -> Panel:
    one = panel(np.array([[0.1, 0.3], [0.2, np.nan], [0.0, 0.2]]))
    other = Feature("v", "risk", np.array([[1.0, 2.0], [3.0, 1.0], [2.0, 2.0]]), "the v")
    rate = MarketFact("rate", "macro", np.array([1.0, 2.0]), "interest rate")
    return replace(one, features={**one.features, "v": other}, market_facts={"rate": rate})
