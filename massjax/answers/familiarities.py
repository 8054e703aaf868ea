"""How familiar many prompts are, from the log: Min-K % of each as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt64

from massjax.answers.log import ANSWERED, UNKNOWN, AnswerLog
from massjax.errors import StoreError
from massjax.models.failures import REASONS, reason_of
from massjax.models.familiarity import read_familiarity
from massjax.models.forms import Familiar


class Familiarities(NamedTuple):
    """How familiar Q prompts are to a model, at each of P percents.

    Attributes:
        means: mean natural log-probability of the k % least likely tokens, float64; NaN where there is no answer.
        tokens: how many tokens were counted; 0 where there is no answer.
        of_user: whether these are the tokens of the user message, not those of the whole prompt.
        codes: `ANSWERED`, `UNKNOWN`, or the place in `massjax.models.failures.REASONS` of why there is no answer.
    """

    means: Float[np.ndarray, "Q P"]
    tokens: Int[np.ndarray, " Q"]
    of_user: Bool[np.ndarray, " Q"]
    codes: UInt8[np.ndarray, " Q"]


def familiarities(log: AnswerLog, keys: UInt64[np.ndarray, "Q 2"], form: Familiar) -> Familiarities:
    """What the log has of how familiar some prompts are.

    Ask for all keys at once: each file that has some of them is read once a call.

    Args:
        log: with the answers.
        keys: of questions of this form (`massjax.models.question.question_keys`).
        form: how they were asked.

    Raises:
        StoreError: an answer is not one to this form.
    """
    count = len(keys)
    found = Familiarities(
        np.full((count, len(form.percents)), np.nan), np.zeros(count, np.int64), np.zeros(count, bool), np.full(count, UNKNOWN, np.uint8)
    )
    for rows, frame in log.rows(keys, ("text", "reason")):
        for row, text, reason in zip(rows.tolist(), frame["text"], frame["reason"], strict=True):
            if reason is not None:
                found.codes[row] = REASONS.index(reason_of(reason))
                continue
            try:
                one = read_familiarity(text)
            except ValueError as error:
                raise StoreError(f"{log.place}: the answer {error}; ask for questions of the form `familiar`") from None
            if tuple(one.means) != form.percents:
                asked = ", ".join(f"{percent:g}" for percent in form.percents)
                raise StoreError(f"{log.place}: an answer is not for {asked} %; ask for questions of one form at a time")
            found.means[row], found.tokens[row] = list(one.means.values()), one.tokens
            found.of_user[row], found.codes[row] = one.counted == "user", ANSWERED
    return found
