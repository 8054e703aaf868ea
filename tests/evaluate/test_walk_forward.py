"""Walk-forward: what each search may see, when its weights apply, and one compilation for all dates."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from massjax.engine import aggregate, fitness, history
from massjax.engine.history import history_rank_ic
from massjax.errors import ConfigError, DataError, LeakageError
from massjax.evaluate import found as module
from massjax.evaluate.walk_forward import walk_forward
from massjax.search import Annealing, Estimator, Evaluated, Search, search_window, unevaluated
from massjax.testing import count_compilations
from massjax.timing import Timing
from tests.engine import slow_reference as slow

LOOKBACK, GAP, DELAY = 5, 4, 1
FIRST = LOOKBACK + GAP + DELAY
SEARCH = Annealing(chains=8, steps=6)
KEY = jax.random.key(0)
DATES = np.arange("2024-01-01", "2024-01-25", dtype="datetime64[D]")


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(0)
    scores = rng.random((4, 12, len(DATES))).astype(np.float32)
    scores[rng.random(scores.shape) < 0.05] = np.nan
    member = rng.random((12, len(DATES))) < 0.9
    return scores, member, rng.normal(size=(12, len(DATES))).astype(np.float32)


def walk(panel, **changes):
    settings = {"lookback": LOOKBACK, "gap": GAP, "delay": DELAY, "key": KEY} | changes
    return walk_forward(*panel, settings.pop("search", SEARCH), **settings)


@pytest.fixture(scope="module")
def result(panel):
    return walk(panel)


def test_too_little_history_carries_equal_weights(result):
    np.testing.assert_array_equal(result.weights[:FIRST], np.full((FIRST, 4), 0.25))
    assert np.isnan(result.fitness[:FIRST]).all()
    assert result.searched.tolist() == [False] * FIRST + [True] * (len(DATES) - FIRST)
    assert not result.leaks


def test_each_date_is_the_search_of_its_window(panel, result):
    for applied in (FIRST, len(DATES) - 1):
        decided = applied - DELAY
        window = [values[..., decided - GAP - LOOKBACK : decided - GAP] for values in panel]
        alone = search_window(*window, SEARCH, key=jax.random.fold_in(KEY, decided))
        np.testing.assert_array_equal(result.weights[applied], alone.weights)
        np.testing.assert_array_equal(result.chain_fitness[applied], alone.chain_fitness)
        np.testing.assert_array_equal(result.fitness[applied], fitness(*window, result.weights[applied][None])[0])


@pytest.mark.parametrize("warm_start", [False, True])
def test_nothing_later_than_the_window_is_seen(panel, warm_start):
    scores, member, returns = (values.copy() for values in panel)
    date = 17
    last_used = date - DELAY - GAP - 1
    before = walk(panel, warm_start=warm_start)
    for values in (scores, returns):
        values[..., last_used + 1 :] = 1 - values[..., last_used + 1 :]
    after = walk((scores, member, returns), warm_start=warm_start)
    np.testing.assert_array_equal(before.weights[: date + 1], after.weights[: date + 1])
    assert (before.weights[date + 1 :] != after.weights[date + 1 :]).any()


def test_signals_and_correlations_are_those_of_the_weights(panel, result):
    scores, member, returns = panel
    for t in (0, FIRST, 20):
        signal = aggregate(scores[..., t : t + 1], member[:, t : t + 1], result.weights[t][None])
        for name, values in signal._asdict().items():
            np.testing.assert_allclose(getattr(result, name)[:, t], values[0, :, 0], atol=1e-6)
        known = ~np.isnan(result.combined[:, t])
        np.testing.assert_allclose(result.rank_ic[t], spearmanr(result.combined[known, t], returns[known, t])[0], atol=1e-5)
        np.testing.assert_allclose(result.ic[t], pearsonr(result.combined[known, t], returns[known, t])[0], atol=1e-5)


def test_dates_without_returns_have_no_correlation(panel):
    scores, member, returns = panel
    returns = returns.copy()
    returns[:, -3:], returns[:, 2] = np.nan, 0.5
    result = walk((scores, member, returns))
    assert np.flatnonzero(np.isnan(result.rank_ic)).tolist() == [2, len(DATES) - 3, len(DATES) - 2, len(DATES) - 1]
    assert (np.isnan(result.ic) == np.isnan(result.rank_ic)).all()


def test_windows_that_cannot_be_judged_carry_equal_weights(panel):
    scores, member, returns = panel
    result = walk((scores, member, np.full_like(returns, np.nan)))
    np.testing.assert_array_equal(result.weights, np.full_like(result.weights, 0.25))
    assert not result.searched.any()


def test_delay_moves_the_weights(panel, result):
    same_day, later = walk(panel, delay=0), walk(panel, delay=3)
    np.testing.assert_array_equal(same_day.weights[FIRST - 1 : -1], result.weights[FIRST:])
    np.testing.assert_array_equal(later.weights[FIRST + 2 :], result.weights[FIRST:-2])


def test_dates_per_call_do_not_change_a_bit(panel, result, monkeypatch):
    monkeypatch.setattr(module, "DATES_PER_CALL", 3)
    again = walk(panel)
    for before, after in zip(result, again, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_warm_start_begins_where_the_date_before_ended(panel):
    still = Annealing(chains=2, steps=0)
    warm = walk(panel, search=still, warm_start=True)
    np.testing.assert_allclose(warm.weights, 0.25)
    moving = walk(panel, search=Annealing(chains=1, steps=30), warm_start=True)
    window = [values[..., FIRST + 1 - DELAY - GAP - LOOKBACK : FIRST + 1 - DELAY - GAP] for values in panel]
    assert moving.fitness[FIRST + 1] >= fitness(*window, moving.weights[FIRST][None])[0] - 1e-5


def test_one_compilation_for_all_dates(panel):
    walk(panel)
    backwards, key = [values[..., ::-1] for values in panel], jax.random.key(7)
    with count_compilations() as compiled:
        walk(backwards, alpha=0.4, key=key)
    assert compiled() == 0


def test_progress_counts_dates(panel):
    seen = []
    walk(panel, progress=lambda done, total: seen.append((done, total)))
    searches = len(DATES) - LOOKBACK - GAP
    assert seen[-1] == (searches, searches)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@pytest.mark.parametrize(("horizon", "lag"), [(6, 0), (5, 1), (2, 4)])
def test_a_gap_that_sees_the_future_is_refused(panel, horizon, lag):
    message = r"2024-01-10 would use .* return of 2024-01-05.*known only at the close of 2024-01-11.*gap >= 5"
    with pytest.raises(LeakageError, match=message):
        walk(panel, horizon=horizon, execution_lag=lag, dates=DATES)


def test_an_ablation_may_leak_and_is_marked(panel):
    assert walk(panel, gap=0, horizon=5, leakage_ablation=True).leaks
    assert not walk(panel, horizon=5, execution_lag=0, leakage_ablation=True).leaks


def test_mass_s_ablation_applies_weights_on_the_date_they_are_found_and_is_marked(panel, result):
    with pytest.raises(LeakageError, match="weights found on 2024-01-10 would be traded on at its close"):
        walk(panel, delay=0, horizon=5, dates=DATES)
    ablation = walk(panel, delay=0, horizon=5, leakage_ablation=True)
    assert ablation.leaks
    np.testing.assert_array_equal(ablation.weights[FIRST - 1 : -1], result.weights[FIRST:])
    assert not walk(panel, delay=0, gap=5, horizon=5, execution_lag=1).leaks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lookback": 0}, "lookback=0: expected a whole number >= 1"),
        ({"gap": -1}, "gap=-1: expected a whole number >= 0"),
        ({"delay": -1}, "delay=-1: expected a whole number >= 0"),
        ({"lookback": 20}, "there are 24 dates .2024-01-01 to 2024-01-24"),
        ({"horizon": 0}, "horizon=0: expected a whole number >= 1"),
        ({"signal": "means"}, "did you mean 'mean'"),
    ],
)
def test_bad_timing_is_named(panel, changes, message):
    with pytest.raises(ConfigError, match=message):
        walk(panel, dates=DATES, **changes)


def test_labels_must_match(panel):
    with pytest.raises(DataError, match="3 labels"):
        walk(panel, dates=DATES[:3])


@pytest.mark.parametrize("warm_start", [False, True])
def test_stocks_outside_the_universe_change_nothing(panel, warm_start):
    scores, member, returns = panel
    few = member & (np.cumsum(member, axis=0) <= 5)
    assert few.sum(axis=0).max() == 5
    result = walk((scores, few, returns), warm_start=warm_start)
    date = FIRST + 3
    window = [values[..., date - DELAY - GAP - LOOKBACK : date - DELAY - GAP] for values in (scores, few, returns)]
    np.testing.assert_allclose(result.fitness[date], fitness(*window, result.weights[date][None])[0], atol=1e-6)
    if not warm_start:
        alone = search_window(*window, SEARCH, key=jax.random.fold_in(KEY, date - DELAY))
        np.testing.assert_array_equal(result.weights[date], alone.weights)


class KeepsItsStart(Search):
    """Judges where it starts; where that is undefined it has nothing to give, not even weights."""

    @property
    def population(self) -> int:
        return 1

    def init(self, objective, start, key):
        return DrawState(start, unevaluated(start))

    def step(self, objective, state, key):
        weights, fitness = objective.judge(state.start)
        return DrawState(state.start, Evaluated(jnp.where(jnp.isnan(fitness)[:, None], jnp.nan, weights), fitness))


class DrawState(NamedTuple):
    start: jax.Array
    best: Evaluated


def test_an_undefined_yesterday_does_not_poison_a_warm_start(panel):
    scores, member, returns = panel
    unknown = returns.copy()
    unknown[:, 6 : 6 + LOOKBACK] = np.nan
    found = walk((scores, member, unknown), search=KeepsItsStart(steps=0), warm_start=True)
    undefined = FIRST + 6
    np.testing.assert_array_equal(np.flatnonzero(~found.searched), [*range(FIRST), undefined])
    np.testing.assert_array_equal(found.weights[undefined], np.full(4, 0.25))
    assert np.isfinite(found.weights).all()
    np.testing.assert_allclose(found.weights, 0.25, rtol=1e-6)


@pytest.mark.parametrize("warm_start", [False, True])
def test_every_date_leaves_weights_that_cancel(panel, warm_start):
    scores, _, returns = panel
    factor = np.random.default_rng(3).integers(0, 64, scores.shape[1:]).astype(np.float32) / 64
    flat = np.full_like(factor, 0.5)
    mirrored = np.stack([factor, 1 - factor, flat, flat])
    everyone = np.ones(factor.shape, bool)
    assert np.isnan(fitness(mirrored, everyone, returns, np.ones((1, 4)), signal="mean"))
    found = walk((mirrored, everyone, returns), warm_start=warm_start, signal="mean")
    assert found.searched[FIRST:].all()
    assert np.isfinite(found.chain_fitness[FIRST:]).all()
    assert np.isfinite(found.rank_ic[FIRST:]).all()


def test_a_walk_prints_a_line(result):
    known = result.rank_ic[result.searched & np.isfinite(result.rank_ic)]
    assert repr(result) == f"WalkForward(4 archetypes × 24 dates, 14 searched, mean RankIC {known.mean():.4f} on {known.size})"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delay": 15}, "delay=15: the weights of the first search, on 9, would apply only after the last of the 24 dates .*delay of 14"),
        ({"execution_lag": 1}, "execution_lag=1 without a horizon checks nothing"),
        ({"warm_start": "false"}, "warm_start='false': expected True or False"),
        ({"leakage_ablation": 1}, "leakage_ablation=1: expected True or False"),
    ],
)
def test_what_would_do_nothing_is_refused(panel, changes, message):
    with pytest.raises(ConfigError, match=message):
        walk(panel, **changes)


@pytest.fixture(scope="module")
def long():
    """Eighty dates, more than the fewest from which a growing look-back begins and than the shortest bucket of it."""
    rng = np.random.default_rng(5)
    scores, member = rng.random((3, 8, 80)).astype(np.float32), rng.random((8, 80)) < 0.9
    return scores, member, rng.normal(size=(8, 80)).astype(np.float32)


@pytest.mark.parametrize("objective", [{}, {"kind": "median_of_blocks"}])
def test_a_growing_look_back_is_the_search_of_all_that_is_known(long, objective):
    search, timing = Annealing(chains=4, steps=4, objective=objective), Timing(horizon=1, execution_lag=1)
    found = walk_forward(*long, search, timing, key=KEY)
    assert found.searched.argmax() == timing.first_applied == 32
    for applied in (timing.first_applied, 79):  # of the shortest bucket and of the next one
        window = [values[..., timing.window(applied - timing.delay)] for values in long]
        assert window[0].shape[2] == applied - timing.delay - timing.gap
        alone = search_window(*window, search, key=jax.random.fold_in(KEY, applied - timing.delay))
        np.testing.assert_allclose(found.fitness[applied], fitness(*window, found.weights[applied][None])[0], atol=1e-5)
        np.testing.assert_allclose(found.fitness[applied], alone.fitness, atol=1e-5)
        np.testing.assert_allclose(found.weights[applied], alone.weights, atol=1e-5)


def test_a_timing_is_its_numbers(panel, result):
    timed = walk_forward(*panel, SEARCH, Timing(lookback=LOOKBACK, gap=GAP, delay=DELAY), key=KEY)
    for before, after in zip(result, timed, strict=True):
        np.testing.assert_array_equal(before, after)
    with pytest.raises(ConfigError, match="timing is given, and so is lookback"):
        walk_forward(*panel, SEARCH, Timing(lookback=LOOKBACK, gap=GAP), lookback=LOOKBACK, key=KEY)
    with pytest.raises(ConfigError, match="lookback and gap are not given"):
        walk_forward(*panel, SEARCH, key=KEY)


def test_what_is_fitted_is_apart_from_what_ranks(panel, result):
    apart = walk(panel, signal="combined", fit_signal="mean")
    fitted = walk(panel, signal="mean")
    np.testing.assert_array_equal(apart.weights, fitted.weights)
    np.testing.assert_array_equal(apart.fitness, fitted.fitness)
    assert (apart.weights[FIRST:] != result.weights[FIRST:]).any()
    _, member, returns = panel
    known = member[:, 20] & ~np.isnan(apart.combined[:, 20])
    np.testing.assert_allclose(apart.rank_ic[20], spearmanr(apart.combined[known, 20], returns[known, 20])[0], atol=1e-5)
    with pytest.raises(ConfigError, match="fit_signal"):
        walk(panel, fit_signal="means")


class Equal(Estimator):
    """Equal weights on every date."""

    def prepare(self, scores, member, timing, *, alpha, signal, missing, key):
        return jnp.full((scores.shape[2], scores.shape[0]), 1.0 / scores.shape[0])

    def weights(self, prepared, forward_returns, timing, daily_returns=None):
        return prepared


def test_an_estimator_walks_without_chains(panel):
    found = walk(panel, search=Equal())
    assert found.chain_fitness.shape == (len(DATES), 0)
    np.testing.assert_allclose(found.weights, 0.25)
    assert found.searched.tolist() == [False] * FIRST + [True] * (len(DATES) - FIRST)
    for applied in (FIRST, 20):
        window = [values[..., applied - DELAY - GAP - LOOKBACK : applied - DELAY - GAP] for values in panel]
        np.testing.assert_allclose(found.fitness[applied], fitness(*window, np.ones((1, 4)))[0], atol=1e-5)


def test_the_daily_rank_ic_of_a_history_is_exact(panel, monkeypatch):
    scores, member, returns = panel
    weights = np.random.default_rng(0).dirichlet(np.ones(4), 3).astype(np.float32)
    options = {"alpha": 0.5, "signal": "combined", "missing": "renormalize"}
    whole = history_rank_ic(scores, member, returns, weights, **options)
    signals = slow.aggregate(scores, member, weights)["combined"]
    known = np.where(member, returns, np.nan)
    exact = [[slow.rank_correlation(signal, ranked) for signal, ranked in zip(row.T, known.T, strict=True)] for row in signals]
    np.testing.assert_allclose(whole, exact, atol=1e-5)
    np.testing.assert_allclose(np.nanmean(whole, axis=1), fitness(*panel, weights), atol=1e-6)
    monkeypatch.setattr(history, "BLOCK_CELLS", 4 * 12 * 7)  # blocks of seven dates, the last one padded
    np.testing.assert_allclose(history_rank_ic(scores, member, returns, weights, **options), whole, atol=1e-6)


def test_yesterdays_weights_reach_the_objective(panel):
    held = Annealing(chains=8, steps=6, objective={"turnover": 100.0})
    found = walk(panel, search=held)
    np.testing.assert_allclose(found.weights, 0.25, atol=1e-5)  # the first date is held to equal weights, and each to the one before
    loose = walk(panel, search=Annealing(chains=8, steps=6, objective={"turnover": 0.2}))
    date = FIRST + 5
    window = [values[..., date - DELAY - GAP - LOOKBACK : date - DELAY - GAP] for values in panel]
    settings = Annealing(chains=8, steps=6, objective={"turnover": 0.2})
    alone = search_window(*window, settings, key=jax.random.fold_in(KEY, date - DELAY), previous=loose.weights[date - 1])
    np.testing.assert_allclose(loose.weights[date], alone.weights, atol=1e-5)
    np.testing.assert_allclose(loose.fitness[date], fitness(*window, loose.weights[date][None])[0], atol=1e-5)
