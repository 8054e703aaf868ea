"""The default estimator: exact against float64, nothing of the future, defined whatever the scores are."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies
from scipy.optimize import nnls

import massjax as mj
from massjax.engine import blocks
from massjax.engine.blocks import MovedStocks
from massjax.search import Posterior, settings_from_mapping
from massjax.search.posterior import prepare, weights_by_date, weights_by_draw
from massjax.search.posterior.candidates import SKILLS, candidate_mean, draw_candidates
from massjax.search.posterior.epochs import TOGETHER, epoch_starts, map_epochs, pieces
from massjax.search.posterior.evidence import known_before, probability_better
from massjax.search.posterior.optimum import best_mix
from massjax.search.posterior.skill import PERSISTENCE, POWERS, SPREAD, prior_variances, read_filter, start_filter, update_filter
from massjax.search.posterior.terms import serial_inflation
from massjax.search.posterior.weights import daily_statistics, rank_returns
from massjax.search.posterior.windowed import window_sums
from massjax.testing import count_compilations
from tests.conftest import ROOT
from tests.search import posterior_reference as slow

ARCHETYPES, STOCKS, DATES, GAP, HORIZON = 5, 12, 60, 3, 2
SIGNALS = ["mean", "combined", "disagreement"]


def world(seed=0, dates=DATES):
    """Scores [K, N, T] of which the first knows something of the returns [N, T]; both lie on the device."""
    random = np.random.default_rng(seed)
    returns = random.normal(size=(STOCKS, dates)).astype(np.float32)
    scores = random.normal(size=(ARCHETYPES, STOCKS, dates)).astype(np.float32)
    scores[0] += returns
    return scores, returns


def weigh(scores, returns, member=None, lookback=None, signal="mean", **options):
    member = np.ones(returns.shape, bool) if member is None else member
    ready = prepare(jnp.asarray(scores), jnp.asarray(member), lags=2 * HORIZON, signal=signal, **options)
    return weights_by_date(ready, jnp.asarray(returns), gap=GAP, horizon=HORIZON, lookback=lookback)


def is_distribution(weights):
    return np.isfinite(weights).all() and (weights >= 0).all() and np.allclose(np.sum(weights, axis=-1), 1, atol=1e-5)


# --- exact against a slow reference


def test_the_filter_is_that_of_float64_matrices():
    random = np.random.default_rng(1)
    root = random.normal(size=(4, 9))
    correlation = root @ root.T / 9
    values, vectors = np.linalg.eigh(correlation)
    direction = np.array([0.3, 0.5, 0.2, 0.4])
    observed = 0.1 * random.normal(size=(30, 4)) + 0.05
    state = start_filter(jnp.asarray(values, jnp.float32))
    for seen in observed:
        arrays = (jnp.asarray(a, jnp.float32) for a in (seen @ vectors, values / 20, 1.0, direction @ vectors))
        state = update_filter(state, *arrays)
    found = vectors @ np.asarray(read_filter(state, jnp.asarray(direction @ vectors, jnp.float32), 7))
    expected = slow.filtered(observed, np.repeat(correlation[None] / 20, 30, 0), correlation, direction, 7)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-6)


def test_skill_is_each_archetypes_own_or_goes_with_what_they_share():
    """Both priors give an archetype the same spread on average; they differ in where along the eigenvectors it lies."""
    values = np.array([0.2, 0.8, 2.0], np.float32)
    own, shared = np.asarray(prior_variances(jnp.asarray(values))).reshape(len(SPREAD), len(POWERS), 3).swapaxes(0, 1)
    np.testing.assert_allclose(own, np.repeat(SPREAD[:, None] ** 2, 3, 1), rtol=1e-6)
    np.testing.assert_allclose(shared, SPREAD[:, None] ** 2 * np.array([0.04, 0.64, 4.0]) / 1.56, rtol=1e-5)


def test_an_unknown_date_moves_nothing_but_time():
    one = jnp.ones(2)
    state = start_filter(one)
    seen = update_filter(state, 0.1 * one, 0.01 * one, jnp.float32(1), one)
    later = update_filter(seen, 9.0 * one, 0.01 * one, jnp.float32(0), one)
    np.testing.assert_array_equal(later.square, seen.square)
    np.testing.assert_allclose(later.mean, np.asarray(seen.mean) * PERSISTENCE[:, None, None], rtol=1e-6)


def test_a_window_is_weighed_by_hierarchical_bayes():
    """With independent days a fixed look-back is hierarchical Bayes on the mean daily rank correlation, and nothing else."""
    scores, returns = world()
    lookback, date = 20, 40
    member = np.ones(returns.shape, bool)
    ready = prepare(jnp.asarray(scores), jnp.asarray(member), lags=1)
    found = weights_by_date(ready, jnp.asarray(returns), gap=GAP, horizon=1, lookback=lookback).skill[date]
    epoch = int(np.searchsorted(epoch_starts(DATES), date, side="right")) - 1
    now = jax.tree.map(lambda v: np.asarray(v[epoch], float), ready.correlations)
    window = slice(date - GAP - lookback, date - GAP)
    ranks = np.stack([slow.unit_ranks(scores[..., t]) for t in range(DATES)])
    returned = slow.unit_ranks(returns.T)
    daily = np.einsum("tkn,tn->tk", ranks, returned)
    mix = now.spread / now.spread.sum()
    direction = now.matrix @ mix / np.sqrt(mix @ now.matrix @ mix)
    level = slow.hierarchical_bayes(daily[window].mean(axis=0), now.matrix / (STOCKS - 1) / lookback, now.matrix, direction)
    np.testing.assert_allclose(found, level, rtol=0.02, atol=1e-3)  # the filter goes on one date, over which skills may fade


def test_scores_that_follow_prices_are_not_taken_for_skill():
    """A reversal score knows nothing of independent returns to come; overlap lets a difference of ranks see what has already happened."""
    random = np.random.default_rng(0)
    daily = random.normal(size=(STOCKS, 245))
    returns = np.stack([daily[:, t + 1 : t + 6].sum(axis=1) for t in range(240)], axis=1)
    scores = random.normal(size=(3, STOCKS, 240))
    scores[1] = -daily[:, :240]
    ready = prepare(jnp.asarray(scores, jnp.float32), jnp.ones(returns.shape, bool))
    found = weights_by_date(ready, jnp.asarray(returns, jnp.float32), gap=5, horizon=5)
    assert np.abs(found.skill[-1]).max() < 0.06


def test_daily_statistics_are_products_of_unit_ranks():
    scores, returns = world()
    scores[1, 3:6, 7], scores[2, :, 9], returns[2, 11] = np.nan, 0.5, np.nan
    ready = prepare(jnp.asarray(scores), jnp.ones(returns.shape, bool), lags=2)
    daily = daily_statistics(ready, rank_returns(jnp.asarray(returns), jnp.asarray(ready.member)), GAP, HORIZON)
    ranks = np.stack([slow.unit_ranks(scores[..., t]) for t in range(DATES)])
    returned = slow.unit_ranks(returns.T)
    np.testing.assert_allclose(daily.same, np.einsum("tkn,tn->tk", ranks, returned), atol=1e-6)
    crossed = np.einsum("tkn,tn->tk", ranks[1:], returned[:-1]) + np.einsum("tkn,tn->tk", ranks[:-1], returned[1:])
    np.testing.assert_allclose(daily.crossed[1:], crossed, atol=1e-6)
    assert daily.stocks[11] == STOCKS - 1


def test_the_mix_is_the_non_negative_optimum():
    random = np.random.default_rng(3)
    root = random.normal(size=(6, 20))
    correlation = root @ root.T / 20 + 0.1 * np.eye(6)
    values, vectors = np.linalg.eigh(correlation)
    skills, spread = random.normal(0.03, 0.05, size=(4, 6)), random.uniform(0.5, 2, size=6)
    found = np.asarray(best_mix(*(jnp.asarray(a, jnp.float32) for a in (values, vectors, skills, spread))))
    lower = np.linalg.cholesky(correlation)
    for weights, skill in zip(found, skills, strict=True):
        best = nnls(lower.T, np.linalg.solve(lower, skill))[0] / spread
        np.testing.assert_allclose(weights, best / best.sum(), atol=0.03)

        def gain(w, skill=skill):
            v = w * spread
            return v @ skill / np.sqrt(v @ correlation @ v)

        assert gain(weights) > 0.99 * gain(best)


def test_probability_better_is_the_normal_posterior():
    gain, variance, dates, plausible = 0.8, 0.5, 40.0, 0.01
    precision = 1 / plausible**2 + dates**2 / variance
    expected = jax.scipy.stats.norm.cdf((dates * gain / variance) / precision * np.sqrt(precision))
    found = probability_better(*(jnp.array([x], jnp.float32) for x in (gain, variance, dates)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert probability_better(*(jnp.zeros(1) for _ in range(3)))[0] == 0.5


def test_the_candidates_mean_is_that_of_their_posterior():
    weights = draw_candidates(4, 9, jax.random.key(0))
    fitness, variance = np.linspace(-0.05, 0.1, 9), 0.001
    odds = np.exp((SKILLS[:, None] * fitness - SKILLS[:, None] ** 2 / 2) / variance).sum(axis=0)
    expected = 0.25 + (odds / odds.sum() - 1 / 9) @ np.asarray(weights, float)
    found = candidate_mean(weights, jnp.asarray(fitness, jnp.float32)[None], jnp.float32([variance]))
    np.testing.assert_allclose(found[0], np.maximum(expected, 0) / np.maximum(expected, 0).sum(), rtol=1e-4)


def test_inflation_is_the_sum_of_products_of_autocorrelations():
    """Variance of a mean of 300 products of two AR(1) series of 0.8 and 0.6, by simulation and by the formula."""
    random = np.random.default_rng(0)
    series = []
    for persistence in (0.8, 0.6):
        x = random.normal(size=(3000, 300))
        for t in range(1, 300):
            x[:, t] = persistence * x[:, t - 1] + np.sqrt(1 - persistence**2) * x[:, t]
        series.append(x)
    product = series[0] * series[1]
    lags = np.arange(30)
    formula = serial_inflation(jnp.asarray(0.8**lags, jnp.float32)[:, None], jnp.asarray(0.6**lags, jnp.float32))
    assert product.mean(axis=1).var() * 300 == pytest.approx(float(formula), rel=0.1)


# --- blocks of dates


def test_pieces_cover_every_date_once_within_its_epoch():
    for dates in (1, 4, 5, 60, 700):
        starts, (epochs, first) = epoch_starts(dates), pieces(dates)
        stop = np.append(first[1:], dates)
        assert first[0] == 0
        assert ((stop - first <= TOGETHER) & (stop > first)).all()
        assert (starts[epochs] <= first).all()
        assert (np.diff(starts).max(initial=0)) <= 125


@pytest.mark.parametrize("signal", ["mean", "combined"])
def test_dates_may_come_in_blocks_of_any_length(signal, monkeypatch):
    """Scores are read a few dates at a time, from whatever holds them; under a caller's `jax.jit` all at once."""
    scores, returns = world()
    scores[1, 3:6, 7] = np.nan
    whole = weigh(scores, returns, signal=signal)
    monkeypatch.setattr(blocks, "BLOCK_CELLS", 7 * ARCHETYPES * STOCKS)
    rooms = []
    ready = prepare(
        np.moveaxis(np.moveaxis(scores, 2, 0).copy(), 0, 2),
        np.ones(returns.shape, bool),
        lags=2 * HORIZON,
        signal=signal,
        room=lambda *size: rooms.append(size) or np.empty(*size),
    )
    cut = weights_by_date(ready, returns, gap=GAP, horizon=HORIZON)
    np.testing.assert_array_equal(whole.weights, cut.weights)
    assert rooms[0] == ((DATES, ARCHETYPES, STOCKS), np.int16)
    assert len(rooms) == (1 if signal == "mean" else 3)
    traced = jax.jit(lambda *arrays: weigh(*arrays, signal=signal).weights)(jnp.asarray(scores), jnp.asarray(returns))
    np.testing.assert_allclose(cut.weights, traced, atol=1e-5)


