from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.stats import rankdata

from massjax.scores.hindsight import SMALLEST_ODDS, ViewCode
from massjax.scores.residual import residual


def logistic(values):
    return 1 / (1 + np.exp(-values))


def world(seed: int = 0, left: float = 0.5, skill: float = 0.0, stocks: int = 20, dates: int = 120, noise: float = 0.0):
    """Scores, blank scores, a fact and the returns that it foretells; half of the dates are remembered."""
    rng = np.random.default_rng(seed)
    fact, fame = rng.normal(size=(stocks, dates)), rng.normal(size=(stocks, 1))
    returns = skill * fact + np.sqrt(1 - skill**2) * rng.normal(size=(stocks, dates))
    memory = 0.8 * returns * (rng.random(dates) < 0.5)
    blank = 0.5 * fame + memory + noise * rng.normal(size=(stocks, dates))
    return logistic(fact + 0.5 * fame + left * memory), logistic(blank), fact, returns


def slow_shares(score, blank, fact, returns, t: int, known_after: int):
    """β and γ on one date, by a regression that is written out, cell by cell; with returns by two-stage least squares."""

    def odds(s):
        s = min(max(s, SMALLEST_ODDS), 1 - SMALLEST_ODDS)
        return np.log(s / (1 - s))

    stocks = len(score)
    b = np.array([[odds(v) for v in row] for row in blank])
    b -= b.mean(axis=0)

    def regression(last: int, instrumented: bool):
        rows, target, outside = [], [], []
        for u in range(last):
            opinion = b[:, :u].mean(axis=1) if u else np.zeros(stocks)
            opinion = opinion - opinion.mean()
            apart = b[:, u] - opinion
            ranks = (rankdata(fact[:, u]) - (stocks + 1) / 2) / stocks
            y = np.array([odds(v) for v in score[:, u]])
            weight = (apart**2).mean()
            via = (rankdata(returns[:, u]) - (stocks + 1) / 2) / stocks if instrumented else apart
            rows.append(np.column_stack([apart, opinion, ranks]))
            outside.append(np.column_stack([weight * via, opinion, ranks]))
            target.append(y - y.mean())
        x, z, y = np.concatenate(rows), np.concatenate(outside), np.concatenate(target)
        return np.linalg.solve(z.T @ x, z.T @ y), x, y

    (beta, *_), _, _ = regression(t - known_after + 1 if returns is not None else t, returns is not None)
    _, x, y = regression(t, False)
    gamma = np.linalg.lstsq(x[:, 1:], y - beta * x[:, 0], rcond=None)[0][0]
    return beta, gamma


@pytest.mark.parametrize("instrumented", [False, True])
def test_shares_are_those_of_a_regression_written_out(instrumented: bool) -> None:
    score, blank, fact, returns = world(noise=0.3)
    found = residual(
        score, blank, np.ones(score.shape, bool), fact[None], past_returns=returns if instrumented else None, horizon=3, execution_lag=1
    )
    for t in (60, 90, 119):
        beta, gamma = slow_shares(score, blank, fact, returns if instrumented else None, t, known_after=4)
        assert found.shares.memory[t] == pytest.approx(beta)
        assert found.shares.opinion[t] == pytest.approx(gamma)
    assert np.isnan(found.shares.memory[:60]).all()
    assert (found.shares.first_stage[60:] > 10).all() == instrumented


def test_the_score_is_the_answers_less_its_shares() -> None:
    score, blank, fact, _ = world()
    found = residual(score, blank, np.ones(score.shape, bool), fact[None])
    t = 100
    b = np.log(blank[:, : t + 1] / (1 - blank[:, : t + 1]))
    b -= b.mean(axis=0)
    opinion = b[:, :t].mean(axis=1)
    less = np.log(score[:, t] / (1 - score[:, t])) - found.shares.memory[t] * (b[:, t] - opinion) - found.shares.opinion[t] * opinion
    assert found.view.score[:, t] == pytest.approx(logistic(less), abs=1e-6)
    assert found.view.score.dtype == np.float32


@pytest.mark.parametrize("left", [0.3, 1.0])
def test_what_is_left_of_memory_is_found_beside_skill_and_noise(left: float) -> None:
    score, blank, fact, returns = world(1, left=left, skill=0.2, stocks=40, dates=300, noise=0.3)
    member, none = np.ones(score.shape, bool), np.empty((0, *score.shape))
    best = residual(score, blank, member, fact[None], past_returns=returns)
    assert best.shares.memory[-1] == pytest.approx(left, abs=0.05)
    plain, unknowing = residual(score, blank, member, fact[None]), residual(score, blank, member, none, past_returns=returns)
    assert plain.shares.memory[-1] < left - 0.02  # blank answers vary for no reason
    assert unknowing.shares.memory[-1] > left + 0.15  # skill is taken for memory


