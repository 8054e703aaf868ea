"""Runs in which the plainly named fake model picks from watch lists: what is asked, pooled, planned, resumed and refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.agents.finite import FiniteSettings
from massjax.agents.lists import ListMarket, shown_places, watch_list
from massjax.answers.files import keys_of
from massjax.errors import ConfigError
from massjax.models.answer import Answer
from massjax.models.forms import Pick, Write
from massjax.models.question import Question
from massjax.scores.asking import Part, ask_everything
from massjax.scores.fitting import fitting_scores, misfit
from massjax.scores.inputs import prepare
from massjax.scores.status import Status
from massjax.scores.survey import survey
from massjax.scores.views import ReplicaView
from tests.scores.asking import Noting, Run, at_hand, opened, run
from tests.small_store import written

PICKING = {"replicas": 3, "watchlist": 6, "picks": 2, "picked_by": "model", "seed": 1}
STYLE = {"style": {"when": "once"}}


@pytest.fixture
def picking(small: dict[str, Any]) -> dict[str, Any]:
    small["market"]["end"] = "2022-06-07"
    small["agents"]["finite"] = dict(PICKING)
    return small


def counted_plainly(found: Run, name: str) -> np.ndarray:
    """Share of the attending replicas that picked each stock, by looking up each list's answer by itself."""
    inputs, resolver = found.resolver.inputs, found.resolver
    finite, panel, market = inputs.config.agents.finite, inputs.panel, inputs.market
    assert isinstance(finite, FiniteSettings)
    assert isinstance(market, ListMarket)
    view = inputs.view(found.archetype(name))
    assert isinstance(view, ReplicaView)
    asked = {question.key for question in found.asked}
    stocks, dates = panel.member.shape
    picks, attending = np.zeros((2, dates, stocks))
    for replica in range(finite.replicas):
        watched = watch_list(panel.member, market.weights["random"], market, finite, name, replica)
        places = shown_places(watched, market, finite, name, replica)
        for t in range(dates):
            listed = sorted(np.flatnonzero(watched[:, t]).tolist(), key=lambda n: places[n, t])
            titles = resolver.conversation(found.archetype(name), listed[0], t)
            (question,) = [question for title, question in titles if title == f"role pick, replica {replica + 1}"]
            assert question.key in asked or not asked
            (answer,) = resolver.log.answers(keys_of([question]))
            assert answer is not None
            assert answer.picks is not None
            attending[t, listed] += 1
            picks[t, [listed[place] for place in answer.picks]] += 1
    return np.where(attending > 0, picks / np.maximum(attending, 1), np.nan)


@pytest.mark.parametrize("method", ["plackett-luce", "exact"])
def test_each_list_is_one_question_and_scores_are_shares_of_attending_replicas(
    picking: dict[str, Any], tmp_path: Path, method: str
) -> None:
    picking["agents"]["finite"]["method"] = method
    found = run(written(picking, tmp_path))
    forms = {question.form for question in found.asked}
    assert all(isinstance(form, Pick) and form.method == method and len(form.items) == 6 for form in forms)
    dates = len(found.resolver.inputs.panel.dates)
    assert len(found.asked) == found.written.distinct == 2 * 3 * dates
    for k, name in enumerate(found.scores.archetypes[:2]):
        expected = counted_plainly(found, name)
        np.testing.assert_allclose(found.score[:, k], expected, rtol=1e-6)
        status = found.scores.status()[:, k]
        assert ((status == Status.SCORED) == np.isfinite(expected)).all()
        assert ((status == Status.NOT_APPLICABLE) == np.isnan(expected)).all()
    assert (found.scores.status()[:, 2] == Status.RULE).all(), "a rule's scores are as they are, and pooled later"
    places = found.written.places
    assert places is not None
    assert places.lists.tolist() == [2 * 3 * dates] * 6
    assert places.share.sum() == pytest.approx(2.0)
    assert run(written(picking, tmp_path)).asked == []
    np.testing.assert_array_equal(fitting_scores(prepare(written(picking, tmp_path)), tmp_path / "store").score(), found.score)


def test_other_settings_of_lists_are_other_scores(picking: dict[str, Any], tmp_path: Path) -> None:
    found = run(written(picking, tmp_path))
    made = found.scores.made_from
    assert made is not None
    picking["agents"]["finite"]["seed"] = 2
    assert misfit(prepare(written(picking, tmp_path)), made) == "the setting finite.seed: they were made with 1, this run has 2"
    other = run(written(picking, tmp_path))
    assert len(other.asked) == len(found.asked)
    picking["agents"]["finite"] |= {"seed": 1, "replicas": 4}
    more = run(written(picking, tmp_path))
    assert len(more.asked) == len(found.asked) // 3, "a further replica leaves the others as they are"
    picking["market"]["end"] = "2022-06-09"
    longer = run(written(picking, tmp_path))
    assert len(longer.asked) == 2 * 4 * 2, "and so do further dates"