def test_many_draws_are_weighed_as_each_alone():
    scores, returns = world()
    ready = prepare(scores, np.ones(returns.shape, bool), lags=2 * HORIZON, signal="combined")
    drawn = np.stack([np.roll(returns, step, axis=1) for step in range(3)])
    found = weights_by_draw(ready, drawn, gap=GAP, horizon=HORIZON)
    for weights, some in zip(found.weights, drawn, strict=True):
        np.testing.assert_allclose(weights, weights_by_date(ready, some, gap=GAP, horizon=HORIZON).weights, atol=1e-4)


def test_moved_stocks_are_scores_of_other_stocks():
    scores, returns = world()
    member, stocks = np.random.default_rng(0).random(returns.shape) < 0.8, np.random.default_rng(1).permutation(STOCKS)
    moved, copied = (
        prepare(some, member, lags=2 * HORIZON, signal="combined") for some in (MovedStocks(scores, stocks), scores[:, stocks])
    )
    np.testing.assert_array_equal(moved.ranks, copied.ranks)
    np.testing.assert_array_equal(moved.exact.ranks, copied.exact.ranks)
    np.testing.assert_array_equal(moved.correlations.vectors, copied.correlations.vectors)
    moved, copied = (weights_by_date(ready, returns, gap=GAP, horizon=HORIZON).weights for ready in (moved, copied))
    np.testing.assert_array_equal(moved, copied)


