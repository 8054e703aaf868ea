from __future__ import annotations

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from massjax.scores.contrast import CAP, FEWEST_DATES, alphas, contrast, contrasted
from massjax.scores.hindsight import SMALLEST_PROBABILITY, ViewCode


def slow_contrast(with_facts, without, alpha):
    """Exact products of powers in place of logarithms, in Python's numbers."""
    weights = [
        max(p, SMALLEST_PROBABILITY) ** (1 + alpha) / max(q, SMALLEST_PROBABILITY) ** alpha
        for p, q in zip(with_facts, without, strict=True)
    ]
    return [weight / math.fsum(weights) for weight in weights]


def distributions(choices: int = 4):
    weights = hnp.arrays(np.float64, choices, elements=st.sampled_from([0.0, 1e-7, 1e-3, 0.1, 0.5, 1.0])).filter(lambda w: w.sum() > 0)
    return weights.map(lambda w: (w / w.sum()).astype(np.float16).astype(np.float32))


@hypothesis.given(distributions(), distributions(), st.sampled_from([0.0, 0.3, 1.0, 4.0]))
def test_it_is_the_product_of_powers(with_facts, without, alpha: float) -> None:
    found = contrasted(with_facts, without, np.array(alpha))
    assert found.dtype == np.float32
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found == pytest.approx(slow_contrast(with_facts.tolist(), without.tolist(), alpha), abs=2e-5)


def test_it_removes_what_is_shared_where_alpha_says_so() -> None:
    ladder = np.linspace(-1, 1, 5)
    facts, memory, left, alpha = 0.7, 1.1, 0.6, 1.5  # α / (1 + α) = 0.6

    def tilted(logit: float):
        return np.exp(logit * ladder) / np.exp(logit * ladder).sum()

    found = contrasted(tilted(facts + left * memory), tilted(memory), np.array(alpha))
    assert found == pytest.approx(tilted((1 + alpha) * facts), abs=1e-6)


def slow_alphas(blank, usable, scale: float, cap: float, fewest: int):
    found = np.full(usable.shape, np.nan)
    distances: list[float] = []
    for t in range(blank.shape[1]):
        past = [blank[n, u] for u in range(t) for n in range(len(blank)) if usable[n, u]]
        if not past or not usable[:, t].any():
            continue
        mean = np.mean(past, axis=0)
        here = {n: 0.5 * np.abs(blank[n, t] - mean).sum() for n in range(len(blank)) if usable[n, t]}
        if usable[:, :t].any(axis=0).sum() >= fewest and distances:
            for n, distance in here.items():
                found[n, t] = min(cap, scale * distance / np.quantile(distances, 0.95))
        distances += here.values()
    return found


def answers(seed: int, stocks: int = 5, dates: int = 16, choices: int = 3):
    return np.random.default_rng(seed).dirichlet(np.ones(choices), (stocks, dates))


@pytest.mark.parametrize("seed", range(3))
def test_alphas_are_those_of_loops(seed: int) -> None:
    blank, usable = answers(seed), np.random.default_rng(seed).random((5, 16)) < 0.8
    usable[:, 6] = False
    found = alphas(blank, usable, scale=3, cap=4, fewest_dates=4)
    np.testing.assert_allclose(found, slow_alphas(blank, usable, 3, 4, 4), rtol=1e-6)


@hypothesis.given(st.integers(5, 15))
def test_what_comes_later_changes_no_alpha(t: int) -> None:
    blank = answers(0)
    changed = np.concatenate([blank[:, :t], answers(1)[:, t:]], axis=1)
    here = np.ones((5, 16), bool)
    found, other = (alphas(values, here, fewest_dates=3)[:, :t] for values in (blank, changed))
    np.testing.assert_array_equal(found, other)


def test_blank_answers_that_are_all_alike_need_no_contrast() -> None:
    blank = np.full((3, 30, 4), 0.25)
    assert (alphas(blank, np.ones((3, 30), bool))[:, 20:] == 0).all()
    blank[1, 29] = [0.5, 0.5, 0, 0]
    assert alphas(blank, np.ones((3, 30), bool))[:, 29].tolist() == [0.0, 4.0, 0.0]


def test_cells_without_a_view_say_why() -> None:
    probability, blank = answers(2, dates=30), answers(3, dates=30)
    mass, blank_mass = np.full((5, 30), 0.9), np.full((5, 30), 0.9)
    probability[0, 25], blank[1, 25], mass[2, 25], blank_mass[3, 25] = np.nan, np.nan, 0.1, 0.1
    found = contrast(probability, blank, mass=mass, blank_mass=blank_mass, minimum_mass=0.5)
    assert found.view.code[:, 25].tolist() == [
        ViewCode.NO_ANSWER, ViewCode.NO_BLANK_ANSWER, ViewCode.LOW_MASS, ViewCode.LOW_BLANK_MASS, ViewCode.VIEWED
    ]  # fmt: skip
    assert (found.view.code[:, :20] == ViewCode.NO_PAST).all()
    np.testing.assert_array_equal(np.isfinite(found.view.score), found.view.code == ViewCode.VIEWED)
    np.testing.assert_array_equal(np.isfinite(found.alpha), found.view.code == ViewCode.VIEWED)
    shown = contrasted(probability[4, 25], blank[4, 25], found.alpha[4, 25])
    assert found.view.score[4, 25] == pytest.approx(float(shown @ [0, 0.5, 1]), abs=1e-6)


def test_after_the_cut_off_answers_stay_and_need_no_blank_one() -> None:
    probability, blank = answers(2, dates=30), answers(3, dates=30)
    blank[:, 28] = np.nan
    probability[0, 28] = np.nan
    found = contrast(probability, blank, remembered=np.arange(30) < 25)
    assert found.view.code[:, 28].tolist() == [ViewCode.NO_ANSWER, *4 * [ViewCode.AS_ANSWERED]]
    assert found.view.score[1:, 25:] == pytest.approx((probability @ [0, 0.5, 1])[1:, 25:], abs=1e-6)
    assert (found.alpha[1:, 25:] == 0).all()


def test_archetypes_may_share_the_strengths() -> None:
    probability, blank = answers(4, dates=30), answers(5, dates=30)
    alone = contrast(probability, blank)
    shared = contrast(probability, blank, alpha=alphas(blank, np.ones((5, 30), bool)))
    np.testing.assert_array_equal(alone.view.score, shared.view.score)
    np.testing.assert_array_equal(alone.alpha, shared.alpha)


def test_a_scale_of_0_takes_nothing_off_an_answer_that_is_unlike_all_before() -> None:
    blank = np.full((4, 30, 2), 0.5)
    blank[0, 29] = [0.4, 0.6]
    found = alphas(blank, np.ones((4, 30), bool), scale=0.0)
    assert (found[:, FEWEST_DATES:] == 0).all()
    assert alphas(blank, np.ones((4, 30), bool))[0, 29] == CAP


@pytest.mark.parametrize("choices", [2, 5, 9])
def test_a_history_that_grows_leaves_earlier_scores_as_they_are_to_the_bit(choices: int) -> None:
    probability, blank = np.random.default_rng(0).dirichlet(np.ones(choices), size=(2, 20, 60)).astype(np.float32)
    whole = contrast(probability, blank, fewest_dates=3).view.score
    for dates in (5, 10, 22, 41, 59):
        shorter = contrast(probability[:, :dates], blank[:, :dates], fewest_dates=3).view.score
        np.testing.assert_array_equal(whole[:, :dates], shorter)
