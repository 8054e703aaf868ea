"""What comes back to a question."""

from __future__ import annotations

import math
from typing import NamedTuple

from massjax.models.failures import Failure, Reason


class Answer(NamedTuple):
    """The answer to one question, or why there is none.

    Attributes:
        probability: of a `rate` or `decide`, of each choice; of a `pick`, of each item as the first one picked (in the order of the
            form's `items`); renormalised, float16. None without an answer and of a text.
        mass: probability that the model put on the choices or labels at all, before renormalising; where a server tells only its
            likeliest tokens, at least this much. NaN of a text.
        picks: of a `pick`, numbers of the items picked, the first first.
        text: of a `write`; of a `familiar`, JSON that `massjax.models.familiarity.familiarity_of` reads.
        failure: why there is no answer; None where there is one.
        finish_reason: why a text ended (`stop`, `length`); empty where nothing was said.
        prompt_tokens, cached_tokens, written_tokens: tokens read, how many of them from the cache, and tokens written, over all passes.
        seconds: share of the time that the call took.
    """

    probability: tuple[float, ...] | None = None
    mass: float = math.nan
    picks: tuple[int, ...] | None = None
    text: str | None = None
    failure: Failure | None = None
    finish_reason: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    seconds: float = 0.0


def unanswered(reason: Reason, words: str = "") -> Answer:
    """No answer, and why."""
    return Answer(failure=Failure(reason, words))