def test_map_epochs_gives_every_date_the_values_of_its_epoch():
    starts = epoch_starts(90)
    found = map_epochs(lambda start, date: date * 1000 + start, jnp.asarray(starts), jnp.arange(90))
    expected = np.arange(90) * 1000 + starts[np.searchsorted(starts, np.arange(90), side="right") - 1]
    np.testing.assert_array_equal(found, expected)


def test_sums_before_a_gap():
    values = np.arange(1.0, 11.0, dtype=np.float32)
    np.testing.assert_array_equal(known_before(jnp.asarray(values), 2), [0, 0, 0, *np.cumsum(values)[:7]])
    found = window_sums(jnp.asarray(values)[:, None], 2, 3)[:, 0]
    np.testing.assert_array_equal(found, [values[max(0, t - 5) : max(0, t - 2)].sum() for t in range(10)])


# --- nothing of the future


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("lookback", [None, 15])
def test_weights_do_not_see_the_future(signal, lookback):
    scores, returns = world()
    date = 41
    before = weigh(scores, returns, lookback=lookback, signal=signal)
    changed, later = scores.copy(), returns.copy()
    changed[..., date + 1 :] = np.random.default_rng(9).normal(size=changed[..., date + 1 :].shape)
    later[:, date - GAP :] = np.random.default_rng(8).normal(size=later[:, date - GAP :].shape)
    after = weigh(changed, later, lookback=lookback, signal=signal)
    np.testing.assert_array_equal(before.weights[: date + 1], after.weights[: date + 1])
    assert not np.array_equal(before.weights[date + 1 :], after.weights[date + 1 :])


