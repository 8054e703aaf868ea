"""Decisions on each text, put together by stock and date."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from massjax.agents.items import Items
from massjax.agents.protocols.turns import NO_DECISION
from massjax.errors import ConfigError
from massjax.scores.inputs import prepare
from massjax.scores.showing import conversation_of
from massjax.scores.status import Status
from massjax.scores.views import NOTHING, Found, ItemView, at_dates
from tests.scores.asking import run
from tests.small_store import written

How = Literal["latest", "mean", "strongest"]
SHAPE = (3, 4)


def slowly(found: Found, items: Items, how: How) -> Found:
    """Cell by cell."""
    score, mass = np.full(SHAPE, np.nan, np.float32), np.full(SHAPE, np.nan, np.float16)
    code, decision = np.full(SHAPE, NOTHING, np.uint8), np.full(SHAPE, NO_DECISION, np.int8)
    assert found.decision is not None
    for n, t in np.ndindex(*SHAPE):
        pairs = [(int(i), int(c)) for i, c in zip(items.item, items.column, strict=True)]
        here = sorted(i for i, c in pairs if items.stock[i] == n and c == t and found.code[i, 0] != NOTHING)
        if not here:
            continue
        values = [(float(found.score[i, 0]), int(found.decision[i, 0])) for i in here]
        code[n, t] = found.code[here[-1], 0] if how == "latest" else max(int(found.code[i, 0]) for i in here)
        if how == "latest":
            mass[n, t] = found.mass[here[-1], 0]
        else:
            mass[n, t] = min(found.mass[i, 0] for i in here)
        if code[n, t]:
            continue
        if how == "mean":
            score[n, t] = np.mean([one for one, _ in values])
            net = sum(one for _, one in values)
            decision[n, t] = np.sign(net) if 2 * abs(net) > len(here) else 0
        else:
            strongest = max(range(len(here)), key=lambda k: (abs(np.float32(values[k][0]) - np.float32(0.5)), k))
            score[n, t], decision[n, t] = values[-1 if how == "latest" else strongest]
    return Found(score, mass, code, decision)


@settings(max_examples=80, deadline=None)
@given(st.data(), st.sampled_from(["latest", "mean", "strongest"]))
def test_what_texts_come_to_by_stock_and_date(data: st.DataObject, how: How) -> None:
    stock = np.array(data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=8)))
    count = len(stock)
    pairs = data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, 3)), unique=True, max_size=20))
    item, column = (np.array([pair[k] for pair in pairs], np.int64) for k in (0, 1))
    code = np.array(data.draw(st.lists(st.sampled_from([0, 0, 0, 4, NOTHING]), min_size=count, max_size=count)), np.uint8)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    score = np.where(code == 0, rng.choice([0.1, 0.4, 0.5, 0.6, 0.9], count), np.nan).astype(np.float32)
    decision = np.where(code == 0, rng.choice([-1, 0, 1], count), NO_DECISION).astype(np.int8)
    found = Found(score[:, None], rng.random(count).astype(np.float16)[:, None], code[:, None], decision[:, None])
    items = Items((), stock, np.zeros(count, np.int64), item, column)
    for one, other in zip(at_dates(found, items, SHAPE, how), slowly(found, items, how), strict=True):
        np.testing.assert_allclose(np.asarray(one, np.float64), np.asarray(other, np.float64), atol=1e-6)


@pytest.fixture
def news(tmp_path: Path) -> dict[str, Any]:
    """Two stocks on five days; A has three texts, two of them on one day, B one."""
    days = [date(2022, 1, 3) + timedelta(days=n) for n in range(5)]
    prices = [(day, stock, 10.0 + n) for n, day in enumerate(days) for stock in "AB"]
    pl.DataFrame(prices, schema=["date", "stock", "close"], orient="row").write_csv(tmp_path / "prices.csv")
    texts = [(datetime(2022, 1, 4, 8), "A", "Good."), (datetime(2022, 1, 4, 9), "A", "Bad."), (datetime(2022, 1, 6, 9), "A", "Good.")]
    texts.append((datetime(2022, 1, 5, 9), "B", "Bad."))
    pl.DataFrame(texts, schema=["time", "stock", "text"], orient="row").write_csv(tmp_path / "news.csv")
    protocol = {"name": "each", "like": "desk", "unit": "text"}
    return {
        "market": {
            "source": "tables",
            "horizons": [1],
            "prices": {"path": "prices.csv"},
            "texts": [{"path": "news.csv", "timestamp": "time", "modality": "news"}],
        },
        "agents": {"archetypes": [{"name": "items", "modalities": ["news"], "protocol": "each"}], "protocols": [protocol]},
        "scoring": {"engine": "fake"},
        "store": str(tmp_path / "store"),
    }


def test_a_protocol_runs_on_each_text_and_equal_texts_are_asked_about_once(news: dict[str, Any], tmp_path: Path) -> None:
    config = written(news, tmp_path)
    found = run(config)
    assert len(found.asked) == 2 * 4, "two different texts, four roles"
    status, score = found.scores.status()[:, 0], found.score[:, 0]
    a, b = (found.scores.stocks.index(name) for name in "AB")
    assert (status[:, a] == Status.SCORED).tolist() == [False, True, False, True, False]
    assert (status[:, b] == Status.SCORED).tolist() == [False, False, True, False, False]
    assert set(status[np.isnan(score)].tolist()) == {Status.NOT_APPLICABLE}
    assert score[1, a] == score[2, b], "the latest of A's texts is what B's says"
    shown = conversation_of(config, "items", "A", "2022-01-04")
    assert [title for title, _, _ in shown.questions[:2]] == ["role analyst, text 1", "role trader, text 1"]
    assert len(shown.questions) == 8
    for how in ("mean", "strongest"):
        news["agents"]["protocols"][0]["aggregate"] = how
        again = run(written(news, tmp_path))
        assert again.asked == [], "the same questions, put together in another way"
        good, bad = score[3, a], score[2, b]
        expected = (good + bad) / 2 if how == "mean" else max(bad, good, key=lambda one: abs(one - 0.5))
        assert again.score[1, 0, a] == pytest.approx(expected, abs=1e-6)
        assert again.score[3, 0, a] == good


def test_a_protocol_of_texts_needs_texts(news: dict[str, Any], tmp_path: Path, small: dict[str, Any]) -> None:
    small["agents"]["archetypes"] = [{"name": "items", "modalities": ["price"], "protocol": "each"}]
    small["agents"]["protocols"] = news["agents"]["protocols"]
    with pytest.raises(ConfigError, match=r"'items': protocol 'each' decides on each text, but sees no modality of texts \(there: none"):
        prepare(written(small, tmp_path))


def test_dates_with_the_same_questions_about_their_texts_are_one_situation() -> None:
    items = Items((), np.array([0, 1, 0, 0]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2, 1, 3]), np.array([0, 0, 1, 1, 2, 2]))
    view = ItemView((), np.ones((2, 4), bool), items, (2, 4), "latest")
    numbers = np.array([[5], [5], [7], [-1]])
    shown = {(n, t): set[int]() for n in range(2) for t in range(4)}
    for item, column in zip(items.item.tolist(), items.column.tolist(), strict=True):
        if numbers[item, 0] >= 0:
            shown[int(items.stock[item]), column].add(int(numbers[item, 0]))
    found = view.situations(numbers)
    for one, texts in shown.items():
        assert (found[one] >= 0) == bool(texts)
        for other, others in shown.items():
            assert (found[one] == found[other]) == (texts == others)
