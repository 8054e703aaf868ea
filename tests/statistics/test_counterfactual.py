from __future__ import annotations

import numpy as np
import pytest

from massjax.errors import DataError
from massjax.statistics.counterfactual import counterfactual_measures


def drawn(facts: float, name: float, seed: int = 0, stocks: int = 30, dates: int = 80):
    rng = np.random.default_rng(seed)
    of_facts, of_name = facts * rng.normal(size=(stocks, dates)), name * rng.normal(size=(stocks, dates))
    donor = (np.arange(stocks)[:, None] + rng.integers(1, stocks, dates)) % stocks
    score = 0.5 + 0.1 * (of_facts + of_name)
    return score, 0.5 + 0.1 * (np.take_along_axis(of_facts, donor, axis=0) + of_name), donor


@pytest.mark.parametrize(("facts", "name"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 1.0)])
def test_shares_of_the_variance_are_those_planted(facts: float, name: float) -> None:
    found = counterfactual_measures(*drawn(facts, name))
    total = facts**2 + name**2
    assert found.facts.value == pytest.approx(facts**2 / total, abs=0.05)
    assert found.name.value == pytest.approx(name**2 / total, abs=0.05)
    assert found.name.low - 0.02 <= name**2 / total <= found.name.high + 0.02


@pytest.mark.parametrize("stocks", [2, 3, 5])
def test_few_stocks_of_a_date_do_not_bias_the_shares(stocks: int) -> None:
    found = counterfactual_measures(*drawn(1.0, 1.0, stocks=stocks, dates=4000))
    assert (found.facts.value, found.name.value) == pytest.approx((0.5, 0.5), abs=0.03)
    alone = counterfactual_measures(*drawn(1.0, 0.0, stocks=stocks, dates=4000))
    assert (alone.facts.value, alone.name.value) == pytest.approx((1.0, 0.0), abs=0.03)


def test_measures_are_those_of_loops() -> None:
    score, swapped, donor = drawn(1.0, 0.5, seed=1, stocks=6, dates=7)
    rng = np.random.default_rng(2)
    swapped[rng.random(swapped.shape) < 0.2] = np.nan
    donor[0, :3] = -1
    score[1, 2] = np.nan
    found = counterfactual_measures(score, swapped, donor)
    same, change, top_facts, top_name, size = [], [], 0.0, 0.0, 0.0
    for t in range(7):
        pairs = [n for n in range(6) if donor[n, t] >= 0 and np.isfinite([score[n, t], swapped[n, t]]).all()]
        same += [np.sign(score[n, t] - 0.5) == np.sign(swapped[n, t] - 0.5) for n in pairs]
        change += [abs(abs(2 * swapped[n, t] - 1) - abs(2 * score[n, t] - 1)) for n in pairs]
        three = [n for n in pairs if np.isfinite(score[donor[n, t], t])]
        own, other, new = (np.array(v) for v in zip(*((score[n, t], score[donor[n, t], t], swapped[n, t]) for n in three), strict=True))
        own, other, new = own - own.mean(), other - other.mean(), new - new.mean()
        here, k = (own @ own + other @ other + new @ new) / 3, len(three)
        top_facts, top_name = top_facts + ((k - 1) * (new @ other) + here) / k, top_name + ((k - 1) * (new @ own) + here) / k
        size += here
    assert found.count == len(same)
    assert found.consistency.value == pytest.approx(np.mean(same))
    assert found.confidence_invariance.value == pytest.approx(1 - np.mean(change))
    assert (found.facts.value, found.name.value) == pytest.approx((top_facts / size, top_name / size))


def test_a_model_that_looks_at_names_alone_never_changes_its_mind() -> None:
    found = counterfactual_measures(*drawn(0.0, 1.0))
    assert (found.consistency.value, found.confidence_invariance.value, found.name.value) == pytest.approx((1.0, 1.0, 1.0), abs=0.03)
    assert found.chance == pytest.approx(0.49, abs=0.02)


@pytest.mark.parametrize("value", [0.5, 0.1])
def test_scores_that_are_all_alike_explain_nothing(value: float) -> None:
    score, _, donor = drawn(1.0, 0.0, stocks=7)
    found = counterfactual_measures(np.full_like(score, value), np.full_like(score, value), donor)
    assert np.isnan(found.facts.value)
    assert "all answers of a date are the same" in found.facts.reason
    assert found.consistency.value == 1.0


def test_without_a_pair_it_says_so() -> None:
    score, swapped, donor = drawn(1.0, 0.0)
    found = counterfactual_measures(score, np.full_like(swapped, np.nan), donor)
    assert found.count == 0
    assert "no stock and date has an answer both" in found.consistency.reason


def test_donors_that_cannot_be_are_named() -> None:
    score, swapped, donor = drawn(1.0, 0.0)
    with pytest.raises(DataError, match="none of the 30"):
        counterfactual_measures(score, swapped, np.where(donor == 3, 30, donor))
    with pytest.raises(DataError, match="its own donor"):
        counterfactual_measures(score, swapped, np.where(np.arange(30)[:, None] == 2, 2, donor))