def test_a_fixed_look_back_does_not_see_returns_before_it():
    scores, returns = world()
    date, lookback = 50, 15
    changed = returns.copy()
    changed[:, : date - GAP - lookback] *= np.random.default_rng(8).normal(size=(STOCKS, 1))
    one, other = (weigh(scores, some, lookback=lookback) for some in (returns, changed))
    np.testing.assert_array_equal(one.weights[date:], other.weights[date:])


# --- what changes nothing


def test_archetypes_may_stand_in_any_order():
    scores, returns = world()
    order = np.array([3, 0, 4, 2, 1])
    one, other = weigh(scores, returns), weigh(scores[order], returns)
    np.testing.assert_allclose(one.weights[:, order], other.weights, atol=2e-3)


def test_scores_may_be_in_any_unit():
    scores, returns = world()
    np.testing.assert_allclose(weigh(8 * scores, returns).weights, weigh(scores, returns).weights, atol=1e-5)


def test_returns_may_be_in_any_unit():
    scores, returns = world()
    np.testing.assert_array_equal(weigh(scores, returns).weights, weigh(scores, 100 * returns).weights)


# --- bad input


def worlds_gone_wrong():
    scores, returns = world()
    constant, mostly, holes = scores.copy(), scores.copy(), scores.copy()
    constant[:] = 0.5
    mostly[2, :, 4:] = 0.1
    holes[np.random.default_rng(0).random(scores.shape) < 0.4] = np.nan
    zero = returns.copy()
    zero[:, 20] = 0
    yield "one archetype", scores[:1], returns
    yield "identical archetypes", np.repeat(scores[:1], ARCHETYPES, axis=0), returns
    yield "mirrored archetypes", np.stack([scores[0], -scores[0]]), returns
    yield "constant scores", constant, returns
    yield "constant on most dates", mostly, returns
    yield "holes in the scores", holes, returns
    yield "no scores", scores * np.nan, returns
    yield "no returns", scores, returns * np.nan
    yield "returns all zero", scores, returns * 0
    yield "returns zero on a date", scores, zero
    yield "two stocks", scores[:, :2], returns[:2]
    yield "three dates", scores[..., :3], returns[:, :3]
    yield "ties", np.round(scores), np.round(returns)


