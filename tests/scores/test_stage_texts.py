"""Stages before the score: texts are written once, kept, resumed, and enter the later prompts; replicas differ by theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.answers.files import keys_of
from massjax.errors import ConfigError, StoreError
from massjax.models.answer import Answer, unanswered
from massjax.models.failures import Reason
from massjax.models.forms import Rate, Write
from massjax.models.question import Question
from massjax.scores.asking import Part, ask_everything
from massjax.scores.fitting import fitting_scores
from massjax.scores.inputs import prepare
from massjax.scores.status import Status
from tests.scores.asking import Noting, Run, at_hand, opened, run
from tests.small_store import written

STRATEGY = {"name": "strategy", "scope": "archetype", "instruction": "Write your strategy in two sentences.", "temperature": 0.8}
NOTE = {"name": "analyst_note", "instruction": "Write a note for the trader in one sentence.", "max_tokens": 40}
ADVISED = {"name": "advised", "modalities": ["price"], "protocol": "staged", "stages": ["strategy", "analyst_note"]}


@pytest.fixture
def staged(small: dict[str, Any]) -> dict[str, Any]:
    small["market"]["end"] = "2022-06-07"
    small["agents"] |= {"stages": [STRATEGY, NOTE], "archetypes": [{"name": "plain", "modalities": ["price"]}, ADVISED]}
    return small


def texts_of(found: Run | Sequence[Question]) -> list[Question]:
    asked = found.asked if isinstance(found, Run) else found
    return [question for question in asked if isinstance(question.form, Write)]


def rated(found: Run) -> list[Question]:
    return [question for question in found.asked if isinstance(question.form, Rate)]


def test_texts_are_written_once_and_enter_the_prompts(staged: dict[str, Any], tmp_path: Path) -> None:
    found = run(written(staged, tmp_path))
    facts = len(found.prompts("plain"))
    assert len(texts_of(found)) == 1 + facts
    assert len(rated(found)) == facts + len(found.prompts("advised")) + 2
    kinds = [question.form.kind for question in found.asked]
    assert kinds.index("rate") < len(kinds) - kinds[::-1].index("write"), "archetypes without stages wait for none"
    assert (found.scores.status() == Status.SCORED).all()
    system, user = found.prompts("advised")[0]
    assert "Your strategy: noise " in system
    assert '\n  "noise ' in user
    assert "analyst note" in user
    assert "noise" not in "".join(found.prompts("plain")[0])
    log, stages = found.resolver.log, found.resolver.conversation(found.archetype("advised"), 7, 2)
    assert [title for title, _ in stages] == ["stage strategy", "stage analyst_note", "score", "calibration: the same without facts"]
    strategy, note = (log.recorded(question.key) for _, question in stages[:2])
    assert strategy is not None
    assert note is not None
    assert f"Your strategy: {strategy.answer.text}" in stages[1][1].prompt.system, "the note is written by who has the strategy"
    assert f'"{note.answer.text}"' in stages[2][1].prompt.user
    assert "analyst note: N/A" in stages[3][1].prompt.user
    assert run(written(staged, tmp_path)).asked == []


def test_what_comes_after_a_stage_changes_without_it(staged: dict[str, Any], tmp_path: Path) -> None:
    first = run(written(staged, tmp_path))
    before = first.prompts("advised")
    staged["agents"]["archetypes"].append({**ADVISED, "name": "strategist", "stages": ["strategy"]})
    found = run(written(staged, tmp_path))
    assert not texts_of(found)
    assert len(rated(found)) == len(found.prompts("strategist")) + 1
    assert found.prompts("advised") == before
    staged["agents"]["stages"][1] = {**NOTE, "instruction": "Write a warning."}
    with pytest.raises(StoreError, match=r"the setting stages.*archetype 'advised': stage 'analyst_note' lacks \d+ texts"):
        fitting_scores(prepare(written(staged, tmp_path)), tmp_path / "store")
    found = run(written(staged, tmp_path))
    assert len(texts_of(found)) == len(texts_of(first)) - 1
    assert found.prompts("advised")[0].system == before[0].system
    assert {question.prompt.system for question in rated(found)} == {before[0].system}, "of the one archetype that has this stage"


def test_replicas_differ_by_their_strategy(staged: dict[str, Any], tmp_path: Path) -> None:
    staged["agents"] |= {"archetypes": [], "grid": {"modalities": [["price"]], "replicas": 3, "stages": ["strategy"]}}
    found = run(written(staged, tmp_path))
    assert len(texts_of(found)) == 3
    assert len({found.prompts(name)[0].system for name in found.scores.archetypes}) == 3
    assert len({question.form for question in texts_of(found)}) == 3, "each replica draws with a seed of its own"
    assert not np.array_equal(found.score[:, 0], found.score[:, 1])
    staged["agents"]["grid"]["replicas"] = 4
    assert len(texts_of(run(written(staged, tmp_path)))) == 1, "a further replica leaves the others as they are"
    staged["agents"]["stages"] = [{**STRATEGY, "temperature": 0.0}]
    assert len(texts_of(run(written(staged, tmp_path)))) == 1, "the likeliest text is the same for all"


def test_a_stage_asks_a_model_of_its_own(staged: dict[str, Any], tmp_path: Path) -> None:
    order: list[tuple[int, str]] = []

    class Telling(Noting):
        def answer(self, questions: Sequence[Question]) -> list[Answer]:
            order.extend((self.settings.seed, question.form.kind) for question in questions)
            return super().answer(questions)

    staged["models"] = {"writer": {"engine": "fake", "seed": 7}}
    staged["agents"]["stages"][0] = {**STRATEGY, "model": "writer"}
    found = run(written(staged, tmp_path), Telling)
    assert [kind for seed, kind in order if seed == 7] == ["write"]
    assert {kind for seed, kind in order if seed == 0} == {"write", "rate"}
    assert (found.scores.status() == Status.SCORED).all()
    staged["models"]["writer"]["seed"] = 8
    order.clear()
    run(written(staged, tmp_path), Telling)
    assert [kind for seed, kind in order if seed == 8] == ["write"]
    assert len([kind for _, kind in order if kind == "write"]) == 1 + len(found.prompts("plain")), "another strategy, other notes"


class Stopping(Noting):
    questions_at_once = 5

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        if len(texts_of(self.asked)) >= 6:
            raise KeyboardInterrupt
        return super().answer(questions)


def test_stopped_between_texts_it_goes_on_without_writing_one_again(staged: dict[str, Any], tmp_path: Path) -> None:
    config = written(staged, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(config, Stopping)
    resolver = opened(config)[0]
    kept = len(resolver.log)
    open_texts = resolver.turn(next(one for one in resolver.inputs.asking if one.name == "advised"))
    assert (open_texts.asks, open_texts.stage) == (None, "analyst_note")
    found = run(config)
    assert set(texts_of(found)) == set(open_texts.questions)
    assert kept + len(found.asked) == len(found.resolver.log)


class Refusing(Noting):
    """Refuses the first of several texts, or every text."""

    questions_at_once = 1000
    every = False

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        answers = super().answer(questions)
        texts = [row for row, question in enumerate(questions) if isinstance(question.form, Write)]
        for row in texts if self.every else texts[: len(texts) > 1]:
            answers[row] = unanswered(Reason.REFUSED)
        return answers


class RefusingAll(Refusing):
    every = True


def test_a_text_that_cannot_be_had_costs_its_own_cells_and_is_asked_again_by_the_next_run(staged: dict[str, Any], tmp_path: Path) -> None:
    config = written(staged, tmp_path)
    found = run(config, Refusing)
    advised, status = found.archetype("advised"), found.scores.status()
    k = found.scores.archetypes.index("advised")
    refused = next(question for question in texts_of(found)[1:] if not found.resolver.log.known(keys_of([question])).any())
    lost = found.resolver.asks(advised).lost.T > 0
    assert lost.any()
    assert not lost.all()
    np.testing.assert_array_equal(status[:, k] == Status.FAILED, lost)
    assert (np.delete(status, k, axis=1) == Status.SCORED).all(), "the others are whole"
    assert found.written.unscored == {Reason.REFUSED.value: int(lost.sum())}
    assert len(found.prompts("advised")) == len(rated(found)) - len(found.prompts("plain")) - 2
    assert np.isnan(fitting_scores(prepare(config), tmp_path / "store").score()[:, k][lost]).all()
    again = run(config)
    assert texts_of(again) == [refused]
    assert (again.scores.status() == Status.SCORED).all()
    assert set(rated(again)).isdisjoint(rated(found)), "what was scored is not asked again"
    assert run(config).asked == []


def test_an_archetype_without_its_strategy_has_no_score_and_stops_no_other(staged: dict[str, Any], tmp_path: Path) -> None:
    found = run(written(staged, tmp_path), RefusingAll)
    k = found.scores.archetypes.index("advised")
    assert (found.scores.status()[:, k] == Status.FAILED).all()
    assert (np.delete(found.scores.status(), k, axis=1) == Status.SCORED).all()
    assert len(texts_of(found)) == 1, "no note is asked for"
    titles = [title for title, _ in found.resolver.conversation(found.archetype("advised"), 0, 0)]
    assert titles == ["stage strategy"]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_parts_ask_all_once_and_an_archetype_with_stages_stays_whole(staged: dict[str, Any], tmp_path: Path, count: int) -> None:
    config = written(staged, tmp_path)
    whole = run(written({**staged, "store": str(tmp_path / "whole")}, tmp_path))
    asked: list[list[Question]] = []
    for number in range(1, count + 1):
        resolver, models, order = opened(config)
        part: list[Question] = []
        making = at_hand(models, lambda settings, part=part: Noting(settings, part))
        ask_everything(resolver, making, layout=order.layout, part=Part(number, count))
        asked.append(part)
    assert sorted(question.key for part in asked for question in part) == sorted(question.key for question in whole.asked)
    systems = {prompt.system for prompt in whole.prompts("advised")}
    assert sum(any(question.prompt.system in systems for question in part) for part in asked) == 1


@pytest.mark.parametrize(
    ("agents", "words"),
    [
        ({"archetypes": [{"name": "a", "modalities": ["price"], "protocol": "staged", "stages": ["stratgy"]}]}, "did you mean 'strategy'"),
        ({"archetypes": [{"name": "a", "modalities": ["price"], "stages": ["strategy"]}]}, "set protocol: staged"),
        ({"archetypes": [{"name": "a", "modalities": ["price"], "protocol": "staged"}]}, "needs the names of its stages"),
        ({"stages": [STRATEGY, STRATEGY]}, "the same name"),
        ({"stages": [{**STRATEGY, "name": "a b"}]}, "letters, digits"),
    ],
)
def test_wrong_stages_are_told(staged: dict[str, Any], tmp_path: Path, agents: dict[str, Any], words: str) -> None:
    staged["agents"] |= agents
    with pytest.raises(ConfigError, match=words):
        written(staged, tmp_path)
