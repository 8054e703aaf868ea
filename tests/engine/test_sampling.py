"""Finite agents: what they attend to, what they pick, and how they converge."""

from __future__ import annotations

from itertools import combinations, permutations

import jax
import numpy as np
import pytest

from massjax.engine import sample_agents, sampling
from massjax.errors import ConfigError, DataError

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(0)
    scores = rng.random((3, 12, 2)).astype(np.float32)
    scores[0, 3] = np.nan
    return scores, rng.random((12, 2)) < 0.9


def plackett_luce(scores, watchlist, picks, temperature):
    """Exact share of attending agents that pick each stock, by enumeration."""
    stocks = len(scores)
    picked, looked = np.zeros(stocks), np.zeros(stocks)
    for watched in combinations(range(stocks), watchlist):
        looked[list(watched)] += 1
        for order in permutations(watched, picks):
            strength = np.exp(scores / temperature)
            left, chance = list(watched), 1.0
            for n in order:
                chance *= strength[n] / strength[left].sum()
                left.remove(n)
            picked[list(order)] += chance
    return picked / looked


@pytest.mark.parametrize("method", ["shifts", "sort"])
def test_shares_converge_to_the_plackett_luce_choice(monkeypatch, method):
    monkeypatch.setattr(sampling, "SHIFT_SCAN_UP_TO", 512 if method == "shifts" else 1)
    jax.clear_caches()
    scores = np.array([0.1, 0.9, 0.4, 0.5, 0.3])
    expected = plackett_luce(scores, watchlist=3, picks=2, temperature=0.3)
    panel = scores[None, :, None], np.ones((5, 1), bool)
    shares = sample_agents(*panel, 40_000, watchlist=3, picks=2, temperature=0.3, key=KEY)
    np.testing.assert_allclose(shares[0, :, 0], expected, atol=0.015)


def test_variance_falls_as_one_over_the_agents(panel):
    def draws(agents):
        sampled = [sample_agents(*panel, agents, watchlist=6, picks=2, temperature=0.5, key=jax.random.key(seed)) for seed in range(60)]
        seen = ~np.isnan(sampled).all(axis=0)
        return np.nanvar(np.stack(sampled)[:, seen], axis=0).mean()

    assert draws(20) / draws(320) == pytest.approx(16, rel=0.25)


def test_each_agent_picks_as_many_as_it_may(panel):
    scores, _ = panel
    everyone = np.ones(scores.shape[1:], bool)
    one = np.asarray(sample_agents(np.nan_to_num(scores), everyone, 1, watchlist=6, picks=2, temperature=0.2, key=KEY))
    assert (~np.isnan(one)).sum(axis=1).tolist() == [[6, 6]] * 3
    assert np.nansum(one, axis=1).tolist() == [[2, 2]] * 3


def test_absent_and_unscored_stocks_are_never_attended(panel):
    scores, member = panel
    shares = np.asarray(sample_agents(scores, member, 500, watchlist=6, picks=2, temperature=0.2, key=KEY))
    np.testing.assert_array_equal(np.isnan(shares), np.isnan(scores) | ~member[None])


def test_temperature_zero_picks_the_top_and_ties_by_lot():
    scores = np.array([0.2, 0.8, 0.8, 0.8, 0.1])[None, :, None]
    member = np.ones((5, 1), bool)
    shares = np.asarray(sample_agents(scores, member, 9_000, watchlist=5, picks=2, temperature=0, key=KEY))[0, :, 0]
    assert shares[[0, 4]].tolist() == [0, 0]
    np.testing.assert_allclose(shares[1:4], 2 / 3, atol=0.03)


@pytest.mark.parametrize("attention", ["industry", "size"])
def test_watch_lists_are_balanced_over_groups(attention):
    groups = np.array([0] * 8 + [1] * 3 + [2])
    scores = np.random.default_rng(0).random((1, 12, 1))
    attend = {"watchlist": 6, "picks": 6, "temperature": 1.0, "attention": attention, "groups": groups}
    seen = []
    for seed in range(20):
        one = np.asarray(sample_agents(scores, np.ones((12, 1), bool), 1, key=jax.random.key(seed), **attend))[0, :, 0]
        seen.append(~np.isnan(one))
    counts = np.array([[watched[groups == g].sum() for g in range(3)] for watched in seen])
    assert (counts.sum(axis=1) == 6).all()
    assert (counts[:, 2] == 1).all()
    assert set(map(tuple, counts[:, :2])) <= {(3, 2), (2, 3)}
    assert np.mean(seen, axis=0)[:8].min() > 0


def test_agents_differ_by_archetype(panel):
    shares = np.asarray(sample_agents(*panel, [0, 1, 50], watchlist=6, picks=2, temperature=0.2, key=KEY))
    assert np.isnan(shares[0]).all()
    assert set(np.unique(shares[1][~np.isnan(shares[1])])) <= {0.0, 1.0}
    assert len(np.unique(shares[2])) > 5


def test_chunks_hold_the_memory_and_not_the_law(panel, monkeypatch):
    monkeypatch.setattr(sampling, "CHUNK_NUMBERS", 12 * 16)
    jax.clear_caches()
    small = sample_agents(*panel, 5_000, watchlist=6, picks=2, temperature=0.3, key=KEY)
    monkeypatch.undo()
    jax.clear_caches()
    whole = sample_agents(*panel, 5_000, watchlist=6, picks=2, temperature=0.3, key=KEY)
    np.testing.assert_allclose(small, whole, atol=0.06)


def test_choice_probabilities_are_read_as_expected_choices():
    probabilities = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.2, 0.6, 0.2]])[None, :, None, :]
    np.testing.assert_allclose(sampling.expected_score(probabilities)[0, :, 0], [1.0, 0.0, 0.5], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"picks": 7}, ConfigError, "1 <= picks <= watchlist"),
        ({"temperature": -1.0}, ConfigError, "temperature"),
        ({"attention": "randm"}, ConfigError, "did you mean 'random'"),
        ({"attention": "industry"}, DataError, "give groups"),
        ({"attention": "size", "groups": np.zeros(3, int)}, DataError, "12 whole numbers"),
        ({"agents": [1, 2]}, ConfigError, "agents_per_archetype"),
        ({"agents": 2.5}, ConfigError, "agents_per_archetype"),
    ],
)
def test_bad_settings_are_named(panel, changes, error, message):
    settings = {"agents": 1, "watchlist": 6, "picks": 2, "temperature": 0.5, "key": KEY} | changes
    with pytest.raises(error, match=message):
        sample_agents(*panel, settings.pop("agents"), **settings)
