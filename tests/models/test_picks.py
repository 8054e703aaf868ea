"""Labels, orders and draws: no item is lost or doubled, and draws follow Plackett–Luce."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from massjax.models.forms import Pick
from massjax.models.picks import generator, labelled, shuffled, taken
from massjax.models.scored import scored

LOGPROBS = np.log([0.05, 0.4, 0.15, 0.2])


def test_lines_are_labelled_in_the_order_that_is_told() -> None:
    texts = [f"stock {n}" for n in range(30)]
    found = labelled(texts, seed=7)
    assert sorted(found.order) == list(range(30))
    assert found.order != tuple(range(30))
    assert found.lines[0] == f"A. stock {found.order[0]}"
    assert found.lines[26] == f"a. stock {found.order[26]}"
    assert labelled(texts, seed=7) == found
    assert labelled(texts, seed=8).order != found.order


def test_an_order_never_changes() -> None:
    """Stored questions hold it."""
    assert shuffled(8, 0) == (1, 0, 4, 3, 5, 2, 7, 6)


def test_every_item_stands_at_every_place_as_often() -> None:
    places = np.array([np.argsort(shuffled(4, seed)) for seed in range(4000)])
    counts = np.stack([np.bincount(places[:, item], minlength=4) for item in range(4)])
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000 * 0.75)


def test_the_likeliest_are_taken_and_equal_ones_by_label() -> None:
    random = generator(bytes(16))
    assert taken(LOGPROBS, 3, 0.0, random) == (1, 3, 2)
    assert taken(np.log([0.2, 0.3, 0.3, 0.1]), 2, 0.0, random) == (1, 2)
    assert taken(LOGPROBS, 2, 0.0, random, left=[0, 2]) == (2, 0)
    assert taken(np.array([-np.inf, -1.0, -np.inf]), 3, 1.0, random) == (1, 0, 2)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_draws_follow_plackett_luce(temperature: float) -> None:
    weights = np.exp(LOGPROBS / temperature)
    weights /= weights.sum()
    draws = 20000
    found = [taken(LOGPROBS, 2, temperature, generator(n.to_bytes(16, "little"))) for n in range(draws)]
    for first, second in permutations(range(4), 2):
        expected = weights[first] * weights[second] / (1 - weights[first])
        share = found.count((first, second)) / draws
        assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / draws)


def test_probabilities_and_picks_are_those_of_the_items() -> None:
    form = Pick(("w", "x", "y", "z"), (3, 1, 0, 2), 2)
    answer = scored(form, LOGPROBS, generator(bytes(16)))
    assert answer.picks == (1, 2)
    np.testing.assert_allclose(np.array(answer.probability)[[3, 1, 0, 2]], np.exp(LOGPROBS) / 0.8, rtol=1e-3)
    assert answer.mass == pytest.approx(0.8, abs=1e-3)
