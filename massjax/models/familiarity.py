"""How familiar a prompt is to a model: Min-K %, the mean log-probability of its least likely tokens; as an answer, and read from one.

A text that a model was trained on has few tokens that surprise it, so that the mean over the k % most surprising ones is higher than that
of a text which it has never seen (Shi et al. 2023, "Detecting Pretraining Data from Large Language Models", arXiv 2310.16789, equation 1):

    Min-K %(x) = 1/E Σ log p(x_i | x_1, …, x_{i-1})   over the E = ⌊k/100 · N⌋, at least 1, of the N tokens whose log p is least.

At k = 20 it is the *lookahead propensity* of Gao, Jiang & Yan (arXiv 2512.23847). Logarithms are natural: every value is 0 or less, and
nearer to 0 is more familiar. It compares prompts of one model, not models.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from massjax.models.answer import Answer, unanswered
from massjax.models.failures import Reason
from massjax.models.forms import Familiar, canonical
from massjax.models.probabilities import ROUNDING, SENTINEL

DECIMALS = 6
"""Of a mean log-probability that are kept; engines compute them in 32 bits."""

Counted: TypeAlias = Literal["user", "prompt"]
"""Which tokens count: those of the user message; or, of a model whose tokenizer does not tell where these are, all but the first one."""


class Familiarity(NamedTuple):
    """How familiar one prompt is to a model.

    Attributes:
        means: Min-K % by k: the mean natural log-probability of the k % least likely tokens.
        tokens: how many tokens were counted; a mean is over k % of them, rounded down, at least one.
        counted: which these are.
    """

    means: dict[float, float]
    tokens: int
    counted: Counted


def min_k(logprobs: ArrayLike, percents: Sequence[float]) -> Float[np.ndarray, " P"]:
    """Min-K % of one text for each k: the mean of its k % least log-probabilities.

    Args:
        logprobs: natural log-probability of each of N tokens given those before it.
        percents: each k, above 0 and at most 100. ⌊k N / 100⌋ tokens are taken, at least one.

    Returns:
        float64 means, one for each k; a greater k has a greater mean or the same.

    Raises:
        ValueError: there are no tokens.

    Example:
        >>> min_k([-0.5, -8.0, -1.5, -4.0], [25, 50, 100]).tolist()
        [-8.0, -6.0, -3.5]
    """
    values = np.sort(np.asarray(logprobs, dtype=np.float64))
    if not len(values):
        raise ValueError("a text without tokens has no Min-K %")
    taken = [max(1, math.floor(len(values) * percent / 100 + 1e-9)) for percent in percents]
    return np.array([math.fsum(values[:count]) / count for count in taken])


def familiarity_answer(form: Familiar, logprobs: Sequence[float], counted: Counted) -> Answer:
    """The answer that the log-probabilities of a prompt's tokens make; a failure where they are none.

    Args:
        logprobs: of the tokens that count, as an engine or server told them, in any order.
        counted: which tokens these are.
    """
    if not len(logprobs):
        return unanswered(Reason.UNASKABLE, "no token of the prompt has a log-probability: its user message is empty")
    worst = next((value for value in logprobs if not SENTINEL < value <= ROUNDING), None)
    if worst is not None:
        return unanswered(Reason.IMPOSSIBLE, f"{worst:g} for a token of the prompt")
    means = np.maximum.accumulate(np.round(np.minimum(min_k(logprobs, form.percents), 0.0), DECIMALS))
    document = {"counted": counted, "means": (means + 0.0).tolist(), "percents": list(form.percents), "tokens": len(logprobs)}
    return Answer(text=canonical(document))


def familiarity_of(answer: Answer) -> Familiarity:
    """The familiarity that an answer of the form `familiar` holds.

    Raises:
        ValueError: it is no answer, or one of another form.

    Example:
        >>> from massjax.models.forms import Familiar
        >>> familiarity_of(familiarity_answer(Familiar((50.0, 100.0)), [-0.5, -3.5], "user"))
        Familiarity(means={50.0: -3.5, 100.0: -2.0}, tokens=2, counted='user')
    """
    if answer.failure is not None:
        raise ValueError(f"there is no answer: {answer.failure}")
    return read_familiarity(answer.text)


def read_familiarity(text: str | None) -> Familiarity:
    """The familiarity in the text of an answer.

    Raises:
        ValueError: it is none. The message follows the words "the answer".
    """
    try:
        document: Any = json.loads(text or "")
        means, percents, tokens, counted = (document[name] for name in ("means", "percents", "tokens", "counted"))
        found = dict(zip(map(float, percents), map(float, means), strict=True))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise ValueError("has no familiarity that can be read") from None
    values = [found[percent] for percent in sorted(found)]
    if len(found) != len(means) or not all(math.isfinite(value) and value <= 0 for value in values) or values != sorted(values):
        raise ValueError("has a familiarity whose means are no log-probabilities that rise with the percent")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1 or counted not in ("user", "prompt"):
        raise ValueError("has a familiarity of no tokens, or of it is not said which")
    return Familiarity(found, tokens, counted)


def misfit(form: Familiar, text: str | None) -> str | None:
    """What in a text cannot be the answer to this form; None where nothing is."""
    try:
        found = read_familiarity(text)
    except ValueError as error:
        return str(error)
    return None if tuple(found.means) == form.percents else "has a familiarity of other percents than were asked for"
