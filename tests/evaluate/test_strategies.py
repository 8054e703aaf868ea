from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from massjax.evaluate.candidates import Candidate, EvaluationData
from massjax.evaluate.judge import judge_weights
from massjax.evaluate.listed_controls import controls
from massjax.evaluate.settings import EvaluateSettings
from massjax.evaluate.strategies import judge, portfolio_of
from massjax.portfolio.settings import BacktestSettings

ARCHETYPES, STOCKS, DATES = 5, 7, 40


@pytest.fixture(scope="module")
def data() -> EvaluationData:
    rng = np.random.default_rng(4)
    scores = rng.random((ARCHETYPES, STOCKS, DATES)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    returns = 0.02 * rng.standard_normal((STOCKS, DATES))
    settings = EvaluateSettings(horizon=5, lookback=8, gap=5, backtest=BacktestSettings(every=3))
    member = rng.random((STOCKS, DATES)) < 0.9
    return EvaluationData(
        scores,
        ("llm", "llm", "rule", "llm", "rule"),
        member,
        {1: returns, 5: returns},
        settings,
        settings.timing(1),
        np.arange(DATES) >= 14,
        returns,
    )


def test_signals_follow_weights_that_change_from_date_to_date(data: EvaluationData) -> None:
    weights = np.random.default_rng(5).dirichlet(np.ones(ARCHETYPES), DATES)
    found = judge_weights(data.scores, data.member, {}, weights, alpha=0.3, missing="renormalize").signals
    for t in range(DATES):
        for n in range(STOCKS):
            scores = data.scores[:, n, t].astype(np.float64)
            known = np.isfinite(scores)
            if not data.member[n, t] or not known.any():
                assert np.isnan(found["mean"][n, t])
                continue
            w, s = weights[t, known], scores[known]
            mean = (w @ s) / w.sum()
            deviation = np.sqrt((w @ (s - mean) ** 2) / w.sum())
            assert found["mean"][n, t] == pytest.approx(mean, abs=1e-6)
            assert found["disagreement"][n, t] == pytest.approx(-deviation, abs=1e-5)
            assert found["combined"][n, t] == pytest.approx(0.3 * mean - 0.7 * deviation, abs=1e-5)


def test_each_kind_of_archetype_has_its_own_control(data: EvaluationData) -> None:
    by_name = {c.name: c for c in controls(data)}
    assert list(by_name) == ["uniform", "uniform_llm", "uniform_rules", "best_single", "equal_risk"]
    np.testing.assert_allclose(by_name["uniform_llm"].weights[0], [1 / 3, 1 / 3, 0, 1 / 3, 0])
    np.testing.assert_allclose(by_name["uniform_rules"].weights[-1], [0, 0, 0.5, 0, 0.5])
    alike = replace(data, kinds=("rule",) * ARCHETYPES)
    assert [c.name for c in controls(alike)] == ["uniform", "best_single", "equal_risk"]


def test_a_strategy_equal_to_a_control_is_no_better_than_it(data: EvaluationData) -> None:
    same = Candidate("copy", "Copy", "search", "combined", np.full((DATES, ARCHETYPES), 0.2), np.zeros(DATES))
    copy = next(s for s in judge(data, [same, *controls(data)], None) if s.name == "copy")
    for metrics in copy.metrics.values():
        assert metrics.over_uniform.mean == 0.0
        assert metrics.rank_ic.dates == metrics.over_uniform.dates > 0


def test_a_date_that_one_search_does_not_know_is_kept_for_the_others(data: EvaluationData) -> None:
    weights, known = np.full((DATES, ARCHETYPES), 0.2), np.full(DATES, 0.1)
    partly = np.where(np.arange(DATES) < 20, np.nan, known)
    candidates = [
        Candidate("whole", "Whole", "search", "combined", weights, known),
        Candidate("part", "Part", "search", "combined", weights, partly),
        *controls(data),
    ]
    whole, part, uniform, *_ = judge(data, candidates, None)
    np.testing.assert_array_equal(whole.evaluated, data.evaluated)
    np.testing.assert_array_equal(uniform.evaluated, data.evaluated)
    np.testing.assert_array_equal(part.evaluated, data.evaluated & np.isfinite(partly))
    assert whole.metrics[5].rank_ic == uniform.metrics[5].rank_ic
    for daily in (part.fitness, part.rank_ic[5], part.ic[5]):
        assert np.isnan(daily[:20]).all()
        assert np.isfinite(daily[20:]).any()
    assert part.metrics[5].over_uniform.dates == part.metrics[5].rank_ic.dates == whole.metrics[5].rank_ic.dates - 6
    assert (part.shrinkage.dates, whole.shrinkage.dates) == (DATES - 20, DATES - 14)


def test_without_returns_there_is_no_portfolio(data: EvaluationData) -> None:
    nothing = replace(data, returns=None)
    assert portfolio_of(nothing, np.zeros((STOCKS, DATES)), None) is None
    assert all(s.portfolio is None for s in judge(nothing, controls(nothing), None))


def test_the_portfolio_of_everyone_holds_every_member(data: EvaluationData) -> None:
    everyone = replace(data, member=np.ones((STOCKS, DATES), bool))
    held = portfolio_of(everyone, np.zeros((STOCKS, DATES)), None, everyone=True)
    assert held is not None
    assert data.returns is not None
    first = 14 + 1
    growth = 1 + data.returns[:, first + 1]
    cost = 1 - data.settings.backtest.cost / 2
    evened_out = 1e-5
    assert held.backtest.equity[first + 1] == pytest.approx(cost * growth.mean(), rel=evened_out), "less what the second tranche trades"
    assert len(held.band.sharpes) == 3


def test_a_strategy_and_its_portfolio_print_a_line(data: EvaluationData) -> None:
    for strategy in judge(data, controls(data), None):
        assert repr(strategy).startswith(f"Strategy({strategy.name!r}, control, 26 dates, mean RankIC by horizon {{1: ")
        assert repr(strategy.portfolio).startswith("Portfolio(CAGR ")
        assert "\n" not in repr(strategy) + repr(strategy.portfolio)
        assert len(repr(strategy.portfolio)) < 140
