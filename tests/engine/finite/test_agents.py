"""Finite agents: what they attend to, what they pick, how they converge, and that they are the same agents however they are drawn."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import combinations, permutations, product
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from massjax.engine.finite import agents as sampling
from massjax.engine.finite.agents import draw_agents, sample_agents
from massjax.errors import ConfigError, DataError
from massjax.testing import count_compilations

KEY = jax.random.key(0)
UNLIKELY = 1e-4


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(0)
    scores = rng.random((3, 12, 2)).astype(np.float32)
    scores[0, 3] = np.nan
    return scores, rng.random((12, 2)) < 0.9


def lone_agents(scores, agents, key=KEY, **how):
    """What each of many agents of one archetype does, one row an agent: the same cross-section on as many dates, one agent on each."""
    many = np.repeat(np.asarray(scores, np.float32)[None, :, None], agents, axis=2)
    drawn = draw_agents(many, np.ones(many.shape[1:], bool), 0, 1, key=key, **how)
    return np.asarray(drawn.looked)[0].T, np.asarray(drawn.picked)[0].T


def plackett_luce_sets(scores, watched, picks, temperature):
    """Exact probability of each set of picks from a watch list."""
    strength = np.exp(np.asarray(scores) / temperature)
    chances: Counter[tuple[int, ...]] = Counter()
    for order in permutations(watched, picks):
        left, chance = list(watched), 1.0
        for n in order:
            chance *= strength[n] / strength[left].sum()
            left.remove(n)
        chances[tuple(sorted(order))] += chance
    return chances


def chi_square(counts, chances):
    """P-value of counts of outcomes under exact chances; outcomes of chance 0 must not occur."""
    assert set(counts) <= set(chances)
    assert sum(chances.values()) == pytest.approx(1)
    total = sum(counts.values())
    return stats.chisquare([counts[outcome] for outcome in chances], [total * float(chance) for chance in chances.values()]).pvalue


def as_set(row):
    return tuple(np.flatnonzero(row))


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_watch_lists_and_picks_follow_their_joint_law(temperature):
    scores, watchlist, picks = [0.1, 0.9, 0.4, 0.5, 0.3], 3, 2
    looked, picked = lone_agents(scores, 40_000, watchlist=watchlist, picks=picks, temperature=temperature)
    lists = list(combinations(range(5), watchlist))
    chances = {
        (watched, chosen): chance / len(lists)
        for watched in lists
        for chosen, chance in plackett_luce_sets(scores, watched, picks, temperature).items()
    }
    counts = Counter((as_set(seen), as_set(taken)) for seen, taken in zip(looked, picked, strict=True))
    assert chi_square(counts, chances) > UNLIKELY


def test_temperature_zero_takes_the_top_of_each_watch_list_and_ties_by_lot():
    scores = np.array([0.2, 0.8, 0.8, 0.8, 0.1, 0.5])
    looked, picked = lone_agents(scores, 20_000, watchlist=4, picks=2, temperature=0.0)
    for seen, taken in zip(looked[:500] == 1, picked[:500] == 1, strict=True):
        np.testing.assert_array_equal(np.sort(scores[taken]), np.sort(scores[seen])[-2:])
    tied = (looked[:, 1:4] == 1).all(axis=1)
    chances = {pair: Fraction(1, 3) for pair in combinations((1, 2, 3), 2)}
    assert chi_square(Counter(map(as_set, picked[tied])), chances) > UNLIKELY


def test_balanced_watch_lists_follow_their_law():
    """Groups of 4, 2 and 1 stocks, 5 watched: 2 of the first and 2 of the second always, and the only one of the third."""
    groups, sizes = np.array([0, 1, 0, 2, 0, 1, 0]), {0: 4, 1: 2, 2: 1}
    for watchlist in (2, 4, 5, 6):
        looked, _ = lone_agents(np.zeros(7), 6_000, watchlist=watchlist, picks=1, temperature=1.0, watchlists="industry", groups=groups)
        assert chi_square(Counter(map(as_set, looked)), balanced_law(groups, sizes, watchlist)) > UNLIKELY


def balanced_law(groups, sizes, watchlist):
    """Exact chance of each watch list: groups give a stock in turn, those of the last, unfinished turn are drawn evenly."""
    rounds = max(r for r in range(watchlist + 1) if sum(min(size, r) for size in sizes.values()) <= watchlist)
    quota = {group: min(size, rounds) for group, size in sizes.items()}
    more = [group for group, size in sizes.items() if size > rounds]
    turns = list(combinations(more, min(watchlist, len(groups)) - sum(quota.values())))
    law: Counter[tuple[int, ...]] = Counter()
    for longer in turns:
        counts = {group: quota[group] + (group in longer) for group in sizes}
        lists = [combinations(np.flatnonzero(groups == group).tolist(), counts[group]) for group in sizes]
        chance = Fraction(1, len(turns))
        for group, size in sizes.items():
            chance /= comb(size, counts[group])
        for parts in product(*lists):
            law[tuple(sorted(n for part in parts for n in part))] += chance
    return law


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    watchlist=st.integers(1, 16),
    picks=st.integers(1, 16),
    agents=st.lists(st.integers(0, 70), min_size=3, max_size=3),
    balanced=st.booleans(),
    temperature=st.sampled_from([0.0, 1e-6, 0.1, 100.0]),
)
def test_every_agent_watches_and_picks_as_many_as_it_may(seed, watchlist, picks, agents, balanced, temperature):
    rng = np.random.default_rng(seed)
    scores = np.where(rng.random((3, 12, 2)) < 0.2, np.nan, rng.integers(0, 4, (3, 12, 2)) / 3).astype(np.float32)
    member = rng.random((12, 2)) < rng.choice([0.0, 0.5, 1.0])
    how = {"watchlists": "size", "groups": rng.permutation([0] * 6 + [1] * 3 + [2] * 2 + [3])} if balanced else {}
    picks = min(picks, watchlist)
    drawn = draw_agents(scores, member, 0, np.array(agents), watchlist=watchlist, picks=picks, temperature=temperature, key=KEY, **how)
    looked, picked = np.asarray(drawn.looked), np.asarray(drawn.picked)
    eligible = member[None] & ~np.isnan(scores)
    members = eligible.sum(axis=1)
    np.testing.assert_array_equal(looked.sum(axis=1), np.array(agents)[:, None] * np.minimum(watchlist, members))
    np.testing.assert_array_equal(picked.sum(axis=1), np.array(agents)[:, None] * np.minimum(picks, members))
    assert (looked[~eligible] == 0).all()
    assert (picked <= looked).all()
    if not balanced:
        return
    for group in np.unique(how["groups"]):
        inside = how["groups"] == group
        others = [eligible[:, how["groups"] == other].sum(axis=1) for other in np.unique(how["groups"])]
        full = sum(np.minimum(other, watchlist) for other in others) <= watchlist
        everyone = np.array(agents)[:, None] * eligible[:, inside].sum(axis=1)
        np.testing.assert_array_equal(looked[:, inside].sum(axis=1)[full], everyone[full])


def test_the_variance_is_the_binomial_one_and_falls_as_one_over_the_agents():
    scores = np.random.default_rng(3).random((1, 12, 1)).astype(np.float32)
    member, replications = np.ones((12, 400), bool), 400
    many = np.repeat(scores, replications, axis=2)
    how = {"watchlist": 6, "picks": 2, "temperature": 0.3}
    limit = np.asarray(sample_agents(scores, member[:, :1], 400_000, key=jax.random.key(1), **how))[0, :, 0]
    agents = np.array([16, 64, 256, 1024, 4096])
    variance = []
    for count in agents:
        shares = np.asarray(sample_agents(many, member, int(count), key=KEY, **how))[0]
        variance.append(((shares - limit[:, None]) ** 2).mean(axis=1))
        looked = stats.binom(count, 0.5)
        every = np.arange(1, count + 1)
        expected = limit * (1 - limit) * (looked.pmf(every) / every).sum()
        assert np.mean(variance[-1] / expected) == pytest.approx(1, abs=0.1)
    slope = stats.linregress(np.log(agents), np.log(np.mean(variance, axis=1)))
    assert slope.slope == pytest.approx(-1, abs=0.04)


def test_more_agents_are_the_same_agents_and_others(panel):
    how = {"watchlist": 6, "picks": 2, "temperature": 0.4, "key": KEY}
    whole = draw_agents(*panel, 0, 1000, **how)
    pieces = draw_agents(*panel, 0, 37, **how) + draw_agents(*panel, 37, np.array([500, 37, 1000]), **how)
    pieces += draw_agents(*panel, np.array([500, 37, 1000]), 1000, **how)
    jax.tree.map(np.testing.assert_array_equal, pieces, whole)
    np.testing.assert_array_equal(whole.shares(), sample_agents(*panel, 1000, **how))
    alone = draw_agents(*panel, 0, np.array([0, 1000, 0]), **how)
    np.testing.assert_array_equal(alone.looked[1], whole.looked[1])


@pytest.mark.parametrize("numbers", [1, 1 << 20])
def test_the_size_of_the_chunks_changes_nothing(panel, monkeypatch, numbers):
    how = {"watchlist": 6, "picks": 2, "temperature": 0.3, "key": KEY}
    expected = sample_agents(*panel, 3_000, **how)
    monkeypatch.setattr(sampling, "CHUNK_NUMBERS", {jax.default_backend(): numbers})
    np.testing.assert_array_equal(sample_agents(*panel, 3_000, **how), expected)


def test_groups_may_be_named_by_any_numbers_and_stocks_stand_in_any_order(panel):
    scores, member = panel
    groups = np.array([5, 900, 5, 5, 900, 7, 7, 5, 900, 5, 7, 7])
    how = {"watchlist": 7, "picks": 3, "temperature": 0.0, "watchlists": "industry", "key": KEY}
    first = sample_agents(scores, member, 20_000, groups=groups, **how)
    order = np.random.default_rng(5).permutation(12)
    second = np.asarray(sample_agents(scores[:, order], member[order], 20_000, groups=groups[order] // 2, **how))
    np.testing.assert_allclose(second, np.asarray(first)[:, order], atol=0.03)


def test_absent_and_unscored_stocks_are_never_attended(panel):
    scores, member = panel
    shares = np.asarray(sample_agents(scores, member, 500, watchlist=6, picks=2, temperature=0.2, key=KEY))
    np.testing.assert_array_equal(np.isnan(shares), np.isnan(scores) | ~member[None])


@pytest.mark.parametrize("watchlist", [5, 100])
def test_a_watch_list_longer_than_the_members_holds_them_all(watchlist):
    looked, picked = lone_agents([0.1, 0.9, 0.4, 0.5, 0.3], 50, watchlist=watchlist, picks=5, temperature=0.1)
    assert (looked == 1).all()
    assert (picked == 1).all()


def test_a_date_without_members_an_archetype_without_scores_and_no_agents_give_nan(panel):
    scores, member = np.array(panel[0]), np.array(panel[1])
    member[:, 1], scores[2] = False, np.nan
    shares = np.asarray(sample_agents(scores, member, np.array([0, 50, 50]), watchlist=6, picks=2, temperature=0.2, key=KEY))
    assert np.isnan(shares[[0, 2]]).all()
    assert np.isnan(shares[:, :, 1]).all()
    np.testing.assert_array_equal(np.isnan(shares[1, :, 0]), ~member[:, 0])


@pytest.mark.parametrize("shape", [(2, 0, 3), (2, 4, 0)])
def test_an_empty_panel_gives_an_empty_answer(shape):
    shares = sample_agents(np.zeros(shape), np.ones(shape[1:], bool), 5, watchlist=6, picks=2, temperature=0.2, key=KEY)
    assert shares.shape == shape


def test_choice_probabilities_are_read_as_expected_choices():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), (2, 9, 3))
    member = np.ones((9, 3), bool)
    how = {"watchlist": 6, "picks": 2, "temperature": 0.2, "key": KEY}
    by_score = sample_agents(probabilities @ np.linspace(0, 1, 5), member, 200, **how)
    np.testing.assert_allclose(sample_agents(probabilities, member, 200, **how), by_score, atol=0.011)
    with pytest.raises(DataError, match="at least two choices"):
        sample_agents(probabilities[..., :1], member, 200, **how)


def test_one_compilation_serves_every_setting_and_number_of_agents(panel):
    how, key = {"watchlist": 6, "picks": 2, "temperature": 0.3}, jax.random.key(9)
    sample_agents(*panel, 10, key=KEY, **how).block_until_ready()
    with count_compilations() as compiled:
        for agents, watchlist, picks, temperature in ((1, 5, 1, 0.0), (70, 12, 12, 1.0), (100_000, 3, 2, 0.5)):
            how = {"watchlist": watchlist, "picks": picks, "temperature": temperature}
            sample_agents(*panel, agents, key=key, **how).block_until_ready()
    assert compiled() == 0


def test_memory_is_bounded_by_the_chunk():
    """A year of 16 archetypes and 50 stocks takes a few megabytes beside its scores, whatever the number of agents."""
    shape = (16, 50, 243)
    arrays = [jax.ShapeDtypeStruct(s, d) for s, d in ((shape, jnp.float32), (shape[1:], bool), ((16,), jnp.int32), ((16,), jnp.int32))]
    how = sampling._Numbers(*(jax.ShapeDtypeStruct((), d) for d in (jnp.int32, jnp.int32, jnp.float32)))
    compiled = sampling._draw.lower(*arrays, how, jax.ShapeDtypeStruct((50,), jnp.int32), KEY, 1, sampling._blocks(50)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 32e6


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"picks": 7}, ConfigError, "1 <= picks <= watchlist"),
        ({"picks": 0}, ConfigError, "picks=0: expected a whole number >= 1"),
        ({"temperature": -1.0}, ConfigError, "temperature"),
        ({"temperature": 1e-9}, ConfigError, "at least 1e-06"),
        ({"temperature": np.nan}, ConfigError, "temperature"),
        ({"watchlists": "randm"}, ConfigError, "did you mean 'random'"),
        ({"watchlists": "industry"}, DataError, "give groups"),
        ({"watchlists": "size", "groups": np.zeros(3, int)}, DataError, "12 whole numbers"),
        ({"watchlists": "size", "groups": -np.ones(12, int)}, DataError, "12 whole numbers"),
        ({"agents": [1, 2]}, ConfigError, "agents_per_archetype"),
        ({"agents": 2.5}, ConfigError, "agents_per_archetype"),
        ({"agents": -1}, ConfigError, "agents_per_archetype"),
        ({"agents": 2**40}, ConfigError, "too many"),
    ],
)
def test_bad_settings_are_named(panel, changes, error, message):
    settings = {"agents": 1, "watchlist": 6, "picks": 2, "temperature": 0.5, "key": KEY} | changes
    with pytest.raises(error, match=message):
        sample_agents(*panel, settings.pop("agents"), **settings)


def test_groups_that_nobody_looks_at_are_refused() -> None:
    with pytest.raises(ConfigError, match="groups are given, and watchlists='random' looks at none"):
        sample_agents(
            np.zeros((1, 4, 1)), np.ones((4, 1), bool), 2, watchlist=2, picks=1, temperature=0.0, key=jax.random.key(0), groups=[0, 0, 1, 1]
        )