WRONG = {name: rest for name, *rest in worlds_gone_wrong()}


@pytest.mark.parametrize("name", WRONG)
def test_weights_are_defined_whatever_is_given(name):
    weights = np.asarray(weigh(*WRONG[name], signal="combined").weights)
    assert is_distribution(weights)
    if name in ("constant scores", "no scores", "no returns", "returns all zero", "two stocks", "three dates", "one archetype"):
        np.testing.assert_allclose(weights, 1 / weights.shape[1], atol=1e-3)


def test_identical_archetypes_share_equally():
    scores, returns = world()
    weights = weigh(np.repeat(scores[:1], ARCHETYPES, axis=0), returns).weights
    np.testing.assert_allclose(weights, 1 / ARCHETYPES, atol=2e-3)


def test_a_changing_universe_and_missing_as_zero():
    scores, returns = world()
    random = np.random.default_rng(0)
    member = random.random(returns.shape) < 0.7
    scores[random.random(scores.shape) < 0.2] = np.nan
    outside = np.where(member, returns, random.normal(size=returns.shape).astype(np.float32))
    one, other = (weigh(scores, some, member, missing="zero") for some in (returns, outside))
    assert is_distribution(np.asarray(one.weights))
    np.testing.assert_array_equal(one.weights, other.weights)


@hypothesis_settings(max_examples=15)
@given(strategies.integers(0, 10_000), strategies.floats(0.0, 1e-4))
def test_weights_move_smoothly_with_the_skills(seed, size):
    """No cliff, also where all skills turn negative: a small change of the skills is a small change of the weights."""
    random = np.random.default_rng(seed)
    root = random.normal(size=(6, 60))
    values, vectors = np.linalg.eigh(root @ root.T / 60)
    skills = random.normal(random.uniform(-0.1, 0.05), 0.03, size=6)
    both = np.stack([skills, skills + size * random.normal(size=6)])
    one, other = np.asarray(best_mix(*(jnp.asarray(a, jnp.float32) for a in (values, vectors, both, np.ones(6)))))
    assert is_distribution(np.stack([one, other]))
    assert np.abs(one - other).max() <= 300 * size + 1e-3


