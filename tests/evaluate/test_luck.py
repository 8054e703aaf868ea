from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from massjax.evaluate import evidence_of, refitted as refitted_module
from massjax.evaluate.candidates import Candidate, EvaluationData
from massjax.evaluate.draws import make_draws
from massjax.evaluate.evidence_of import gain_of, with_evidence
from massjax.evaluate.found import find_weights
from massjax.evaluate.listed_controls import controls
from massjax.evaluate.luck import luck_of_strategies
from massjax.evaluate.procedures import Repeated, best_single_repeated, equal_risk_repeated, fixed_weights
from massjax.evaluate.refitted import refitted
from massjax.evaluate.repeated import Repetitions
from massjax.evaluate.settings import EvaluateSettings
from massjax.evaluate.strategies import judge
from massjax.search import Annealing, Posterior
from massjax.search.base import Estimator
from massjax.statistics.correlation import daily_rank_ic
from massjax.timing import Timing

K, N, T = 4, 10, 90
TIMING = Timing(lookback=20, horizon=2, execution_lag=1)


class Follower(Estimator):
    """Weights that grow with the mean product of scores and returns over all that is known: a toy that a test can work out."""

    def prepare(self, scores: Any, member: Any, timing: Timing, **given: Any) -> Any:
        return jnp.where(jnp.isnan(scores) | ~member[None], 0.0, scores)

    def weights(self, prepared: Any, forward_returns: Any, timing: Timing, daily_returns: Any = None) -> Any:
        daily = jnp.einsum("knt,nt->tk", prepared, jnp.nan_to_num(forward_returns))
        known = jnp.cumsum(daily, axis=0)
        end = jnp.maximum(jnp.arange(len(known)) - timing.gap - 1, 0)
        found = jax.nn.softmax(known[end] / 10.0, axis=1)
        return jnp.where((jnp.arange(len(known)) < timing.first_search)[:, None], 1.0 / found.shape[1], found)


def made(seed: int = 0, repetitions: int = 9, skill: float = 0.0) -> Repetitions:
    rng = np.random.default_rng(seed)
    returns = rng.normal(size=(N, T)).astype(np.float32)
    scores = rng.random((K, N, T)).astype(np.float32)
    scores[0] += np.float32(skill) * returns
    returns[:, -3:] = np.nan
    draws = make_draws(returns, [TIMING], repetitions)
    dates = np.arange(TIMING.first_applied, T - 3)
    return Repetitions(draws, scores, np.ones((N, T), bool), returns, None, dates, 0.5, "mean", "renormalize")


def test_an_estimator_is_repeated_whole_on_the_returns_of_each_draw() -> None:
    repetitions, method, key = made(1), Follower(), jax.random.key(0)
    repeated = refitted(repetitions, method, TIMING, "mean", key)
    assert repeated.refitted_every == 1
    for draw in (0, 1, len(repetitions.draws) - 1):
        drawn = repetitions.draws.returns(repetitions.returns, draw)
        on_date = np.asarray(method.weights(jnp.asarray(repetitions.scores), jnp.asarray(drawn), TIMING))
        weights = on_date[repetitions.dates - TIMING.delay]
        signal = np.full((N, T), np.nan)
        signal[:, repetitions.dates] = np.einsum("tk,knt->nt", weights, repetitions.scores[:, :, repetitions.dates])
        np.testing.assert_allclose(repeated.rank_ic[draw], daily_rank_ic(signal, drawn)[repetitions.dates], atol=1e-5)


class Drawn(Follower):
    """A toy whose weights hang on the key alone, the same on every date."""

    def is_random(self, signal: Any) -> bool:
        return True

    def prepare(self, scores: Any, member: Any, timing: Timing, **given: Any) -> Any:
        return jax.random.dirichlet(given["key"], jnp.ones(len(scores)))

    def weights(self, prepared: Any, forward_returns: Any, timing: Timing, daily_returns: Any = None) -> Any:
        return jnp.tile(prepared, (forward_returns.shape[1], 1))


def test_an_estimator_that_draws_is_judged_with_further_seeds() -> None:
    repetitions, key = made(3), jax.random.key(5)
    repeated = refitted(repetitions, Drawn(), TIMING, "mean", key)
    keys = [key, *(jax.random.fold_in(key, seed) for seed in range(1, 5))]
    for mean, one in zip(repeated.seeds, keys, strict=True):
        weights = np.asarray(jax.random.dirichlet(one, jnp.ones(K)))
        daily = daily_rank_ic(np.einsum("k,knt->nt", weights, repetitions.scores), repetitions.returns)
        assert mean == pytest.approx(float(np.nanmean(daily[repetitions.dates])), abs=1e-5)
    assert len(set(repeated.seeds)) == 5
    assert refitted(repetitions, Follower(), TIMING, "mean", key).seeds == ()


