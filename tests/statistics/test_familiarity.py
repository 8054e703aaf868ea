from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api
from scipy import stats

from massjax.statistics.familiarity import beyond_facts, familiarity_test


def drawn(seed: int, stocks: int = 12, dates: int = 15):
    rng = np.random.default_rng(seed)
    shape = (stocks, dates)
    score = rng.normal(size=shape) + rng.normal(size=(stocks, 1))
    familiarity = rng.normal(size=shape) + rng.normal(size=(1, dates))
    size = rng.normal(size=(stocks, 1)).repeat(dates, axis=1) + 0.1 * rng.normal(size=shape)
    shared = rng.normal(size=(stocks, 1)) * score + rng.normal(size=(1, dates)) * score
    returns = 0.2 * score * familiarity + 0.3 * size + shared + rng.normal(size=shape)
    returns[rng.random(shape) < 0.1] = np.nan
    return score, familiarity, returns, size[None], rng.random(shape) < 0.95


def reference(columns, returns, known, effects: bool):
    """Coefficients of statsmodels and the largest of its two-way and one-way errors, with an indicator for each date."""
    stock, day = np.nonzero(known)
    indicators = (day[:, None] == np.arange(known.shape[1])).astype(float) if effects else np.ones((stock.size, 1))
    fitted = statsmodels.api.OLS(returns[known], np.column_stack([*(column[known] for column in columns), indicators])).fit()
    errors = []  # squared
    for groups in (np.column_stack([stock, day]), stock, day):
        robust = fitted.get_robustcov_results("cluster", groups=groups, use_correction=False)
        errors.append(np.diag(robust.cov_params())[: len(columns)])
    clusters = min(np.unique(stock).size, np.unique(day).size)
    return fitted.params[: len(columns)], np.sqrt(np.max(errors, axis=0) * clusters / (clusters - 1)), clusters


def standard(values, known):
    return (values - values[known].mean()) / values[known].std()


@pytest.mark.parametrize(("seed", "effects"), [(0, True), (1, True), (2, False)])
def test_coefficients_and_errors_are_those_of_statsmodels(seed: int, effects: bool) -> None:
    score, familiarity, returns, controls, member = drawn(seed)
    known = member & np.isfinite(returns)
    s, familiar, size = (standard(values, known) for values in (score, familiarity, controls[0]))
    values, errors, clusters = reference([s, familiar, s * familiar, size], returns, known, effects)
    found = familiarity_test(score, familiarity, returns, controls, member, horizon=1, date_effects=effects)
    coefficients = (found.score, found.familiarity, found.interaction)
    assert [one.value for one in coefficients] == pytest.approx(values[:3])
    assert [one.standard_error for one in coefficients] == pytest.approx(errors[:3])
    assert found.p_value == pytest.approx(stats.t.sf(values[2] / errors[2], clusters - 1))
    assert found.interaction.p_value == pytest.approx(2 * stats.t.sf(abs(values[2] / errors[2]), clusters - 1))
    assert (found.smallest_cluster, found.count, found.reason) == (12, known.sum(), "")


@pytest.mark.parametrize("effects", [True, False])
def test_between_and_within_dates_are_two_interactions(effects: bool) -> None:
    score, familiarity, returns, controls, member = drawn(3)
    known = member & np.isfinite(returns)
    s, familiar, size = (standard(values, known) for values in (score, familiarity, controls[0]))
    means = np.array([familiar[known[:, t], t].mean() for t in range(15)])
    of_date, apart = standard(np.tile(means, (12, 1)), known), standard(familiar - means, known)
    beside = [s, apart] if effects else [s, apart, of_date]
    values, errors, clusters = reference([s * of_date, s * apart, *beside, size], returns, known, effects)
    found = familiarity_test(score, familiarity, returns, controls, member, horizon=1, date_effects=effects)
    assert [found.between.value, found.within.value] == pytest.approx(values[:2])
    assert [found.between.standard_error, found.within.standard_error] == pytest.approx(errors[:2])
    assert found.p_between == pytest.approx(stats.t.sf(values[0] / errors[0], clusters - 1))


