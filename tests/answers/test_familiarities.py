"""How familiar many prompts are, read from a log: every number in its row, why others have none, and nothing of another form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from massjax.answers.ask import ask_open
from massjax.answers.familiarities import familiarities
from massjax.answers.log import ANSWERED, UNKNOWN, AnswerLog
from massjax.errors import StoreError
from massjax.models.answer import Answer, unanswered
from massjax.models.failures import REASONS, Reason
from massjax.models.familiarity import familiarity_answer, familiarity_of
from massjax.models.forms import Familiar

from .asked import IDENTITY, MACHINE, RATE, Counting, answer, fill, keys, questions

FORM = Familiar((20.0, 100.0))


def test_every_prompt_has_its_numbers_or_why_it_has_none(tmp_path: Path) -> None:
    asked = questions(60, form=FORM)
    log = fill(AnswerLog(tmp_path), asked, batch=25)
    away = questions(1, start=100, form=FORM)
    log.append(IDENTITY, away, [unanswered(Reason.UNASKABLE, "the chat API")], MACHINE)
    whole = questions(1, start=200, form=FORM)
    log.append(IDENTITY, whole, [familiarity_answer(FORM, [-1.0, -2.0], "prompt")], MACHINE)
    wanted = [*reversed(asked), *away, *whole, *questions(2, start=900, form=FORM)]
    for seen in (log, AnswerLog(tmp_path)):
        found = familiarities(seen, keys(wanted), FORM)
        expected = [familiarity_of(answer(question)) for question in reversed(asked)]
        np.testing.assert_array_equal(found.means[:60], [list(one.means.values()) for one in expected])
        assert found.tokens.tolist() == [40] * 60 + [0, 2, 0, 0]
        assert found.of_user.tolist() == [True] * 60 + [False] * 4
        assert found.codes.tolist() == [ANSWERED] * 60 + [REASONS.index(Reason.UNASKABLE), ANSWERED, UNKNOWN, UNKNOWN]
        assert np.isnan(found.means[[60, 62, 63]]).all()
        assert found.means[61].tolist() == [-2.0, -1.5]
    assert familiarities(log, keys([]), FORM).means.shape == (0, 2)


def test_answers_of_another_form_are_refused(tmp_path: Path) -> None:
    rated, other = [questions(50, form=form) for form in (RATE, Familiar((20.0, 90.0)))]
    log = fill(AnswerLog(tmp_path), [*rated, *other])
    with pytest.raises(StoreError, match="has no familiarity that can be read; ask for questions of the form `familiar`"):
        familiarities(log, keys(rated), FORM)
    with pytest.raises(StoreError, match="an answer is not for 20, 100 %; ask for questions of one form at a time"):
        familiarities(log, keys(other), FORM)


def test_what_is_no_familiarity_is_not_written_and_is_asked_again(tmp_path: Path) -> None:
    asked = questions(2, form=FORM)
    with pytest.raises(StoreError, match="has no familiarity that can be read; nothing of its batch was written"):
        AnswerLog(tmp_path).append(IDENTITY, asked, [Answer(text="a guess")] * 2, MACHINE)

    class Guessing(Counting):
        def answer(self, questions: object) -> list[Answer]:
            return [Answer(text='{"means":[-2.0]}')] * 2

    log = AnswerLog(tmp_path)
    assert ask_open(log, Guessing(), asked).answered == 0
    assert log.failed == 2
    assert ask_open(log, Counting(), asked).answered == 2
    assert (familiarities(AnswerLog(tmp_path), keys(asked), FORM).codes == ANSWERED).all()
