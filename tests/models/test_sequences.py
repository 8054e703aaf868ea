"""Choices of several tokens: their probabilities are those that a model with a known table gives to texts, exclusive and exact."""

from __future__ import annotations

import hashlib
from itertools import product

import numpy as np
import pytest

from massjax.errors import ModelError
from massjax.models.sequences import Pass, Tokens, passes, sequence_logprobs

VOCABULARY = 6


def table(after: Tokens) -> np.ndarray:
    """Next-token probabilities of a model of six tokens, by what was said."""
    seed = int.from_bytes(hashlib.blake2b(repr(after).encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(seed).dirichlet(np.ones(VOCABULARY))


def said(after: Tokens) -> float:
    return float(np.prod([table(after[:length])[token] for length, token in enumerate(after)]))


def asked(spellings: tuple[tuple[Tokens, ...], ...]) -> np.ndarray:
    found = {one.after: {token: float(np.log(table(one.after)[token])) for token in one.wanted} for one in passes(spellings)}
    return np.exp(sequence_logprobs(spellings, found))


def test_one_pass_reads_choices_of_one_token_in_all_their_spellings() -> None:
    spellings = (((1,), (4,)), ((2,),))
    assert passes(spellings) == (Pass((), (1, 4, 2)),)
    np.testing.assert_allclose(asked(spellings), [said((1,)) + said((4,)), said((2,))], rtol=1e-12)


def test_a_trie_has_a_pass_for_every_context_that_goes_on() -> None:
    spellings = (((1, 2, 3),), ((1, 2, 4),), ((1, 5),), ((3,),))
    assert passes(spellings) == (Pass((), (1, 3)), Pass((1,), (2, 5)), Pass((1, 2), (3, 4)))
    np.testing.assert_allclose(asked(spellings), [said(choice[0]) for choice in spellings], rtol=1e-12)


def test_the_beginning_of_another_choice_is_said_where_the_other_does_not_follow() -> None:
    """Enumerated: of all texts of four tokens, those that begin with one choice and with no longer one."""
    spellings = (((1,),), ((1, 0),), ((1, 0, 5),), ((2,),))
    counted = np.zeros(4)
    for text in product(range(VOCABULARY), repeat=4):
        longest = max(
            (c for c in range(4) if text[: len(spellings[c][0])] == spellings[c][0]), key=lambda c: len(spellings[c][0]), default=None
        )
        if longest is not None:
            counted[longest] += said(text)
    np.testing.assert_allclose(asked(spellings), counted, rtol=1e-10)


def test_all_continuations_leave_nothing_to_the_beginning() -> None:
    spellings = (((1,),), *(((1, token),) for token in range(VOCABULARY)))
    found = asked(spellings)
    assert found[0] < 1e-12
    np.testing.assert_allclose(found.sum(), said((1,)), rtol=1e-12)


@pytest.mark.parametrize("spellings", [(((1, 2),), ((1, 2),)), (((1,), (2,)), ((2,),)), (((),), ((1,),))])
def test_choices_of_the_same_tokens_are_refused(spellings: tuple[tuple[Tokens, ...], ...]) -> None:
    with pytest.raises(ModelError, match="the same tokens"):
        passes(spellings)
