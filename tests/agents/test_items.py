"""Texts one by one: what is known with each, and on which dates each counts."""

from __future__ import annotations

import numpy as np

from massjax.agents.facts import facts_of
from massjax.agents.items import Items, items_of
from massjax.agents.settings import AgentsSettings
from massjax.market import Feature, Panel
from tests.agents.test_texts import ONE, panel

TREND = Feature("mom", "price", np.array([[1.0, 3.0, 1.0, 3.0], [2.0, 2.0, 2.0, 2.0]]), "momentum", "number", ("down", "up"))
NEWS = [(4, "A", "Alpha opens."), (5, "B", "Beta wins."), (5, "A", "Alpha loses."), (8, "A", "ALPHA opens!")]


def items(data: Panel, **options: object) -> Items:
    settings = AgentsSettings(archetypes=ONE, **options)  # type: ignore[arg-type]
    return items_of(data, settings, facts_of(data, settings), {"news"})


def said(found: Items, modality: str = "news") -> list[str]:
    (fact,) = [fact for fact in found.facts if fact.modality == modality]
    return [fact.texts[code] if code >= 0 else "" for code in fact.codes[:, 0].tolist()]


def test_each_text_is_known_with_what_was_known_then_and_counts_in_its_window() -> None:
    found = items(panel(*NEWS, features={"mom": TREND}, text_windows={"news": 1}))
    assert said(found) == ['  "Alpha opens."', '  "Alpha loses."', '  "Beta wins."', '  "ALPHA opens!"']
    assert (found.stock.tolist(), found.known.tolist()) == ([0, 0, 1, 0], [0, 1, 1, 3])
    assert said(found, "price") == ["down", "up", "down", "up"]
    assert list(zip(found.item.tolist(), found.column.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (3, 3)]


def test_later_texts_and_dates_change_nothing_that_was_there() -> None:
    whole, early = (items(panel(*news, features={"mom": TREND}, text_windows={"news": 1})) for news in (NEWS, NEWS[:3]))
    assert said(whole)[:3] == said(early)
    assert whole.known[:3].tolist() == early.known.tolist()
    assert whole.item[:6].tolist() == early.item.tolist()


def test_some_dates_and_stocks_alone_leave_what_is_known_with_a_text() -> None:
    found = items(panel(*NEWS, features={"mom": TREND}, text_windows={"news": 1}))
    later = found.on(slice(2, 4), np.array([True, False]))
    assert said(later) == ['  "Alpha loses."', '  "ALPHA opens!"']
    assert said(later, "price") == ["up", "up"]
    assert list(zip(later.item.tolist(), later.column.tolist(), strict=True)) == [(0, 0), (1, 1)]
    assert later.known.tolist() == [1, 3]


def test_names_are_masked_in_each_text() -> None:
    found = items(panel((4, "A", "Alpha beats Beta."), names={"A": "Alpha", "B": "Beta"}))
    assert "Alpha" not in said(found)[0]
    assert "beats" in said(found)[0]
    assert items(panel((4, "A", "Alpha beats Beta."), names={"A": "Alpha"}), mask=False).facts[-1].texts == ('  "Alpha beats Beta."',)
