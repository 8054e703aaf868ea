"""The conversation behind a cell: what a model was shown about one stock on one date, and what it said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.errors import ConfigError
from massjax.scores.showing import conversation_of
from tests.scores.asking import run
from tests.small_store import written


def test_a_score_can_be_worked_out_from_what_is_shown(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    found = run(config)
    outcome = conversation_of(config, "careful", "MSFT", "2022-06-08")
    shown = outcome.questions
    assert [title for title, _, _ in shown] == ["score", "calibration: the same without facts"]
    (score, prior) = (recorded.answer for _, _, recorded in shown if recorded is not None)
    assert score.probability is not None
    assert prior.probability is not None
    weights = np.array(score.probability) / np.maximum(prior.probability, 1e-6)
    n, t = found.scores.stocks.index("MSFT"), found.scores.dates.tolist().index(np.datetime64("2022-06-08").item())
    assert weights @ np.linspace(0, 1, 5) / weights.sum() == pytest.approx(found.score[t, 1, n], abs=1e-6)
    assert shown[0][1].prompt in found.prompts("careful")
    assert outcome.outcome == f"score: {found.score[t, 1, n]:.4f}, the expected choice, scaled to [0, 1], after calibration"


def test_what_was_not_asked_yet_is_shown_without_an_answer(small: dict[str, Any], tmp_path: Path) -> None:
    shown = conversation_of(written(small, tmp_path), "trend", "AAPL", "2022-06-01")
    assert [recorded for _, _, recorded in shown.questions] == [None, None]
    assert shown.outcome == "score: none (not asked)"
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("archetype", "stock", "date", "words"),
    [
        ("trent", "AAPL", "2022-06-01", r"--archetype trent: .*did you mean 'trend'"),
        ("low-volatility", "AAPL", "2022-06-01", r"no archetype of that name asks a model"),
        ("trend", "APPL", "2022-06-01", r"--stock APPL: .*did you mean 'AAPL'"),
        ("trend", "AAPL", "2022-06-04", r"--date 2022-06-04: is no date of the market data, which go from 2022-06-01 to 2022-06-16"),
        ("trend", "AAPL", "June", r"--date June: expected a day such as 2022-06-01"),
        ("trend", "AAPL", "2022-06", r"--date 2022-06: expected a day such as 2022-06-01"),
    ],
)
def test_what_is_not_there_is_told(small: dict[str, Any], tmp_path: Path, archetype: str, stock: str, date: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        conversation_of(written(small, tmp_path), archetype, stock, date)