def test_the_default_is_random_where_it_draws_candidates() -> None:
    assert [Posterior().is_random(signal) for signal in ("mean", "combined", "disagreement")] == [False, True, True]


def test_a_search_is_repeated_with_fewer_searches_and_compared_with_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refitted_module, "SHARE", 0.7)
    repetitions, method, key = made(2), Annealing(chains=4, steps=5), jax.random.key(3)
    repeated = refitted(repetitions, method, TIMING, "mean", key)
    history = tuple(map(np.asarray, (repetitions.scores, repetitions.member, repetitions.returns)))
    found = find_weights(history, method, TIMING, key=key, alpha=np.float32(0.5), signal="mean", missing="renormalize")
    every = repeated.refitted_every
    assert every > 1
    first = TIMING.first_applied
    fitted = np.arange(first, T, every)
    assert repeated.in_sample[0] == pytest.approx(found.fitness[fitted].mean(), abs=1e-6), "the true returns, the seed of the run"
    weights = np.repeat(found.weights[fitted], every, axis=0)[: T - first]
    signal = np.full((N, T), np.nan)
    signal[:, first:] = np.einsum("tk,knt->nt", weights, repetitions.scores[:, :, first:])
    expected = daily_rank_ic(signal, repetitions.returns)[repetitions.dates]
    np.testing.assert_allclose(repeated.rank_ic[0], expected, atol=2e-5)
    assert len(repeated.seeds) == 5
    assert repeated.seeds[0] == pytest.approx(float(np.nanmean(expected)), abs=1e-5)


def test_skill_is_told_from_luck_and_its_absence_is_not() -> None:
    skilled, method, key = made(4, 30, skill=0.3), Follower(), jax.random.key(0)
    repeated = {
        "uniform": fixed_weights(skilled, np.full(K, 1 / K), "mean"),
        "one": refitted(skilled, method, TIMING, "mean", key),
        "two": best_single_repeated(skilled, TIMING),
        "risk": equal_risk_repeated(skilled, TIMING, "mean"),
    }
    luck = luck_of_strategies(skilled, repeated, "uniform", frozenset({"one", "two"}))
    assert luck["one"].gain == luck["one"].out_of_sample == 1 / 31
    assert luck["two"].in_sample == 1 / 31
    assert np.isnan(luck["uniform"].gain)
    assert np.isnan(luck["risk"].in_sample)
    assert luck["one"].correction == "Romano-Wolf"
    assert luck["one"].adjusted >= luck["one"].gain
    assert luck["risk"].correction == ""
    assert luck["one"].null_rank_ic.shape == (30,)


def test_a_strategy_that_is_uniform_gains_nothing_and_its_p_is_one() -> None:
    repetitions = made(5)
    uniform = fixed_weights(repetitions, np.full(K, 1 / K), "mean")
    same = Repeated(uniform.rank_ic + 1e-8, np.full(len(repetitions.draws), np.nan))
    luck = luck_of_strategies(repetitions, {"uniform": uniform, "same": same}, "uniform", frozenset({"same"}))
    assert luck["same"].gain == luck["same"].adjusted == 1.0


@pytest.mark.slow
def test_p_values_are_uniform_where_nobody_knows_anything() -> None:
    """Overlapping returns and slow scores, 200 walks: of the fraction under a twentieth no more than chance, and no other shape."""
    p_out, p_gain = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        daily = rng.normal(size=(N, T + 4))
        returns = np.lib.stride_tricks.sliding_window_view(daily, 5, axis=1).sum(axis=2).astype(np.float32)
        noise = rng.normal(size=(K, N, T))
        scores = np.empty_like(noise)
        scores[..., 0] = noise[..., 0]
        for t in range(1, T):
            scores[..., t] = 0.9 * scores[..., t - 1] + 0.43 * noise[..., t]
        timing = Timing(lookback=20, horizon=5, execution_lag=1)
        draws = make_draws(returns, [timing], 39)
        dates = np.arange(timing.first_applied, T)
        member = np.ones((N, T), bool)
        repetitions = Repetitions(draws, scores.astype(np.float32), member, returns, None, dates, 0.5, "mean", "renormalize")
        repeated = {
            "uniform": fixed_weights(repetitions, np.full(K, 1 / K), "mean"),
            "best": best_single_repeated(repetitions, timing),
        }
        luck = luck_of_strategies(repetitions, repeated, "uniform", frozenset({"best"}))["best"]
        p_out.append(luck.out_of_sample)
        p_gain.append(luck.gain)
    for values in (p_out, p_gain):
        assert stats.kstest(values, stats.uniform(0, 1).cdf).pvalue > 0.001
        assert np.mean(np.array(values) <= 0.05) < 0.12


