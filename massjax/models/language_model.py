"""Who answers questions, whatever runs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from massjax.models.answer import Answer
from massjax.models.forms import Familiar, Write
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


Way: TypeAlias = Callable[[list[Question]], list[Answer]]
"""Answers questions that are asked in the same way, in order."""


def one_way_after_another(questions: Sequence[Question], read: Way, familiar: Way, write: Way) -> list[Answer]:
    """Answer every question, in order, each with its share of the seconds.

    Args:
        questions: of all forms.
        read: answers those of which probabilities of choices are read; first.
        familiar: answers those about the prompt itself; then.
        write: answers those to be written; last.
    """
    answers: dict[int, Answer] = {}
    ways: dict[Way, list[int]] = {read: [], familiar: [], write: []}
    for row, question in enumerate(questions):
        ways[write if isinstance(question.form, Write) else familiar if isinstance(question.form, Familiar) else read].append(row)
    for way, rows in ways.items():
        answers |= dict(zip(rows, timed(way, [questions[row] for row in rows]), strict=True))
    return [answers[row] for row in range(len(questions))]


def timed(ask: Callable[[list[Question]], list[Answer]], questions: list[Question]) -> list[Answer]:
    """Answers to some questions, each with its share of the seconds that they took; nothing is asked where there are none."""
    if not questions:
        return []
    began = time.monotonic()
    found = ask(questions)
    share = (time.monotonic() - began) / len(questions)
    return [answer._replace(seconds=share) for answer in found]
