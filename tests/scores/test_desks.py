"""Organisations in a run: each role is asked once for all who share its question, and what changes asks just those that it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from massjax import pipeline
from massjax.agents.protocols.turns import NO_DECISION
from massjax.answers.files import keys_of
from massjax.config import load_config
from massjax.errors import ConfigError, StoreError
from massjax.models.answer import Answer, unanswered
from massjax.models.failures import Reason
from massjax.models.forms import Decide
from massjax.models.question import Question
from massjax.scores.asking import Part, ask_everything
from massjax.scores.fitting import fitting_scores
from massjax.scores.inputs import prepare
from massjax.scores.opinions import answers_of_roles
from massjax.scores.outcome import Asked
from massjax.scores.plan import Plan
from massjax.scores.printing import conclude
from massjax.scores.showing import conversation_of
from massjax.scores.status import Status
from tests.conftest import ROOT
from tests.scores.asking import Noting, Run, at_hand, opened, run
from tests.small_store import written

DESK = {"name": "senior", "modalities": ["price"], "protocol": "desk"}
JUNIOR = {**DESK, "name": "junior", "roles": {"head": {"seniority": "junior"}}}
PAIR = {"name": "pair", "modalities": ["price"], "protocol": "analyst_trader", "roles": {"trader": {"horizon": "year"}}}


@pytest.fixture
def desks(small: dict[str, Any]) -> dict[str, Any]:
    small["market"]["end"] = "2022-06-07"
    small["agents"]["archetypes"] = [DESK]
    return small


def role_of(question: Question) -> str:
    """Who is asked a question, by its prompt."""
    said = question.prompt.system.split(" at the desk")[0].split(" of ")[0]
    if "Give the reasons" in question.prompt.user:
        return "reasons"
    return said.removeprefix("You are ").removeprefix("a ").removeprefix("the ")


def roles(found: Run | Sequence[Question]) -> Counter[str]:
    return Counter(role_of(question) for question in (found.asked if isinstance(found, Run) else found))


def test_each_role_is_asked_once_for_all_who_share_its_question(desks: dict[str, Any], tmp_path: Path) -> None:
    alone = run(written(desks, tmp_path))
    situations = len({question.prompt.user for question in alone.asked if role_of(question) == "analyst"})
    assert roles(alone) == dict.fromkeys(("analyst", "trader", "reasons", "senior head trader"), situations)
    desks["agents"]["archetypes"] = [DESK, JUNIOR]
    both = run(written(desks, tmp_path))
    assert roles(both) == {"junior head trader": situations}, "one word of the head trader's prompt asks the head traders and nobody else"
    desks["agents"]["archetypes"] = [DESK, JUNIOR, PAIR, {**JUNIOR, "name": "hasty", "horizon": "days"}]
    more = run(written(desks, tmp_path))
    assert roles(more) == {"trader": 2 * situations, "reasons": situations, "junior head trader": situations}
    assert (more.scores.status() == Status.SCORED).all()
    assert run(written(desks, tmp_path)).asked == []


def test_the_tensor_holds_the_soft_score_and_the_hard_decision(desks: dict[str, Any], tmp_path: Path) -> None:
    desks["agents"]["archetypes"] = [DESK, {"name": "plain", "modalities": ["price"]}]
    config = written(desks, tmp_path)
    found = run(config)
    decision, score = found.scores.decision(), found.score
    assert (str(decision.dtype), decision.shape) == ("int8", score.shape)
    assert set(np.unique(decision[:, 0]).tolist()) <= {-1, 0, 1}
    assert (decision[:, 1] == NO_DECISION).all(), "who only rates decides nothing"
    n, t = found.scores.stocks.index("MSFT"), 2
    shown = conversation_of(config, "senior", "MSFT", str(found.scores.dates[t]))
    assert [title for title, _, _ in shown.questions] == ["role analyst", "role trader", "role trader_reasons", "role head"]
    said = {title: recorded.answer for title, _, recorded in shown.questions if recorded is not None}
    trader, head = (said[f"role {name}"].probability for name in ("trader", "head"))
    assert trader is not None
    assert head is not None
    direction = (trader[0] - trader[2]) / sum(trader)
    assert score[t, 0, n] == pytest.approx(0.5 + 0.5 * head[0] / sum(head) * direction, abs=1e-6)
    hard = 0 if head[0] <= head[1] else (1, 0, -1)[int(np.argmax(trader))]
    assert decision[t, 0, n] == hard
    assert said["role analyst"].text is not None
    assert said["role analyst"].text in shown.questions[1][1].prompt.user
    assert f"decision: {('neither', 'long', 'short')[hard]}" in shown.outcome
    np.testing.assert_array_equal(found.scores.mass()[t, 0, n], np.float16(min(said["role trader"].mass, said["role head"].mass)))
    frame = found.scores.to_polars()
    assert frame.filter(archetype="plain")["decision"].null_count() == len(frame) // 2
    assert set(frame["decision"].unique().to_list()) <= {"long", "neither", "short", None}
    again = fitting_scores(prepare(config), tmp_path / "store")
    np.testing.assert_array_equal(again.decision(), decision)


def test_what_each_role_said_can_be_read_by_itself(desks: dict[str, Any], tmp_path: Path) -> None:
    found = run(written(desks, tmp_path))
    said = answers_of_roles(found.resolver.asks(found.archetype("senior")), found.resolver.log)
    trader, head = said["trader"], said["head"]
    assert (list(said), trader.choices, head.choices) == (["trader", "head"], ("long", "neither", "short"), ("Follow", "Not follow"))
    np.testing.assert_allclose(trader.probability.sum(axis=-1), 1.0, atol=1e-6)
    expected = np.where(head.choice == 0, np.array([1, 0, -1])[trader.choice], 0)
    np.testing.assert_array_equal(found.scores.decision()[:, 0], expected.T)
    approval = float((head.choice == 0).mean())
    assert 0 < approval < 1


@pytest.mark.parametrize("layout", ["archetype-first", "facts-first"])
def test_the_order_of_asking_changes_nothing(desks: dict[str, Any], tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("massjax.scores.asking.POOL", 40)
    whole = {question.key for question in run(written({**desks, "store": str(tmp_path / "whole")}, tmp_path)).asked}
    desks["agents"]["layout"] = layout
    asked = [question.key for question in run(written(desks, tmp_path)).asked]
    assert (set(asked), len(asked)) == (whole, len(whole))


def test_roles_are_calibrated_on_request_and_may_rate(desks: dict[str, Any], tmp_path: Path) -> None:
    trader = {"name": "trader", "form": "rate", "calibrate": True, "choices": ["1", "2", "3"]}
    head = {"name": "head", "form": "decide", "sees": ["trader"], "follows": ["trader"], "calibrate": True}
    desks["agents"]["protocols"] = [{"name": "calm", "roles": [trader, head]}]
    desks["agents"]["archetypes"] = [{"name": "calm", "modalities": ["price"], "protocol": "calm"}]
    config = written(desks, tmp_path)
    found = run(config)
    day = str(found.scores.dates[0])
    shown = conversation_of(config, "calm", "AAPL", day).questions
    free = "calibration of role {}: the same without facts"
    assert [title for title, _, _ in shown] == ["role trader", free.format("trader"), "role head", free.format("head")]
    said = [np.array(recorded.answer.probability) for _, _, recorded in shown if recorded is not None]
    rated, followed = (one / prior / (one / prior).sum() for one, prior in ((said[0], said[1]), (said[2], said[3])))
    n = found.scores.stocks.index("AAPL")
    assert found.score[0, 0, n] == pytest.approx(0.5 + 0.5 * followed[0] * (rated[2] - rated[0]), abs=2e-6)
    assert f"The trader decided: {1 + int(rated.argmax())}" in shown[2][1].prompt.user
    assert "N/A" in shown[3][1].prompt.user


def test_a_role_may_have_a_template_of_its_own(desks: dict[str, Any], tmp_path: Path) -> None:
    template = tmp_path / "head.j2"
    template.write_text(
        "{% block system %}{{ role.title }}, {{ role.seniority }}{% endblock %}"
        "{% block user %}{% for one in heard %}{{ one.title }} {{ one.text }}; {% endfor %}{{ choices | join('/') }}{% endblock %}"
    )
    desks["agents"]["archetypes"] = [{**DESK, "roles": {"head": {"template": "head.j2"}}}]
    found = run(written(desks, tmp_path))
    heads = [question.prompt for question in found.asked if question.prompt.system == "head trader, senior"]
    assert heads
    assert all("The trader decided " in prompt.user and prompt.user.endswith("Follow/Not follow") for prompt in heads)
    template.write_text(template.read_text().replace("; ", " - "))
    again = run(written(desks, tmp_path))
    assert len(again.asked) == len(heads), "another template asks that role again"


def test_without_decisions_a_tensor_has_no_array_of_them(small: dict[str, Any], tmp_path: Path) -> None:
    found = run(written(small, tmp_path))
    assert (found.scores.decision() == NO_DECISION).all()
    assert "decision" not in found.scores.to_polars().columns


class Refusing(Noting):
    """Refuses the first question of one role."""

    refused = "trader"

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        answers = super().answer(questions)
        for row in [row for row, question in enumerate(questions) if role_of(question) == self.refused][:1]:
            answers[row] = unanswered(Reason.REFUSED)
        return answers

    questions_at_once = 1000


class RefusingAnalyst(Refusing):
    refused = "analyst"


@pytest.mark.parametrize("model", [Refusing, RefusingAnalyst])
def test_an_unanswered_upstream_question_costs_its_own_cells_with_its_reason(desks: dict[str, Any], tmp_path: Path, model: Any) -> None:
    config = written(desks, tmp_path)
    found = run(config, model)
    status, lost = found.scores.status()[:, 0], found.resolver.asks(found.archetype("senior")).lost.T > 0
    assert lost.any()
    assert not lost.all()
    np.testing.assert_array_equal(status == Status.FAILED, lost)
    assert np.isnan(found.score[:, 0][lost]).all()
    assert (found.scores.decision()[:, 0][lost] == NO_DECISION).all()
    assert found.written.unscored == {Reason.REFUSED.value: int(lost.sum())}
    again = run(config)
    assert not found.resolver.log.known(keys_of(again.asked)).any()
    assert (again.scores.status() == Status.SCORED).all()
    assert max(roles(again).values()) == 1, "the refused question, and what waited for it"


def test_a_run_whose_roles_are_not_answered_yet_is_told_who_lacks_what(desks: dict[str, Any], tmp_path: Path) -> None:
    run(written({**desks, "agents": {**desks["agents"], "archetypes": [{"name": "plain", "modalities": ["price"]}]}}, tmp_path))
    with pytest.raises(StoreError, match=r"archetype 'senior': role 'analyst' lacks \d+ texts"):
        fitting_scores(prepare(written(desks, tmp_path)), tmp_path / "store")


def test_roles_ask_models_of_their_own_and_one_model_is_asked_to_its_end(desks: dict[str, Any], tmp_path: Path) -> None:
    order: list[tuple[int, str]] = []

    class Telling(Noting):
        def answer(self, questions: Sequence[Question]) -> list[Answer]:
            order.extend((self.settings.seed, role_of(question)) for question in questions)
            return super().answer(questions)

    desks["models"] = {"chief": {"engine": "fake", "seed": 7}}
    desks["agents"]["archetypes"] = [{**DESK, "roles": {"head": {"model": "chief"}}}]
    found = run(written(desks, tmp_path), Telling)
    assert {role for seed, role in order if seed == 7} == {"senior head trader"}
    seeds = [seed for seed, _ in order]
    assert seeds == sorted(seeds), "the first model is asked all of its turns before the second takes its place"
    assert (found.scores.status() == Status.SCORED).all()


class Stopping(Noting):
    """Is interrupted when it has been asked a number of questions."""

    questions_at_once = 4
    after = 0

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        if len(self.asked) >= self.after:
            raise KeyboardInterrupt
        return super().answer(questions)


def test_stopped_anywhere_it_goes_on_without_asking_anything_again(desks: dict[str, Any], tmp_path: Path) -> None:
    desks["agents"]["archetypes"] = [DESK, JUNIOR]
    whole = run(written({**desks, "store": str(tmp_path / "whole")}, tmp_path))
    config = written(desks, tmp_path)
    for after in (1, 9, 17):
        stopping = type("At", (Stopping,), {"after": after})
        with pytest.raises(KeyboardInterrupt):
            run(config, stopping)
    resolver = opened(config)[0]
    kept = len(resolver.log)
    last = run(config)
    assert kept + len(last.asked) == len(whole.asked)
    np.testing.assert_array_equal(last.score, whole.score)


@pytest.mark.parametrize("count", [1, 3])
def test_parts_share_the_stocks_out_and_ask_all(desks: dict[str, Any], tmp_path: Path, count: int) -> None:
    config = written(desks, tmp_path)
    whole = run(written({**desks, "store": str(tmp_path / "whole")}, tmp_path))
    asked: list[Question] = []
    for number in range(1, count + 1):
        resolver, models, order = opened(config)
        making = at_hand(models, lambda settings: Noting(settings, asked))
        ask_everything(resolver, making, layout=order.layout, part=Part(number, count))
    assert sorted(question.key for question in asked) == sorted(question.key for question in whole.asked)


def test_an_unknown_model_of_a_role_is_told(desks: dict[str, Any], tmp_path: Path) -> None:
    desks["models"] = {"chief": {"engine": "fake", "seed": 7}}
    desks["agents"]["archetypes"] = [{**DESK, "roles": {"head": {"model": "cheif"}}}]
    with pytest.raises(ConfigError, match=r"role 'head' asks the model 'cheif', which is no entry of `models` \(there: chief\).*'chief'"):
        prepare(written(desks, tmp_path))


def test_a_plan_counts_questions_tokens_and_cost_by_role_before_anything_is_asked(desks: dict[str, Any], tmp_path: Path) -> None:
    desks["models"] = {"chief": {"engine": "fake", "seed": 7, "price_per_million_tokens": 2.0}}
    desks["scoring"]["price_per_million_tokens"] = 1.0
    desks["agents"]["archetypes"] = [DESK, {**JUNIOR, "roles": {"head": {"seniority": "junior", "model": "chief"}}}]
    config = written(desks, tmp_path)
    planned = pipeline.precompute(config, plan=True)
    assert isinstance(planned, Plan)
    assert not (tmp_path / "store").exists()
    found = run(config)
    asked = roles(found)
    names = ("analyst", "trader", "trader_reasons", "head", "head")
    said = ("analyst", "trader", "reasons", "senior head trader", "junior head trader")
    assert [(role.role, role.model) for role in planned.roles] == list(zip(names, ["", "", "", "", "chief"], strict=True))
    assert [role.open + role.later for role in planned.roles] == [asked[name] for name in said]
    assert [role.later for role in planned.roles][:2] == [0, asked["trader"]]
    assert planned.roles[0].written_tokens == 160 * asked["analyst"]
    assert [one.cost for one in planned.roles] == pytest.approx(
        [one.prompt_tokens * (2e-6 if one.model else 1e-6) for one in planned.roles]
    )
    table = planned.role_table()
    assert table is not None
    assert list(table.columns[0].cells)[-1] == "all"
    assert [example.role for example in planned.examples] == ["analyst"], "one prompt of the role, which both share"
    after = pipeline.precompute(config, plan=True)
    assert isinstance(after, Plan)
    assert sum(role.open + role.later for role in after.roles) == 0


def test_little_mass_on_a_decision_is_told_with_the_prefill_to_try(desks: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    class Evasive(Noting):
        def answer(self, questions: Sequence[Question]) -> list[Answer]:
            return [one if one.probability is None else one._replace(mass=0.12) for one in super().answer(questions)]

    found = run(written(desks, tmp_path), Evasive)
    assert found.written.roles == {
        ("trader", Decide(("long", "neither", "short"), "I choose: ")): pytest.approx(0.12, abs=1e-3),
        ("head", Decide(("Follow", "Not follow"), "I choose: ")): pytest.approx(0.12, abs=1e-3),
    }
    asked = Asked(found.tally, found.written, 0)
    conclude(asked, "store", Console(), Console(stderr=True, width=1000))
    warned = capsys.readouterr().err
    assert "role 'trader' put only 12% of its probability on long, neither, short, though its answer begins 'I choose: ':" in warned
    assert (
        "a prefill such as 'The answer is: ' or 'My decision, in one word: ' (roles: {head: {prefill: ...}}) may make it choose" in warned
    )


def test_decisions_with_too_little_mass_are_invalid(desks: dict[str, Any], tmp_path: Path) -> None:
    desks["scoring"]["minimum_coverage"] = 0.95
    found = run(written(desks, tmp_path))
    assert (found.scores.status() == Status.INVALID).all()
    assert found.written.unscored == {Reason.LOW_COVERAGE.value: found.score.size}
    assert set(roles(found)) == {"analyst", "trader"}, "nobody is asked whether he follows what was not decided"


def test_the_desks_of_the_repository_are_planned_by_role(tmp_path: Path) -> None:
    found = load_config(ROOT / "configs" / "desk.yaml", ["market.end=2022-02-01", f"store={tmp_path / 'store'}"])
    planned = pipeline.precompute(found, plan=True)
    assert isinstance(planned, Plan)
    counts = {(role.role, role.model): role.open + role.later for role in planned.roles}
    situations = counts["analyst", "qwen"]
    assert counts["score", "qwen"] == situations + 1
    assert (counts["head", "mistral"], counts["head", "qwen"]) == (situations, 4 * situations)
    assert counts["trader", "qwen"] == 4 * situations, "with facts or without, for a week and a year"
    assert {name for _, name in counts} == {"qwen", "mistral"}
    assert all(role.cost for role in planned.roles)