def test_overlapping_returns_make_errors_larger() -> None:
    rng = np.random.default_rng(4)
    days = rng.normal(size=(20, 124))
    returns = sum(days[:, i : i + 120] for i in range(5))
    score = np.cumsum(rng.normal(size=(20, 120)), axis=1)
    familiarity = np.arange(120) * np.ones((20, 1)) + rng.normal(size=(20, 120))
    plain, overlap = (
        familiarity_test(score, familiarity, returns, np.empty((0, 20, 120)), np.ones((20, 120), bool), horizon, by="date")
        for horizon in (1, 5)
    )
    assert overlap.interaction.value == plain.interaction.value
    assert overlap.interaction.standard_error > 1.3 * plain.interaction.standard_error


def test_familiarity_that_does_not_vary_tells_nothing() -> None:
    score, familiarity, returns, controls, member = drawn(5)
    found = familiarity_test(score, np.ones_like(score), returns, controls, member, horizon=1)
    assert np.isnan([found.interaction.value, found.p_value, found.p_between]).all()
    assert "is familiarity the same" in found.reason
    few = familiarity_test(
        score, np.where(np.arange(15) < 1, familiarity, np.nan), returns, controls, member & (np.arange(12) < 4)[:, None], 1
    )
    assert "too few" in few.reason


def test_familiarity_of_stocks_alone_has_nothing_between_dates() -> None:
    score, _, returns, controls, member = drawn(6)
    of_stock = np.random.default_rng(0).normal(size=(12, 1)).repeat(15, axis=1)
    full = np.ones_like(member)
    found = familiarity_test(score, of_stock, np.nan_to_num(returns), controls, full, horizon=1)
    assert np.isnan(found.p_between)
    assert np.isfinite([found.p_value, found.p_within]).all()


def test_what_a_score_has_beyond_facts_is_the_residual_of_a_regression() -> None:
    score, fact, _, controls, member = drawn(7)
    facts = np.stack([fact, np.where(np.arange(fact.shape[1]) % 3 == 0, np.nan, fact**2)])
    score[2, 3] = np.nan
    controls[0, 4, 5] = np.nan
    found = beyond_facts(score, facts, controls, member)
    known = [(n, t) for n in range(score.shape[0]) for t in range(score.shape[1]) if member[n, t] and (n, t) not in ((2, 3), (4, 5))]
    x = np.array([[1.0, *np.nan_to_num(facts[:, n, t]), controls[0, n, t]] for n, t in known])
    y = np.array([score[n, t] for n, t in known])
    expected = y - x @ np.linalg.solve(x.T @ x, x.T @ y)
    np.testing.assert_allclose([found[cell] for cell in known], expected, atol=1e-10)
    assert np.isfinite(found).sum() == len(known)
    alone = beyond_facts(score, facts[:0], controls[:0], member)
    np.testing.assert_allclose(alone, np.where(member, score - score[member & np.isfinite(score)].mean(), np.nan), atol=1e-12)
    assert np.isnan(beyond_facts(np.full_like(score, np.nan), facts, controls, member)).all()


def test_memory_that_drowns_in_skill_is_found_beyond_the_facts() -> None:
    rng = np.random.default_rng(0)
    fact, returns = rng.normal(size=(2, 40, 200))
    remembered = rng.random((1, 200)) < 0.1
    score = fact + 0.2 * remembered * returns + 0.1 * rng.normal(size=(40, 200))
    familiarity, member, none = remembered + rng.normal(size=(40, 200)), np.ones((40, 200), bool), np.empty((0, 40, 200))
    drowned = familiarity_test(score, familiarity, returns, none, member, horizon=1)
    found = familiarity_test(beyond_facts(score, fact[None], none, member), familiarity, returns, fact[None], member, horizon=1)
    assert found.p_between < 1e-6 < drowned.p_between