def test_styles_are_asked_before_and_picks_follow_them(picking: dict[str, Any], tmp_path: Path) -> None:
    picking["agents"]["finite"] |= STYLE
    config = written(picking, tmp_path)
    resolver, _, _ = opened(config)
    planned = survey(resolver, {})
    dates = len(resolver.inputs.panel.dates)
    assert planned.open.total() == planned.texts.total() == 2
    assert planned.waiting == {"trend": "style", "careful": "style"}
    later = planned.roles["pick", ""].later
    assert later.open == 2 * 3 * dates
    found = run(config)
    kinds = [question.form.kind for question in found.asked]
    assert (kinds.count("write"), kinds.count("pick")) == (2, 2 * 3 * dates)
    assert all("Your appetite for risk is " in question.prompt.system for question in found.asked if isinstance(question.form, Pick))
    made = found.scores.made_from
    assert made is not None
    assert set(made.styles) == {"trend", "careful"}
    assert set(made.styles["trend"]) == {"risk_appetite", "holding_period", "watch_list"}
    assert found.written.places is not None
    assert run(config).asked == []


def test_earlier_picks_are_told_by_date_and_agent_with_returns_known_by_then(picking: dict[str, Any], tmp_path: Path) -> None:
    picking["agents"]["finite"] |= {"reflection": [1, 2]}
    found = run(written(picking, tmp_path))
    inputs = found.resolver.inputs
    told = {}
    for t in range(len(inputs.panel.dates)):
        for title, question in found.resolver.conversation(found.archetype("trend"), 0, t):
            told[title, t] = question.prompt.user
    assert told, "stock 0 is watched by some replica"
    for (_, t), user in told.items():
        assert ("On the last trading day you picked" in user) == (t >= 1)
        assert ("2 trading days ago you picked" in user) == (t >= 2)
        assert "no return known yet" in user if t == 1 else True, "filled a day later, a pick of yesterday has no return yet"
    assert run(written(picking, tmp_path)).asked == []
    planned = survey(opened(written({**picking, "store": str(tmp_path / "new")}, tmp_path))[0], {})
    assert planned.open.total() == 2 * 3
    assert planned.roles["pick", ""].later.open == 2 * 3 * (len(inputs.panel.dates) - 1)


class Stopping(Noting):
    questions_at_once = 5

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        if len(self.asked) >= 10:
            raise KeyboardInterrupt
        return super().answer(questions)


def test_stopped_it_goes_on_without_asking_again(picking: dict[str, Any], tmp_path: Path) -> None:
    picking["agents"]["finite"] |= {**STYLE, "reflection": [1]}
    whole = run(written({**picking, "store": str(tmp_path / "whole")}, tmp_path))
    config = written(picking, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(config, Stopping)
    kept = len(opened(config)[0].log)
    assert kept >= 10
    again = run(config)
    assert len(again.asked) == len(whole.asked) - kept
    np.testing.assert_array_equal(again.score, whole.score)


@pytest.mark.parametrize("layout", ["archetype-first", "facts-first"])
def test_parts_ask_all_once_and_an_archetype_stays_whole(picking: dict[str, Any], tmp_path: Path, layout: str) -> None:
    picking["agents"]["finite"] |= STYLE
    picking["agents"]["layout"] = layout
    whole = run(written({**picking, "store": str(tmp_path / "whole")}, tmp_path))
    config, asked = written(picking, tmp_path), list[list[Question]]()
    for number in (1, 2):
        resolver, models, order = opened(config)
        part: list[Question] = []
        making = at_hand(models, lambda settings, part=part: Noting(settings, part))
        ask_everything(resolver, making, layout=order.layout, part=Part(number, 2))
        asked.append(part)
    assert sorted(question.key for part in asked for question in part) == sorted(question.key for question in whole.asked)


def test_a_model_of_its_own_writes_styles(picking: dict[str, Any], tmp_path: Path) -> None:
    order: list[tuple[int, type]] = []

    class Telling(Noting):
        def answer(self, questions: Sequence[Question]) -> list[Answer]:
            order.extend((self.settings.seed, type(question.form)) for question in questions)
            return super().answer(questions)

    picking["models"] = {"writer": {"engine": "fake", "seed": 7}}
    picking["agents"]["finite"] |= {"style": {"when": "daily", "model": "writer"}}
    run(written(picking, tmp_path), Telling)
    assert {form for seed, form in order if seed == 7} == {Write}
    assert {form for seed, form in order if seed == 0} == {Pick}
    picking["agents"]["finite"] |= {"style": {"model": "writter"}}
    with pytest.raises(ConfigError, match="stage 'style' asks the model 'writter', which is no entry"):
        prepare(written(picking, tmp_path))


def test_other_protocols_do_not_pick(picking: dict[str, Any], tmp_path: Path) -> None:
    picking["agents"]["archetypes"][0]["protocol"] = "desk"
    with pytest.raises(ConfigError, match=r"archetype 'trend': agents\.finite\.picked_by: model has protocol 'single' pick from lists"):
        prepare(written(picking, tmp_path))


def test_picks_of_a_model_that_nobody_asks_are_refused(picking: dict[str, Any], tmp_path: Path) -> None:
    picking["agents"]["archetypes"] = [{"name": "winners", "rule": {"momentum_6m": 1}}]
    with pytest.raises(ConfigError, match=r"agents\.finite\.picked_by: model, and no archetype asks a model"):
        prepare(written(picking, tmp_path))