def test_without_any_skill_the_mix_is_uniform():
    values, vectors = np.ones(4, np.float32), np.eye(4, dtype=np.float32)
    found = best_mix(jnp.asarray(values), jnp.asarray(vectors), jnp.full((1, 4), -0.1), jnp.ones(4))
    np.testing.assert_allclose(found, 0.25, atol=1e-6)


# --- as a method of a walk


def test_it_finds_who_knows():
    scores, returns = world(dates=150)
    weights = weigh(scores, returns).weights
    assert weights[-1, 0] > 0.5
    np.testing.assert_allclose(weights[: GAP + 1], 1 / ARCHETYPES, atol=0.01)


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_method_gives_equal_weights_before_the_first_search(signal):
    scores, returns = world(dates=110)
    timing = mj.Timing(lookback="auto", horizon=HORIZON, execution_lag=1)
    method = settings_from_mapping({"method": "posterior"})
    assert isinstance(method, Posterior)
    given = {"alpha": jnp.float32(0.5), "signal": signal, "missing": "renormalize", "key": jax.random.key(0)}
    ready = method.prepare(jnp.asarray(scores), jnp.ones(returns.shape, bool), timing, **given)
    weights = np.asarray(method.weights(ready, jnp.asarray(returns), timing))
    assert is_distribution(weights)
    np.testing.assert_allclose(weights[: timing.first_search], 1 / ARCHETYPES, atol=1e-6)
    assert np.abs(weights[timing.first_search :] - 1 / ARCHETYPES).max() > 0.02


def test_one_compilation_serves_shifted_returns_and_other_scores():
    scores, returns = world()
    member = jnp.ones(returns.shape, bool)
    given = [(jnp.asarray(scores + step), jnp.asarray(np.roll(returns, step, axis=1))) for step in range(3)]
    weights_by_date(prepare(given[0][0], member, lags=2 * HORIZON), given[0][1], gap=GAP, horizon=HORIZON)
    with count_compilations() as compiled:
        for some, shifted in given:
            jax.block_until_ready(weights_by_date(prepare(some, member, lags=2 * HORIZON), shifted, gap=GAP, horizon=HORIZON))
    assert compiled() == 0


def test_shifts_can_be_mapped():
    scores, returns = world()
    ready = prepare(jnp.asarray(scores), jnp.ones(returns.shape, bool), lags=2 * HORIZON)
    shifted = jnp.stack([jnp.roll(jnp.asarray(returns), step, axis=1) for step in (0, 7)])
    both = jax.lax.map(lambda some: weights_by_date(ready, some, gap=GAP, horizon=HORIZON).weights, shifted)
    for found, some in zip(both, shifted, strict=True):
        np.testing.assert_allclose(found, weights_by_date(ready, some, gap=GAP, horizon=HORIZON).weights, atol=1e-4)


SPREAD_OVER_DEVICES = """
import sys, jax, numpy as np
jax.config.update("jax_num_cpu_devices", int(sys.argv[2]))
from massjax.engine.devices import over_devices
from tests.search.test_posterior import weigh, world
with over_devices(int(sys.argv[2])):
    np.savez(sys.argv[1], **{signal: weigh(*world(), signal=signal).weights for signal in ("mean", "combined")})
"""


@pytest.mark.slow
def test_the_result_is_the_same_on_several_devices(tmp_path):
    for devices in (1, 2):
        command = [sys.executable, "-c", SPREAD_OVER_DEVICES, str(tmp_path / f"{devices}.npz"), str(devices)]
        subprocess.run(command, check=True, cwd=ROOT)
    one, two = (np.load(tmp_path / f"{devices}.npz") for devices in (1, 2))
    for signal in one:
        np.testing.assert_allclose(one[signal], two[signal], atol=5e-5, err_msg="sums over shares of the work round differently")
