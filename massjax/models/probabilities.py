"""From log-probabilities of the choice tokens to choice probabilities, their mass and the expected score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike


class ChoiceProbabilities(NamedTuple):
    """Answers as distributions over the choices.

    Attributes:
        probability: [B, C] renormalised over the choices; float16, as stored, so that a score never depends on whether it was stored.
        mass: [B] probability that the model put on the choices at all.
    """

    probability: Float[np.ndarray, "B C"]
    mass: Float[np.ndarray, " B"]


ROUNDING = 0.01
"""By how much log-probabilities may exceed 0, and probabilities add up to more than 1, in what a model or server computes."""

SENTINEL = -9000.0
"""Servers and vLLM write about -9999 for minus infinity: no token has a log-probability this low."""


def impossible(logprobs: Float[np.ndarray, "B C"]) -> Bool[np.ndarray, " B"]:
    """Rows that are no log-probabilities of different tokens: NaN or above 0 somewhere, or adding up to more than 1, beyond rounding."""
    values = np.asarray(logprobs, dtype=np.float64)
    with np.errstate(over="ignore"):
        total = np.exp(np.minimum(values, 1.0)).sum(axis=1)
    return ~((values <= ROUNDING).all(axis=1) & (total <= 1.0 + ROUNDING))


def log_sums(found: Iterable[tuple[int, float]], choices: int) -> Float[np.ndarray, " C"]:
    """Log-probability of each choice from those of its tokens, as (choice, log-probability) pairs; minus infinity without a token."""
    sums = np.full(choices, -np.inf)
    for number, value in found:
        sums[number] = np.logaddexp(sums[number], value)
    return sums


def choice_probabilities(logprobs: Float[np.ndarray, "B C"]) -> ChoiceProbabilities:
    """Renormalise full-vocabulary log-probabilities over the choices; rows that are `impossible`, or without any choice, are NaN."""
    logprobs = np.array(logprobs, dtype=np.float64)
    logprobs[impossible(logprobs) | (logprobs <= SENTINEL).all(axis=1)] = np.nan
    top = np.max(logprobs, axis=1, keepdims=True, initial=-np.inf)
    relative = np.exp(logprobs - top)
    probability = relative / relative.sum(axis=1, keepdims=True)
    mass = np.minimum(np.exp(top[:, 0]) * relative.sum(axis=1), 1.0)
    return ChoiceProbabilities(probability.astype(np.float16), mass.astype(np.float16))


SMALLEST_PRIOR = 1e-6
"""A content-free answer is taken to give every choice at least this probability."""


def calibrated(
    probability: Float[np.ndarray, "*B C"], prior: ArrayLike | None, dtype: type[np.floating] = np.float64
) -> Float[np.ndarray, "*B C"]:
    """Divide by the choice probabilities of a content-free prompt and renormalise (Zhao et al. 2021, arXiv 2102.09690, eq. 2).

    Args:
        prior: choice probabilities of the content-free prompt, all positive; None only renormalises the stored answers.
        dtype: numbers that are computed in.
    """
    raw = np.asarray(probability, dtype=dtype)
    weighted = raw if prior is None else raw / np.asarray(prior, dtype=dtype)
    return weighted / weighted.sum(axis=-1, keepdims=True)


def expected_score(probability: Float[np.ndarray, "*B C"]) -> Float[np.ndarray, "*B"]:
    """The expected choice scaled to [0, 1]: 0 = certainly the first (worst) choice, 1 = certainly the last (best)."""
    ladder = np.linspace(0.0, 1.0, probability.shape[-1])
    return np.clip(np.asarray(probability, dtype=np.float64) @ ladder, 0.0, 1.0).astype(np.float32)
