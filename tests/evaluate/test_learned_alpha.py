"""`alpha: learned`: what is chosen on each date, from the look-back alone, and everything that must follow it."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import massjax as mj
from massjax.errors import ConfigError
from massjax.evaluate.draws import make_draws
from massjax.evaluate.learned_alpha import ALPHAS, UNKNOWN, learned_alphas, redrawn_alphas
from massjax.evaluate.repeated import Repetitions
from massjax.evaluate.settings import EvaluateSettings
from massjax.pipeline import run
from massjax.report.html import render_report
from massjax.report.tables import metrics_document
from massjax.search import Annealing, Posterior
from massjax.timing import Timing
from tests.engine import slow_reference as slow
from tests.small_run import small_config

TIMING = Timing(lookback=6, horizon=2, execution_lag=1)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(2)
    scores = rng.random((4, 10, 24)).astype(np.float32)
    return scores, np.ones((10, 24), bool), rng.normal(size=(10, 24)).astype(np.float32)


def slow_alphas(scores, member, returns, timing):
    """Date by date, one share after the other."""
    found = np.full(scores.shape[2], UNKNOWN)
    for date in range(timing.first_search, scores.shape[2]):
        window = timing.window(date)
        given = scores[..., window], member[:, window], returns[:, window], np.ones((1, len(scores)))
        means = [slow.fitness(*given, alpha=float(alpha), signal="combined")[0] for alpha in ALPHAS]
        found[date] = ALPHAS[int(np.argmax(np.round(means, 6)))]
    return found


def test_on_each_date_it_is_the_best_for_equal_weights_over_the_look_back(panel):
    found = learned_alphas(*panel, TIMING, "renormalize")
    np.testing.assert_allclose(found, slow_alphas(*panel, TIMING))
    assert len(set(found[TIMING.first_search :].tolist())) > 2


def test_nothing_later_than_the_window_is_seen(panel):
    scores, member, returns = panel
    end = TIMING.window(15).stop
    later = returns.copy()
    later[:, end:] = -later[:, end:]
    before, after = (learned_alphas(scores, member, given, TIMING, "renormalize") for given in (returns, later))
    np.testing.assert_array_equal(before[:16], after[:16])
    assert (before != after).any()


def test_a_walk_searches_and_ranks_with_what_it_learned(panel):
    found = mj.walk_forward(*panel, Annealing(chains=4, steps=4), TIMING, key=KEY, alpha="learned")
    alphas = learned_alphas(*panel, TIMING, "renormalize")
    np.testing.assert_array_equal(found.learned_alpha, [UNKNOWN, *alphas[:-1]])
    share = found.learned_alpha[None]
    np.testing.assert_allclose(found.combined, share * found.mean + (1 - share) * found.disagreement, atol=1e-6)
    for date in (TIMING.first_applied, 23):
        window = TIMING.window(date - 1)
        given = tuple(values[..., window] for values in panel)
        fitted = slow.fitness(*given, found.weights[date][None], alpha=float(found.learned_alpha[date]))[0]
        assert float(found.fitness[date]) == pytest.approx(fitted, abs=1e-5)
    one = mj.walk_forward(*panel, Annealing(chains=4, steps=4), TIMING, key=KEY, alpha=float(alphas[-2]))
    np.testing.assert_array_equal(found.weights[-1], one.weights[-1])


@pytest.mark.slow
def test_each_draw_of_the_returns_learns_anew(panel):
    scores, member, returns = panel
    draws = make_draws(returns, [TIMING], 4)
    repetitions = Repetitions(draws, scores, member, returns, None, np.arange(9, 24), 0.5, "combined", "renormalize")
    found = redrawn_alphas(repetitions, TIMING)
    for draw in range(len(draws)):
        expected = slow_alphas(scores, member, draws.returns(returns, draw), TIMING)
        np.testing.assert_allclose(found[draw], [UNKNOWN, *expected[:-1]])


@pytest.mark.slow
def test_an_estimator_takes_one_alpha_for_all_dates(panel):
    with pytest.raises(ConfigError, match="Posterior takes one alpha for all dates, and cannot have `alpha: learned`; set `fit_signal`"):
        mj.walk_forward(*panel, Posterior(), TIMING, key=KEY, alpha="learned")
    walk = mj.walk_forward(*panel, Posterior(), TIMING, key=KEY, alpha="learned", fit_signal="mean")
    np.testing.assert_array_equal(walk.weights, mj.walk_forward(*panel, Posterior(), TIMING, key=KEY, fit_signal="mean").weights)


@pytest.mark.slow
def test_a_run_shares_it_among_its_strategies_and_repeats_it():
    result = run(small_config(evaluate={"alpha": "learned", "repetitions": 5}))
    alphas = result.learned_alpha
    assert alphas is not None
    assert set(alphas[result.evaluated].tolist()) <= set(ALPHAS.tolist())
    for name in ("annealing", "uniform", "equal_risk"):
        strategy = result.strategy(name)
        expected = alphas[None] * strategy.signals["mean"] + (1 - alphas[None]) * strategy.signals["disagreement"]
        np.testing.assert_allclose(strategy.signals["combined"], expected, atol=1e-6)
        assert strategy.evidence.luck is not None
    document = metrics_document(result)
    np.testing.assert_allclose(document["learned_alpha"], alphas[result.evaluated], atol=1e-6)
    assert document["fitted"]["alpha"] == "learned"
    assert "learned on equal weights" in render_report(result)


@pytest.mark.parametrize("alpha", ["lerned", 1.5, -0.1, float("nan"), None])
def test_what_is_no_share_is_named(panel, alpha):
    with pytest.raises(ConfigError, match=r"^EvaluateSettings: alpha: expected a number from 0 to 1, or learned"):
        EvaluateSettings(alpha=alpha)
    with pytest.raises(ConfigError, match="alpha"):
        mj.walk_forward(*panel, Annealing(chains=4, steps=4), TIMING, key=KEY, alpha=alpha)
