"""Choices as sequences of tokens: which passes tell their probabilities, and what these come to.

A pass is a context and the tokens whose log-probabilities after it are wanted. Choices of one token take one pass. Choices of several make
a trie, with a pass for every context that a choice goes on from; all passes of a question begin with its prompt, which the prefix cache
keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from massjax.errors import ModelError

Tokens: TypeAlias = tuple[int, ...]
Spellings: TypeAlias = tuple[tuple[Tokens, ...], ...]
"""Of every choice, the sequences of tokens that spell it."""


class Pass(NamedTuple):
    """What the model is to have said already, and the tokens of which the log-probability is wanted then, in order."""

    after: Tokens
    wanted: Tokens


def passes(spellings: Spellings) -> tuple[Pass, ...]:
    """The passes that choices need, that after nothing first.

    Raises:
        ModelError: two choices are spelled by the same tokens.
    """
    sequences = [sequence for choice in spellings for sequence in choice]
    if len(set(sequences)) != len(sequences) or not all(sequences):
        raise ModelError("two choices are spelled by the same tokens of this model; use other choices")
    wanted: dict[Tokens, list[int]] = {(): []}
    for sequence in sequences:
        for length in range(len(sequence)):
            tokens = wanted.setdefault(sequence[:length], [])
            if sequence[length] not in tokens:
                tokens.append(sequence[length])
    return tuple(Pass(after, tuple(tokens)) for after, tokens in sorted(wanted.items(), key=lambda item: (len(item[0]), item[0])))


def sequence_logprobs(spellings: Spellings, found: Mapping[Tokens, Mapping[int, float]]) -> Float[np.ndarray, " C"]:
    """Log-probability of each choice: of a sequence the sum over its tokens, of a choice the probabilities of its sequences added.

    A sequence with which another begins ("1", "10") counts as said where none of its continuations follows: its probability is
    P(sequence) (1 - sum of P(continuation | sequence)). So the choices exclude each other, and their probabilities add up to 1 at most.

    Args:
        found: of every pass, the log-probability of each token wanted after what it names.
    """
    totals = np.full(len(spellings), -np.inf)
    for number, choice in enumerate(spellings):
        for sequence in choice:
            value = sum(found[sequence[:length]][token] for length, token in enumerate(sequence))
            if sequence in found:
                value += _log_of_rest(list(found[sequence].values()))
            totals[number] = np.logaddexp(totals[number], value)
    return totals


def _log_of_rest(logprobs: Sequence[float]) -> float:
    """Log of 1 minus the sum of probabilities, which rounding may take above 1."""
    taken = float(np.exp(np.asarray(logprobs, dtype=np.float64)).sum())
    return float(np.log1p(-taken)) if taken < 1.0 else -np.inf