@pytest.mark.slow
def test_scores_made_of_past_returns_gain_nothing_over_uniform_by_luck() -> None:
    """Reversal over 5 to 120 dates, 100 walks over 250: what decides the verdict is not called beyond chance too often."""
    p_gain, dates = [], 250
    for seed in range(100):
        path = np.random.default_rng(seed).normal(size=(N, dates + 126)).cumsum(axis=1)
        today = np.arange(120, 120 + dates)
        returns = (path[:, today + 6] - path[:, today + 1]).astype(np.float32)
        scores = np.stack([path[:, today - back] - path[:, today] for back in (5, 20, 60, 120)]).astype(np.float32)
        timing = Timing(lookback=60, horizon=5, execution_lag=1)
        draws, member = make_draws(returns, [timing], 39), np.ones((N, dates), bool)
        judged = np.arange(timing.first_applied, dates)
        repetitions = Repetitions(draws, scores, member, returns, None, judged, 0.5, "mean", "renormalize")
        repeated = {"uniform": fixed_weights(repetitions, np.full(K, 1 / K), "mean"), "best": best_single_repeated(repetitions, timing)}
        p_gain.append(luck_of_strategies(repetitions, repeated, "uniform", frozenset({"best"}))["best"].gain)
        assert "reversal" in draws.reason
    assert np.mean(np.array(p_gain) <= 0.05) <= 0.08


def test_every_strategy_of_a_run_has_its_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    settings = EvaluateSettings(horizon=5, lookback=10, gap=5, repetitions=19, signal="mean")
    scores, returns = rng.random((K, N, T)).astype(np.float32), rng.normal(size=(N, T))
    dates = np.datetime64("2020-11-15") + np.arange(T)
    features = {"size": rng.normal(size=(N, T)), "empty": np.full((N, T), np.nan)}
    data = EvaluationData(
        scores, ("rule",) * K, np.ones((N, T), bool), {5: returns}, settings, settings.timing(1), np.arange(T) >= 16, None,
        dates=dates, features=features,
    )  # fmt: skip
    candidates: list[Candidate] = controls(data)
    told: list[tuple[int, int]] = []
    found = with_evidence(data, candidates, judge(data, candidates, None), [], lambda done, total: told.append((done, total)))
    assert [s.name for s in found] == ["uniform", "best_single", "equal_risk", "raw_features"]
    assert told[-1] == (4, 4)
    for strategy in found:
        evidence = strategy.evidence
        assert evidence is not None
        assert evidence.luck is not None
        assert (evidence.gain is None) == (strategy.name == "uniform")
        assert list(evidence.by_year) == [2020, 2021]
        years = evidence.by_year.values()
        weighted = sum(year.mean * year.dates for year in years) / sum(year.dates for year in years)
        assert weighted == pytest.approx(strategy.metrics[5].rank_ic.mean)
    by_name = {s.name: s.evidence for s in found}
    assert by_name["uniform"] is not None
    assert by_name["uniform"].effective_archetypes == pytest.approx(K)
    slow: list[threading.Thread] = []
    begun = evidence_of.import_bootstrap

    def slowly() -> threading.Thread:
        slow.append(threading.Thread(target=lambda: (time.sleep(0.5), begun().join())))
        slow[0].start()
        return slow[0]

    monkeypatch.setattr(evidence_of, "import_bootstrap", slowly)
    silent = with_evidence(replace(data, settings=settings.replace(p_values=False)), candidates, found, [])
    assert not slow[0].is_alive(), "pandas is whole when plotly looks for it"
    assert all(s.evidence is not None and s.evidence.luck is None and "turned off" in s.evidence.reason for s in silent)


def test_a_gain_that_is_told_needs_no_more_years_and_a_loss_never_is() -> None:
    rng = np.random.default_rng(7)
    assert gain_of(0.5 + rng.normal(size=200), 1, 250.0).more_years == 0.0
    assert gain_of(-0.5 + rng.normal(size=200), 1, 250.0).more_years == np.inf
    small = gain_of(0.05 + rng.normal(size=200) - rng.normal(size=200).mean(), 1, 250.0)
    assert small.newey_west.low < small.mean < small.newey_west.high
