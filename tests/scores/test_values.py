"""Scores from answers, against a slow plain reference: the expected choice, calibrated; NaN with its reason where there is none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.agents import content_free, facts_of
from massjax.config import RunConfig
from massjax.models.answer import Answer, unanswered
from massjax.models.failures import Reason
from massjax.models.fake import Fake
from massjax.models.question import Question
from massjax.scores.asking import ask_everything
from massjax.scores.status import Status
from massjax.scores.writing import write_scores
from tests.scores.asking import Noting, Run, at_hand, opened, run
from tests.small_store import written


def reference(found: Run, name: str, n: int, t: int, *, calibrate: bool, least: float) -> tuple[float, Status]:
    """A score by plain arithmetic, from the questions of its cell put to the fake model once more."""
    asked = found.resolver.conversation(found.archetype(name), n, t)
    answers = dict(
        zip([title for title, _ in asked], Fake(found.resolver.inputs.config.scoring).answer([q for _, q in asked]), strict=True)
    )
    answer = answers["score"]
    assert answer.probability is not None
    if answer.mass < least:
        return math.nan, Status.INVALID
    weights = list(answer.probability)
    if calibrate:
        prior = answers["calibration: the same without facts"].probability
        assert prior is not None
        weights = [w / max(p, 1e-6) for w, p in zip(weights, prior, strict=True)]
    return sum(w * k for k, w in enumerate(weights)) / sum(weights) / (len(weights) - 1), Status.SCORED


@pytest.mark.parametrize("calibrate", [False, True])
def test_scores_are_expected_choices(small: dict[str, Any], tmp_path: Path, calibrate: bool) -> None:
    small["scoring"] |= {"calibrate": calibrate, "choices": ["no", "so", "yes"]}
    found = run(written(small, tmp_path))
    scores = found.scores
    assert (scores.archetypes, len(scores.stocks), len(scores.dates)) == (("trend", "careful", "low-volatility"), 20, 12)
    for k, name in enumerate(("trend", "careful")):
        for n, t in [(0, 0), (7, 5), (19, 11)]:
            expected, _ = reference(found, name, n, t, calibrate=calibrate, least=0.0)
            assert scores.score()[t, k, n] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(scores.score()[:, 2], found.resolver.inputs.rule_scores["low-volatility"].T.astype(np.float32))
    assert (scores.status()[:, :2] == Status.SCORED).all()
    assert (scores.status()[:, 2] == Status.RULE).all()
    assert np.isnan(scores.mass()[:, 2]).all()
    np.testing.assert_allclose(scores.mass()[:, :2].astype(float), 0.9, atol=2e-3)
    assert (found.written.scored, found.written.rules, found.written.empty) == (480, 240, 0)


class Uneven(Noting):
    """Puts a mass on the choices that depends on the question, some below one half, and fails on a few others, by turns."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        answers = super().answer(questions)
        made = []
        for question, answer in zip(questions, answers, strict=True):
            turn = question.key[0] % 16 if "N/A" not in question.prompt.user else 15
            made.append(unanswered(list(Reason)[turn]) if turn < 2 else answer._replace(mass=turn / 15))
        return made


def test_little_mass_and_failures_are_missing_scores_with_a_counted_reason(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"] |= {"minimum_coverage": 0.5, "calibrate": False}
    found = run(written(small, tmp_path), Uneven)
    status, score, why = found.scores.status(), found.scores.score(), Counter[str]()
    for k, name in enumerate(("trend", "careful")):
        index = found.resolver.asks(found.archetype(name)).index
        first = found.resolver.asks(found.archetype(name)).keys[:, 0].astype("<u8").view(np.uint8).reshape(-1, 8)[:, 0][index].T % 16
        np.testing.assert_array_equal(status[:, k] == Status.FAILED, first < 2)
        np.testing.assert_array_equal(status[:, k] == Status.INVALID, (first >= 2) & (first / 15 < 0.5))
        np.testing.assert_array_equal(np.isnan(score[:, k]), status[:, k] != Status.SCORED)
        for turn in (0, 1):
            why[list(Reason)[turn].value] += int((first == turn).sum())
        why[Reason.LOW_COVERAGE.value] += int(((first >= 2) & (first / 15 < 0.5)).sum())
    assert found.written.unscored == why
    assert found.written.scored == (status == Status.SCORED).sum()
    again = run(written(small, tmp_path))
    failed = [question for question in found.asked if question.key[0] % 16 < 2 and "N/A" not in question.prompt.user]
    assert sorted(again.asked) == sorted(failed), "what failed is open, what was answered with little mass is not"
    assert (again.scores.status()[:, :2] != Status.FAILED).all()


def test_a_stock_outside_the_universe_is_not_asked_about(small_config: RunConfig) -> None:
    resolver, models, order = opened(small_config)
    member = resolver.inputs.panel.member.copy()
    member[3, 2:6] = False
    panel = replace(resolver.inputs.panel, member=member)
    facts = facts_of(panel, small_config.agents, {"price", "risk"})
    resolver = replace(resolver, inputs=replace(resolver.inputs, panel=panel, facts=facts))
    asked: list[Question] = []
    resolver, _ = ask_everything(resolver, at_hand(models, lambda settings: Noting(settings, asked)), layout=order.layout)
    found = write_scores(resolver, Path(str(small_config.store)), {})
    for k in (0, 1):
        np.testing.assert_array_equal(np.isfinite(found.scores.score()[:, k]), member.T)
        assert (found.scores.status()[:, k][~member.T] == Status.NOT_APPLICABLE).all()
    assert found.empty == 12
    assert set(found.scores.to_polars().filter(found.scores.to_polars()["status"] == "not_applicable")["stock"]) == {panel.stocks[3]}


class Blank(Noting):
    """Answers the content-free question with something extreme."""

    said: Any = None

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        answers = super().answer(questions)
        return [self.said if "N/A" in q.prompt.user else answer for q, answer in zip(questions, answers, strict=True)]


def test_a_sharp_content_free_answer_still_calibrates(small_config: RunConfig) -> None:
    class Sharp(Blank):
        said = Answer((0.0, 0.0, 0.0, 1.0, 0.0), 0.9)

    assert np.isfinite(run(small_config, Sharp).scores.score()).all()


def test_an_unanswered_content_free_question_leaves_no_score_rather_than_an_uncalibrated_one(small_config: RunConfig) -> None:
    class Mute(Blank):
        said = unanswered(Reason.REFUSED)

    mute = run(small_config, Mute).written
    assert not np.isfinite(mute.scores.score()[:, :2]).any()
    assert (mute.scores.status()[:, :2] == Status.FAILED).all()
    assert mute.unscored == {Reason.REFUSED.value: 2 * 12 * 20}
    assert np.isfinite(mute.scores.score()[:, 2]).all(), "rules need no answer"
    found = run(small_config)
    assert len(found.asked) == 2, "of each archetype the one that calibrates, and nothing else, is asked again"
    assert np.isfinite(found.scores.score()).all()
    resolver = found.resolver
    prompt = content_free(found.archetype("trend"), resolver.inputs.facts, resolver.template, ("1", "2", "3", "4", "5"))
    assert prompt in [question.prompt for question in found.asked]
