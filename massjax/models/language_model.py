"""Who answers questions, whatever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from massjax.models.answer import Answer
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

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer every question, in order, whatever mixture of forms they are. One that cannot be answered is a failure of its answer.

        Raises:
            ModelError: nothing can be asked at all: the model does not load, the server is not there or refuses every request.
        """
        ...

    def close(self) -> None:
        """Free the model."""
        ...
