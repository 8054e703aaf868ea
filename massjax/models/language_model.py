"""Who answers questions, whatever runs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from massjax.models.answer import Answer
from massjax.models.forms import Write
from massjax.models.question import Question


class LanguageModel(Protocol):
    """A language model that answers questions of all forms.

    Attributes:
        questions_at_once: a call with fewer questions leaves it partly idle; a multiple of it keeps it busy to the end.
    """

    @property
    def questions_at_once(self) -> int:
        """Questions of one call that keep the model busy."""
        ...

    def identity(self) -> dict[str, str]:
        """Everything about the model that answers depend on: files, engine, numerics; what `known_identity` tells and more."""
        ...

    def load(self) -> None:
        """Load the model, if it is not; else the first call does, and its time counts as that call's."""
        ...

    def answer(self, questions: Sequence[Question]) -> Iterable[Answer]:
        """Answer every question, in order, whatever mixture of forms they are. One that cannot be answered is a failure of its answer.

        Returns:
            A list of all; or an iterator, whose answers come as soon as they are there, while others are still being written.

        Raises:
            ModelError: nothing can be asked at all: the model does not load, the server is not there or refuses every request.
        """
        ...

    def close(self) -> None:
        """Free the model."""
        ...


def probabilities_first(
    questions: Sequence[Question], read: Callable[[list[Question]], list[Answer]], write: Callable[[list[Question]], list[Answer]]
) -> list[Answer]:
    """Answer every question, in order, each with its share of the seconds: first all whose probabilities are read, then all texts."""
    answers: dict[int, Answer] = {}
    texts = [row for row, question in enumerate(questions) if isinstance(question.form, Write)]
    others = [row for row, question in enumerate(questions) if not isinstance(question.form, Write)]
    for rows, ask in ((others, read), (texts, write)):
        answers |= dict(zip(rows, timed(ask, [questions[row] for row in rows]), strict=True))
    return [answers[row] for row in range(len(questions))]


def timed(ask: Callable[[list[Question]], list[Answer]], questions: list[Question]) -> list[Answer]:
    """Answers to some questions, each with its share of the seconds that they took; nothing is asked where there are none."""
    if not questions:
        return []
    began = time.monotonic()
    found = ask(questions)
    share = (time.monotonic() - began) / len(questions)
    return [answer._replace(seconds=share) for answer in found]
