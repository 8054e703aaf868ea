"""Objectives against plain float64 loops, and every algorithm on every objective."""

from __future__ import annotations

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st

from massjax.engine import fitness, prepare_window
from massjax.errors import ConfigError, DataError
from massjax.search import Annealing, DifferentialEvolution, Evaluated, GradientSearch, Search, search_window, settings_from_mapping
from massjax.search.averaging import average_of_best
from massjax.search.objectives import MeanRankIC, ObjectiveSettings, RobustRankIC, SmoothObjectiveSettings, make_objective
from massjax.search.objectives.penalties import LEAST_SHARE
from massjax.search.objectives.reductions import REDUCTIONS, mean_of_days, stretches
from tests.engine import slow_reference as slow

ARCHETYPES, STOCKS, DATES = 4, 16, 11
PREVIOUS = np.array([0.7, 0.3, 0.0, 0.0], np.float32)

OBJECTIVES: dict[str, dict[str, object]] = {
    "mean": {},
    "mean, uniform": {"kl_uniform": 0.05},
    "shrunk mean": {"kind": "shrunk_mean"},
    "median of blocks": {"kind": "median_of_blocks", "blocks": 4},
    "worst fold": {"kind": "worst_fold", "blocks": 3},
    "worst fold, previous": {"kind": "worst_fold", "blocks": 3, "kl_previous": 0.02, "turnover": 0.03},
    "median, all penalties": {"kind": "median_of_blocks", "kl_uniform": 0.02, "kl_previous": 0.01, "turnover": 0.03},
}
EACH_KIND = {name: OBJECTIVES[name] for name in ("mean", "shrunk mean", "worst fold, previous", "median, all penalties")}
"""Every kind of mean, without penalties, with some and with all: what an algorithm sees of an objective is its value."""
ALGORITHMS: dict[str, Search] = {
    "annealing": Annealing(chains=16, steps=8),
    "evolution": DifferentialEvolution(chains=16, steps=8),
    "soft_rank_ic": GradientSearch(restarts=8, steps=8),
    "ic": GradientSearch(restarts=8, steps=8, objective="ic"),
    "perturbed_rank_ic": GradientSearch(restarts=8, steps=8, objective="perturbed_rank_ic", pairs=4),
}


def on(search: Search, objective: dict[str, object]) -> Search:
    return search.replace(objective={**search.objective.model_dump(exclude_defaults=True), **objective})


