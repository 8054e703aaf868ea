"""The loop that asks: each question once, in the order that shares most, flushed in time, and nothing lost on the way out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from massjax.answers import ask
from massjax.answers.ask import LONGEST_CALL, MOST_UNFLUSHED, OLDEST_UNFLUSHED, Tally, ask_open, sharing_order
from massjax.answers.log import AnswerLog
from massjax.errors import ModelError, StoreError
from massjax.models.answer import Answer
from massjax.models.forms import Write
from massjax.models.question import Prompt, Question

from .asked import MODEL, RATE, Counting, answer, fill, keys, questions


class Slow(Counting):
    """Takes some seconds of a clock of its own for each question."""

    def __init__(self, seconds: float, at_once: int = 8) -> None:
        super().__init__()
        self.seconds, self.questions_at_once, self.clock, self.calls = seconds, at_once, 0.0, list[int]()

    def now(self) -> float:
        return self.clock

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        self.calls.append(len(questions))
        self.clock += self.seconds * len(questions)
        return super().answer(questions)


def test_every_open_question_is_asked_once_in_the_order_that_shares_most(tmp_path: Path) -> None:
    asked = questions(200)
    log = fill(AnswerLog(tmp_path), asked[::3])
    known = set(asked[::3]) - {question for question in asked if answer(question).failure is not None}
    model, told = Counting(), list[tuple[int, int]]()
    shuffled = random.Random(0).sample(asked * 2, 400)
    tally = ask_open(log, model, shuffled, progress=lambda *done: told.append(done))
    assert model.asked == sorted(set(asked) - known, key=lambda question: question.prompt)
    assert (tally.asked, tally.asked - tally.answered) == (len(model.asked), tally.reasons.total())
    assert told[0] == (0, len(model.asked))
    assert told[-1] == (len(model.asked), len(model.asked))
    assert tally.prompt_tokens == sum(answer(question).prompt_tokens for question in model.asked)
    failures = [question for question in asked if answer(question).failure is not None]
    again = Counting()
    ask_open(AnswerLog(tmp_path), again, asked)
    assert set(again.asked) == set(failures), "a failure is asked again by another run"


def test_forms_follow_one_another_and_prompts_of_one_form_are_sorted() -> None:
    rates, texts = questions(9), questions(9, form=Write(5))
    assert sharing_order([*texts, *rates, *texts]) == [*sorted(rates, key=lambda q: q.prompt), *sorted(texts, key=lambda q: q.prompt)]


@pytest.mark.parametrize(("seconds", "at_once"), [(0.001, 64), (0.1, 8), (1.0, 8), (20.0, 4), (0.5, 256)])
def test_no_answer_waits_longer_than_it_may(tmp_path: Path, seconds: float, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, flushed = Slow(seconds, at_once), list[tuple[float, int]]()
    keep = AnswerLog.keep

    def kept(log: AnswerLog, identity: dict[str, str], asked: list[object], machine: str) -> None:
        flushed.append((model.clock, len(asked)))
        keep(log, identity, asked, machine)  # type: ignore[arg-type]

    monkeypatch.setattr(AnswerLog, "keep", kept)
    ask_open(AnswerLog(tmp_path), model, questions(3000 if seconds < 10 else 60), now=model.now)
    times = [0.0, *(time for time, _ in flushed)]
    longest = max(after - before for before, after in pairwise(times))
    assert longest <= max(OLDEST_UNFLUSHED, seconds * at_once), "only of the first call the time is not known"
    assert max(after - before for before, after in pairwise(times[1:])) <= OLDEST_UNFLUSHED
    assert max(count for _, count in flushed) <= MOST_UNFLUSHED
    whole = [count for count in model.calls[1:-1] if count >= at_once]
    assert all(count % at_once == 0 for count in whole)
    if seconds * at_once * 4 <= 15:
        assert len(whole) == len(model.calls[1:-1])


class Writing(Slow):
    """Hands its answers over one by one; writing some takes as long as writing as many as it can at once."""

    def answer(self, questions: Sequence[Question]) -> Iterator[Answer]:  # type: ignore[override]
        self.calls.append(len(questions))
        for start in range(0, len(questions), self.questions_at_once):
            self.clock += self.seconds
            some = questions[start : start + self.questions_at_once]
            self.asked += some
            yield from map(answer, some)


@pytest.mark.parametrize(("seconds", "at_once"), [(0.5, 8), (40.0, 8), (7.0, 64)])
def test_texts_are_written_to_the_log_as_they_come(tmp_path: Path, seconds: float, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, flushed, told = Writing(seconds, at_once), list[tuple[float, int]](), list[int]()
    keep = AnswerLog.keep

    def kept(log: AnswerLog, identity: dict[str, str], asked: list[Any], machine: str) -> None:
        flushed.append((model.clock, len(asked)))
        keep(log, identity, asked, machine)

    monkeypatch.setattr(AnswerLog, "keep", kept)
    asked = questions(1000, form=Write(5))
    tally = ask_open(AnswerLog(tmp_path), model, asked, now=model.now, progress=lambda done, total: told.append(done))
    assert (tally.asked, tally.answered, tally.seconds) == (1000, 1000, model.clock)
    assert len(model.asked) == len(set(model.asked)) == 1000
    assert min(model.calls[:-1]) >= at_once, "a call with fewer would leave the model idle"
    assert max(model.calls) * seconds / at_once <= max(LONGEST_CALL, seconds)
    assert told == sorted(told)
    assert told[-1] == 1000
    assert len(told) >= 1000
    oldest = max(after - before for (before, _), (after, _) in pairwise([(0.0, 0), *flushed]))
    assert oldest <= max(OLDEST_UNFLUSHED, 2 * seconds)


def test_texts_that_came_are_kept_when_the_model_fails_while_it_writes(tmp_path: Path) -> None:
    class Failing(Writing):
        def answer(self, questions: Sequence[Question]) -> Iterator[Answer]:  # type: ignore[override]
            for number, one in enumerate(super().answer(questions)):
                if number == 5:
                    raise KeyboardInterrupt
                yield one

    with pytest.raises(KeyboardInterrupt):
        ask_open(AnswerLog(tmp_path), Failing(1.0), questions(20, form=Write(5)))
    assert len(AnswerLog(tmp_path)) == 5


def test_what_came_back_is_kept_when_the_model_fails_or_the_run_is_stopped(tmp_path: Path) -> None:
    for number, error in enumerate((ModelError("the server went away"), KeyboardInterrupt(), RuntimeError("bug"))):

        class Failing(Counting):
            def answer(self, questions: Sequence[Question], error: BaseException = error) -> list[Answer]:
                if len(self.asked) >= 16:
                    raise error
                return super().answer(questions)

        model, path = Failing(), tmp_path / str(number)
        with pytest.raises(type(error)):
            ask_open(AnswerLog(path), model, questions(100))
        log = AnswerLog(path)
        assert len(log) + log.failed == len(model.asked) >= 16


def test_what_another_process_answers_meanwhile_is_not_asked(tmp_path: Path) -> None:
    asked = sharing_order(questions(100))

    class Overtaken(Counting):
        def answer(self, questions: Sequence[Question]) -> list[Answer]:
            if not self.asked:
                fill(AnswerLog(tmp_path), asked[30:])
            return super().answer(questions)

    model = Overtaken()
    tally = ask_open(AnswerLog(tmp_path), model, asked)
    overtaken = [question for question in asked[30:] if answer(question).failure is None]
    assert tally.others == len(overtaken)
    assert set(model.asked) == set(asked) - set(overtaken)
    assert AnswerLog(tmp_path).known(keys(overtaken)).all()
    assert AnswerLog(tmp_path).disagreements() == 0


def test_another_model_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path)
    fill(log, questions(3))

    class Another(Counting):
        def identity(self) -> dict[str, str]:
            return {"engine": "fake", "seed": "1"}

    model = Another()
    with pytest.raises(ModelError, match=r"of another model .*seed: 0 / 1"):
        ask_open(log, model, questions(9, start=90))
    assert model.asked == []


def test_an_answer_that_cannot_be_one_is_a_failure_and_costs_no_other(tmp_path: Path) -> None:
    asked = sharing_order([question for question in questions(60) if answer(question).failure is None])

    class Broken(Counting):
        def answer(self, questions: Sequence[Question]) -> list[Answer]:
            return [
                said if question != asked[3] else said._replace(mass=float("inf"))
                for question, said in zip(questions, super().answer(questions), strict=True)
            ]

    log = AnswerLog(tmp_path)
    tally = log.ask(Broken(), asked)
    assert tally.words == {"log-probabilities that cannot be": "has a mass outside 0 to 1"}
    assert log.known(keys(asked)).tolist() == [number != 3 for number in range(len(asked))]
    assert set(map(len, log.frames())) == {len(asked)}


def test_nothing_open_loads_nothing_and_writes_nothing(tmp_path: Path) -> None:
    class Unloadable(Counting):
        def load(self) -> None:
            raise ModelError("was loaded")

    asked = [question for question in questions(30) if answer(question).failure is None]
    log = fill(AnswerLog(tmp_path / "log"), asked)
    assert log.ask(Unloadable(), asked) == Tally()
    assert AnswerLog(tmp_path / "none").ask(Unloadable(), []) == Tally()
    assert not (tmp_path / "none").exists()


def test_a_log_that_cannot_be_written_is_found_out_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    log, model = AnswerLog(tmp_path / "log"), Counting()
    log.place.path = tmp_path / "file" / "log"  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="a part of the path is a file"):
        ask_open(log, model, questions(3))
    assert model.asked == []


def test_a_prompt_of_two_models_is_two_questions(tmp_path: Path) -> None:
    one, other = Question(MODEL, Prompt("s", "u"), RATE), Question("0" * 32, Prompt("s", "u"), RATE)
    log = fill(AnswerLog(tmp_path), [one])
    assert log.known(keys([one, other])).tolist() == [answer(one).failure is None, False]


def test_tallies_of_workers_add_up() -> None:
    whole = Tally()
    part = Tally(asked=3, answered=2, seconds=0.5, prompt_tokens=90, cached_tokens=30, words={"another reason": "x"})
    part.reasons["another reason"] = 1
    for _ in range(2):
        whole.include(part.document())
    assert (whole.asked, whole.answered, whole.seconds, whole.reasons["another reason"]) == (6, 4, 1.0, 2)
    assert whole.cached == pytest.approx(1 / 3)
    assert ask._next_size(8, questions(8), 0.0, 8) == 32


def test_calls_of_slow_texts_do_not_shrink_below_a_part_of_what_keeps_the_model_busy(tmp_path: Path) -> None:
    class Waiting(Slow):
        """Takes as long for all questions of a call as for one, and hands them over together."""

        def answer(self, questions: Sequence[Question]) -> list[Answer]:
            self.calls.append(len(questions))
            self.clock += self.seconds
            return Counting.answer(self, questions)

    model = Waiting(20.0, 64)
    ask_open(AnswerLog(tmp_path), model, questions(500, form=Write(5)), now=model.now)
    assert min(model.calls[:-1]) >= 64 // ask.BUSY_PARTS


def test_the_fake_model_answers_all_forms_through_the_log(tmp_path: Path) -> None:
    from massjax.models.fake import Fake
    from massjax.models.forms import Decide, Pick
    from massjax.models.identity import identity_digest
    from massjax.models.settings import ModelSettings

    model = Fake(ModelSettings(engine="fake"))
    forms = (RATE, Decide(("buy", "sell")), Pick(("A", "B", "C"), (1, 0, 2), 2), Write(20), Write(20, schema='{"type":"object"}'))
    asked = [question for form in forms for question in questions(6, form=form, model=identity_digest(model.identity()))]
    tally = AnswerLog(tmp_path).ask(model, asked)
    assert (tally.asked, tally.answered) == (30, 30)
    kept, again = AnswerLog(tmp_path).answers(keys(asked)), model.answer(asked)
    assert [(said.picks, said.text) for said in kept if said is not None] == [(said.picks, said.text) for said in again]
    assert AnswerLog(tmp_path).ask(model, asked) == Tally()