def test_answers_to_facts_of_others_tell_memory_from_skill() -> None:
    rng = np.random.default_rng(3)
    score, blank, fact, returns = world(2, left=0.4, skill=0.3, stocks=40, dates=300)
    odds = np.log(score / (1 - score))
    donor = (np.arange(40)[:, None] + rng.integers(1, 40, 300)) % 40
    swapped = logistic(odds - fact + np.take_along_axis(fact, donor, axis=0))
    asked = np.where(rng.random(score.shape) < 0.3, swapped, np.nan)
    none = np.empty((0, *score.shape))
    found = residual(score, blank, np.ones(score.shape, bool), none, past_returns=returns, learn_from=asked)
    assert found.shares.memory[-1] == pytest.approx(0.4, abs=0.08)


def test_where_nothing_is_remembered_returns_are_no_instrument() -> None:
    rng = np.random.default_rng(4)
    blank, score = logistic(0.2 * rng.normal(size=(20, 100))), logistic(rng.normal(size=(20, 100)))
    found = residual(score, blank, np.ones((20, 100), bool), np.empty((0, 20, 100)), past_returns=rng.normal(size=(20, 100)))
    assert (found.shares.first_stage[60:] < 10).all()
    assert (found.shares.memory[60:] < 0.3).all()
    alike = residual(score, np.full((20, 100), 0.4), np.ones((20, 100), bool), np.empty((0, 20, 100)))
    assert (alike.shares.memory[60:] == 0).all()
    assert alike.view.score[:, 60:] == pytest.approx(score[:, 60:], abs=1e-6)


@hypothesis.given(st.integers(60, 79))
@hypothesis.settings(max_examples=8)
def test_what_comes_later_changes_no_score(t: int) -> None:
    score, blank, fact, returns = world(5, dates=80)
    other = world(6, dates=80)
    later = np.arange(80) > t
    unknown = np.arange(80) > t - 4  # of a horizon of 3 and a lag of 1
    member = np.ones(score.shape, bool)
    found = residual(score, blank, member, fact[None], past_returns=returns, horizon=3, execution_lag=1)
    changed = residual(
        *(np.where(later, theirs, ours) for ours, theirs in zip((score, blank), other[:2], strict=True)),
        member,
        np.where(later, other[2], fact)[None],
        past_returns=np.where(unknown, other[3], returns),
        horizon=3,
        execution_lag=1,
    )
    np.testing.assert_array_equal(found.view.score[:, : t + 1], changed.view.score[:, : t + 1])


@pytest.mark.parametrize("t", [4, 8])
def test_a_fact_that_is_known_later_alone_changes_no_share(t: int) -> None:
    """Of few stocks and dates, where one degree of freedom decides whether returns are an instrument."""
    score, blank, fact, returns = world(7, stocks=4, dates=30, noise=0.4)
    later = np.where(np.arange(30) > t, fact, np.nan)
    settings = {"past_returns": returns, "horizon": 1, "fewest_dates": 2}
    without = residual(score, blank, np.ones(score.shape, bool), fact[None], **settings).shares
    found = residual(score, blank, np.ones(score.shape, bool), np.stack([fact, later]), **settings).shares
    for one, other in zip(found, without, strict=True):
        np.testing.assert_allclose(one[: t + 1], other[: t + 1], rtol=1e-12)
    assert not np.allclose(found.memory[t + 2 :], without.memory[t + 2 :])


def test_cells_without_a_view_say_why() -> None:
    score, blank, fact, returns = world()
    member = np.ones(score.shape, bool)
    member[3, 100] = False
    score[0, 100], blank[1, 100], blank[:, 110] = np.nan, np.nan, np.nan
    fact[4, 50] = np.nan
    found = residual(score, blank, member, fact[None], past_returns=returns, remembered=np.arange(120) < 105)
    reasons = [ViewCode.NO_ANSWER, ViewCode.NO_BLANK_ANSWER, ViewCode.VIEWED, ViewCode.NO_MEMBER]
    assert found.view.code[:4, 100].tolist() == reasons
    assert (found.view.code[:, :60] == ViewCode.NO_PAST).all()
    assert (found.view.code[:, 105:] == ViewCode.AS_ANSWERED).all()
    np.testing.assert_array_equal(found.view.score[:, 105:], score[:, 105:].astype(np.float32))
    shown = (found.view.code == ViewCode.VIEWED) | (found.view.code == ViewCode.AS_ANSWERED)
    np.testing.assert_array_equal(np.isfinite(found.view.score), shown)


def test_scores_of_0_and_1_stay_inside() -> None:
    score, blank, fact, _ = world()
    score[0], blank[1] = 1.0, 0.0
    found = residual(score, blank, np.ones(score.shape, bool), fact[None])
    shown = found.view.score[:, 60:]
    assert np.isfinite(shown).all()
    assert ((shown >= 0) & (shown <= 1)).all()