@cache
def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two archetypes that know something, missing scores, a date without returns, and one on which all returns are equal."""
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(STOCKS, DATES)).astype(np.float32)
    skill = np.array([0.6, 0.3, 0.0, -0.3])[:, None, None]
    scores = (skill * returns + rng.normal(size=(ARCHETYPES, STOCKS, DATES))).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    returns[:, 4], returns[:, 7] = np.nan, 0.5
    return scores, rng.random((STOCKS, DATES)) < 0.9, returns


def slow_stretches(usable: np.ndarray, blocks: int) -> list[list[int]]:
    dates = np.flatnonzero(usable)
    return [[int(date) for i, date in enumerate(dates) if i * blocks // len(dates) == block] for block in range(blocks)]


def slow_value(
    daily: np.ndarray, usable: np.ndarray, weights: np.ndarray, previous: np.ndarray, objective: dict[str, object]
) -> np.ndarray:
    """The value of candidates, one at a time in float64."""
    settings, values = ObjectiveSettings(**objective), []
    for row, w in zip(np.asarray(daily, float), np.asarray(weights, float), strict=True):
        w = w / w.sum()
        known = row[~np.isnan(row)]
        parts = [[row[d] for d in dates if not np.isnan(row[d])] for dates in slow_stretches(usable, settings.blocks or 5)]
        means = [np.mean(part) for part in parts if part]
        if settings.kind == "mean":
            value = known.mean() if known.size else np.nan
        elif settings.kind == "shrunk_mean":
            square = np.var(means, ddof=1) / len(means) if len(means) > 1 else np.nan
            value = known.mean() ** 3 / (known.mean() ** 2 + square) if known.size else np.nan
        else:
            value = {"median_of_blocks": np.median, "worst_fold": np.min}[settings.kind](means) if means else np.nan
        log = np.log(np.maximum(w, 1e-38))
        value -= settings.kl_uniform * (w * (log - np.log(1 / len(w)))).sum()
        value -= settings.kl_previous * (w * (log - np.log(np.maximum(previous, LEAST_SHARE)))).sum()
        values.append(value - settings.turnover * np.abs(w - previous).sum() / 2)
    return np.array(values)


def slow_daily(weights: np.ndarray, signal: str) -> np.ndarray:
    scores, member, returns = planted()
    signals = slow.aggregate(scores, member, weights)[signal]
    known = np.where(member, returns, np.nan)
    return np.array([[slow.rank_correlation(*date) for date in zip(row.T, known.T, strict=True)] for row in signals])


def usable_dates() -> np.ndarray:
    _, member, returns = planted()
    return np.array([np.unique(returns[member[:, d] & ~np.isnan(returns[:, d]), d]).size > 1 for d in range(DATES)])


@cache
def window():
    return prepared(*map(jnp.asarray, planted()), "renormalize")


prepared = jax.jit(prepare_window, static_argnums=3)


def objective_of(objective: dict[str, object], signal: str = "combined") -> MeanRankIC | RobustRankIC:
    return make_objective(ObjectiveSettings(**objective), window(), jnp.float32(0.5), signal, jnp.asarray(PREVIOUS))


@pytest.mark.parametrize("signal", ["combined", "mean"])
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_values_are_those_of_a_slow_loop(objective, signal):
    weights = np.random.default_rng(1).dirichlet(np.ones(ARCHETYPES), 7).astype(np.float32)
    weights[0] = [1, 0, 0, 0]
    found, of_daily = judged_twice(objective_of(objective, signal), weights)
    expected = slow_value(slow_daily(weights, signal), usable_dates(), weights, PREVIOUS, objective)
    np.testing.assert_allclose(found.fitness, expected, atol=2e-5)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(of_daily, expected, atol=2e-5)


@jax.jit
def judged_twice(objective, weights):
    """Candidates judged at once, and by way of their daily values."""
    found = objective.judge(weights)
    return found, objective.of_daily(objective.daily(weights), found.weights)


@hypothesis_settings(max_examples=25)
@given(
    seed=st.integers(0, 2**31),
    dates=st.sampled_from([1, 2, 7, 30]),
    blocks=st.sampled_from([2, 4, 9]),
    unknown=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
)
def test_reductions_are_those_of_a_slow_loop(seed, dates, blocks, unknown):
    rng = np.random.default_rng(seed)
    daily = np.clip(rng.normal(0.1, 0.3, (5, dates)), -1, 1).astype(np.float32)
    usable = rng.random(dates) >= unknown / 2
    daily[:, ~usable] = np.nan
    daily[rng.random(daily.shape) < unknown] = np.nan
    members, found = reductions(jnp.asarray(daily), jnp.asarray(usable), blocks)
    assert [np.flatnonzero(row).tolist() for row in np.asarray(members)] == (
        slow_stretches(usable, blocks) if usable.any() else [[]] * blocks
    )
    equal = np.full((5, 2), 0.5)
    for kind, values in found.items():
        objective = {"kind": kind} if kind == "mean" else {"kind": kind, "blocks": blocks}
        if not usable.any():
            assert np.isnan(values).all()
            continue
        expected = slow_value(daily, usable, equal, equal[0], objective)
        np.testing.assert_allclose(values, expected, atol=1e-5, err_msg=kind)


@partial(jax.jit, static_argnames="blocks")
def reductions(daily, usable, blocks):
    """The members of each block, and the value of every kind of mean."""
    members = stretches(usable, blocks)
    return members, {"mean": mean_of_days(daily), **{kind: reduced(daily, members) for kind, reduced in REDUCTIONS.items()}}


@hypothesis_settings(max_examples=10)
@given(seed=st.integers(0, 2**31), name=st.sampled_from(sorted(OBJECTIVES)), power=st.integers(-6, 6))
def test_a_value_depends_neither_on_the_others_nor_on_the_scale(seed, name, power):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(ARCHETYPES), 6).astype(np.float32)
    order = rng.permutation(6)
    value = np.asarray(_judged(name, weights))
    np.testing.assert_array_equal(_judged(name, weights[order]), value[order])
    others = np.concatenate([weights[:1], rng.dirichlet(np.ones(ARCHETYPES), 5).astype(np.float32)])
    np.testing.assert_array_equal(_judged(name, others)[0], value[0])
    np.testing.assert_array_equal(_judged(name, weights * np.float32(2.0**power)), value)


def _judged(name: str, weights: np.ndarray) -> np.ndarray:
    return np.asarray(_judge(objective_of(OBJECTIVES[name]), weights))


@jax.jit
def _judge(objective, weights):
    return objective.judge(weights).fitness


@pytest.mark.parametrize("objective", EACH_KIND.values(), ids=EACH_KIND)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_improves_every_objective(algorithm, objective):
    search = on(ALGORITHMS[algorithm], objective)
    previous = {"previous": PREVIOUS} if search.uses_previous else {}
    found = search_window(*planted(), search, key=jax.random.key(0), **previous)
    assert np.isfinite(found.history).all()
    assert found.history[-1] > found.history[0]
    assert found.value == found.chain_value.max() == found.history[-1]
    weights = np.asarray(found.weights)[None]
    expected = slow_value(slow_daily(weights, "combined"), usable_dates(), weights, PREVIOUS, objective)
    np.testing.assert_allclose(found.value, expected[0], atol=2e-5)
    np.testing.assert_array_equal(found.fitness, fitness(*planted(), weights)[0])
    np.testing.assert_array_equal(found.chain_fitness, fitness(*planted(), found.chain_weights))
    assert (found.chain_weights > 0).all()


@pytest.mark.parametrize("name", ["shrunk mean", "median of blocks", "worst fold, previous"])
def test_smooth_values_have_gradients_that_are_finite_differences(name):
    objective = objective_of(OBJECTIVES[name])
    daily = jnp.asarray(np.random.default_rng(3).normal(0.1, 0.2, (3, DATES)), jnp.float32).at[1, 2].set(jnp.nan)
    weights = jnp.asarray(np.random.default_rng(4).dirichlet(np.ones(ARCHETYPES), 3), jnp.float32)
    value = jax.jit(lambda d: objective.of_daily(d, weights))
    slope = np.asarray(jax.jit(jax.grad(lambda d: objective.of_daily(d, weights).sum()))(daily))
    assert np.isfinite(slope).all()
    step = 1e-3
    for date in (0, 5, 10):
        nudge = jnp.zeros(DATES).at[date].set(step)[None]
        numeric = (value(daily + nudge) - value(daily - nudge)) / (2 * step)
        np.testing.assert_allclose(slope[:, date], numeric, atol=2e-3)


def test_the_average_is_that_of_the_best_chains():
    search = Annealing(chains=16, steps=8)
    single = search_window(*planted(), search, key=jax.random.key(0))
    found = search_window(*planted(), search.replace(average=0.25), key=jax.random.key(0))
    np.testing.assert_array_equal(found.chain_weights, single.chain_weights)
    best = np.argsort(-np.asarray(single.chain_fitness), kind="stable")[:4]
    np.testing.assert_allclose(found.weights, np.asarray(single.chain_weights)[best].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(found.fitness, fitness(*planted(), found.weights[None])[0])
    alone = search_window(*planted(), search.replace(average=0.01), key=jax.random.key(0))
    np.testing.assert_array_equal(alone.weights, single.weights)
    np.testing.assert_array_equal(alone.fitness, single.fitness)


def test_an_average_leaves_out_what_is_undefined_and_is_defined():
    up = np.linspace(0, 1, 12, dtype=np.float32)[:, None].repeat(3, axis=1)
    returns = jnp.asarray(np.random.default_rng(0).normal(size=(12, 3)), jnp.float32)
    mirrors = prepared(jnp.asarray(np.stack([up, 1 - up])), jnp.ones((12, 3), bool), returns, "renormalize")
    mirrored = make_objective(ObjectiveSettings(), mirrors, jnp.float32(0.5), "mean", jnp.full(2, 0.5))
    best = jax.jit(mirrored.judge)(jnp.asarray([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]]))
    assert np.isnan(best.fitness[1])
    average = jax.jit(lambda best: average_of_best(mirrored, best, 1.0))
    found = average(best)  # the two that are defined cancel
    np.testing.assert_array_equal(found.fitness[0], np.nanmax(best.fitness))
    assert np.isfinite(found.weights).all()
    nothing = Evaluated(best.weights, jnp.full(3, jnp.nan))
    np.testing.assert_array_equal(average(nothing).weights[0], best.weights[0])


def test_penalties_pull_where_they_say():
    search = DifferentialEvolution(chains=32, steps=40)
    key = jax.random.key(0)
    near_equal = search_window(*planted(), search.replace(objective={"kl_uniform": 100.0}), key=key)
    np.testing.assert_allclose(near_equal.weights, 0.25, atol=0.02)
    for penalty in ("kl_previous", "turnover"):
        kept = search_window(*planted(), search.replace(objective={penalty: 100.0}), key=key, previous=[0.4, 0.3, 0.2, 0.1])
        np.testing.assert_allclose(kept.weights, [0.4, 0.3, 0.2, 0.1], atol=0.02)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"objective": {"kind": "median"}}, "objective.kind"),
        ({"objective": {"kinds": "mean"}}, "did you mean 'kind'"),
        ({"objective": {"kind": "worst_fold", "blocks": 1}}, "objective.blocks"),
        ({"objective": {"blocks": 3}}, "blocks 3 do nothing with kind 'mean'"),
        ({"objective": {"turnover": -1.0}}, "objective.turnover"),
        ({"objective": "worst_fold"}, "objective: expected a mapping"),
        ({"average": 0.0}, "average"),
        ({"average": 1.5}, "average"),
    ],
)
def test_nonsense_is_named(mapping, message):
    with pytest.raises(ConfigError, match=message):
        settings_from_mapping({"method": "annealing", **mapping})


def test_names_of_what_is_climbed_are_kept():
    assert GradientSearch(objective="ic").objective == SmoothObjectiveSettings(smooth="ic")
    assert settings_from_mapping({"method": "gradient", "objective": "ic"}) == GradientSearch(objective={"smooth": "ic"})
    with pytest.raises(ConfigError, match=r"objective\.smooth.*soft_rank_ic"):
        settings_from_mapping({"method": "gradient", "objective": "icc"})


@pytest.mark.parametrize(
    ("objective", "previous", "error", "message"),
    [
        ({}, [0.25] * 4, ConfigError, "previous does nothing"),
        ({"turnover": 1.0}, [0.5, 0.5], DataError, "one weight for each of the 4 archetypes"),
        ({"turnover": 1.0}, [1, -1, 1, 1], DataError, "negative"),
    ],
)
def test_bad_weights_of_yesterday_are_named(objective, previous, error, message):
    with pytest.raises(error, match=message):
        search_window(
            *planted(), Annealing(chains=2, steps=1, objective=objective), key=jax.random.key(0), previous=np.array(previous, float)
        )
