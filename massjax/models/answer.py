"""What comes back to a question."""

from __future__ import annotations

from typing import NamedTuple

from massjax.models.failures import Failure


class Answer(NamedTuple):
    """What a model said, or why it did not."""

    probability: tuple[float, ...] | None = None
    mass: float = float("nan")
    picks: tuple[int, ...] | None = None
    text: str | None = None
    failure: Failure | None = None
    finish_reason: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    seconds: float = 0.0
