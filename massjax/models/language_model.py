"""What is asked of a language model, whoever runs it: who are you, and what do you answer to these prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int

from massjax.models.answer import Answer
from massjax.models.failures import Failure
from massjax.models.question import Prompt, Question


class Answers(NamedTuple):
    """Answers to a batch of prompts.

    Attributes:
        logprobs: [B, C] natural-log probability of each choice as the next token, over the whole vocabulary; NaN = no answer.
        failures: row to why, for the rows without an answer.
        prompt_tokens: [B] tokens of each prompt.
        cached_tokens: [B] how many of them came from the prefix cache.
    """

    logprobs: Float[np.ndarray, "B C"]
    failures: Mapping[int, Failure]
    prompt_tokens: Int[np.ndarray, " B"]
    cached_tokens: Int[np.ndarray, " B"]


class Sampling(NamedTuple):
    """How a text is written: tokens at most, temperature (0 = the likeliest token each time), and seed above temperature 0."""

    max_tokens: int
    temperature: float
    seed: int


class Texts(NamedTuple):
    """Texts written for a batch of prompts.

    Attributes:
        texts: [B] None = no text.
        failures: row to why, for the rows without a text.
    """

    texts: Sequence[str | None]
    failures: Mapping[int, Failure]


class LanguageModel(Protocol):
    """A language model that answers a prompt by one forward pass, and writes texts.

    Attributes:
        prompts_at_once: a call with fewer prompts leaves it partly idle; a multiple of it keeps it busy to the end.
    """

    @property
    def prompts_at_once(self) -> int:
        """Prompts of one call that keep the model busy."""
        ...

    def identity(self) -> dict[str, str]:
        """Everything about the model that answers depend on: model weights, tokenizer, chat template, numerics, versions."""
        ...

    def load(self) -> None:
        """Load the model, if it is not; else the first to ask or write does, and its time counts as theirs."""
        ...

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        """Answer every prompt, in order. A prompt that cannot be answered is a failure of its row, not an error."""
        ...

    def write(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> Texts:
        """Write a text for every prompt, in order."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


class Answerer(Protocol):
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
