"""Ready-made returns against prices: shift, horizon, sign, unit, noise, dividends, gaps and few rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from massjax.market.agreement import disagreements
from massjax.market.returns import forward_returns

FILE = Path("labels.csv")


def prices(stocks: int = 12, dates: int = 200, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (stocks, dates)) + rng.normal(0.0, 0.01, dates), axis=1))


def shifted(values: np.ndarray, rows: int) -> np.ndarray:
    """Each date's value written `rows` later."""
    moved = np.full_like(values, np.nan)
    moved[:, max(rows, 0) : values.shape[1] + min(rows, 0)] = values[:, max(-rows, 0) : values.shape[1] - max(rows, 0)]
    return moved


@pytest.mark.parametrize("horizon", [1, 5, 10])
@pytest.mark.parametrize("lag", [0, 1, 2])
def test_nothing_is_said_where_they_agree(horizon: int, lag: int) -> None:
    closes = prices()
    assert disagreements({horizon: forward_returns(closes, horizon, lag)}, closes, lag, FILE) == ()


@pytest.mark.parametrize(
    ("horizon", "true", "lag", "said"),
    [
        (1, 1, 0, "the returns over 1 row fit those of the prices from t+1 to t+2 (rank correlation 1.00), not from t to t+1"),
        (1, 0, 1, "fit those of the prices from t to t+1 (rank correlation 1.00), not from t+1 to t+2 as market.execution_lag 1 says"),
        (5, 2, 1, "from t+2 to t+7"),
        (10, 0, 1, "from t to t+10"),
    ],
)
def test_another_lag_is_named(horizon: int, true: int, lag: int, said: str) -> None:
    closes = prices()
    (sentence,) = disagreements({horizon: forward_returns(closes, horizon, true)}, closes, lag, FILE)
    assert said in sentence
    assert sentence.endswith(f"set market.execution_lag to {true}")


@pytest.mark.parametrize(("horizon", "rows", "said"), [(1, 1, "from t-1 to t "), (5, 5, "from t-5 to t "), (5, 6, "from t-6 to t-1 ")])
def test_returns_that_are_past_on_their_date_are_told(horizon: int, rows: int, said: str) -> None:
    closes = prices()
    (sentence,) = disagreements({horizon: shifted(forward_returns(closes, horizon, 0), rows)}, closes, 0, FILE)
    assert said in sentence
    assert "a decision would know them: shift the table" in sentence


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (lambda r: 100.0 * r, "fit those of the prices in percent;"),
        (lambda r: r / 100.0, "divided by 100;"),
        (np.log1p, "as logarithms;"),
        (lambda r: 100.0 * np.log1p(r), "in percent and as logarithms;"),
        (lambda r: np.round(np.log1p(r), 6), "as logarithms;"),
        (lambda r: -r, "are those of the prices from t+1 to t+2 with their sign reversed (rank correlation -1.00); turn their sign"),
    ],
)
def test_units_logarithms_and_signs_are_told(form: Callable[[np.ndarray], np.ndarray], said: str) -> None:
    closes = prices()
    (sentence,) = disagreements({1: form(forward_returns(closes, 1, 1))}, closes, 1, FILE)
    assert said in sentence


def test_another_horizon_is_named() -> None:
    closes = prices()
    (sentence,) = disagreements({1: forward_returns(closes, 5, 1)}, closes, 1, FILE)
    assert "from t+1 to t+6" in sentence
    assert sentence.endswith("does the column hold returns over 5 rows?")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("true", [0, 1])
def test_noise_hides_no_shift_and_makes_none(true: int, seed: int) -> None:
    closes = prices(seed=seed)
    returns = forward_returns(closes, 5, true)
    noisy = returns + np.random.default_rng(seed + 100).normal(0.0, 0.7 * np.nanstd(returns), returns.shape)
    found = disagreements({5: noisy}, closes, 1, FILE)
    assert [("from t to t+5" in sentence) for sentence in found] == ([True] if true == 0 else [])


@pytest.mark.parametrize("form", [lambda r: r - r.mean(axis=0), lambda r: (r - r.mean(axis=0)) / r.std(axis=0)])
def test_returns_beyond_the_markets_and_standardised_ones_agree(form: Callable[[np.ndarray], np.ndarray]) -> None:
    closes = prices()
    assert disagreements({5: form(forward_returns(closes, 5, 1))}, closes, 1, FILE) == ()
    assert "from t+1 to t+6" in disagreements({5: form(forward_returns(closes, 5, 1))}, closes, 0, FILE)[0]


def test_dividends_that_only_the_returns_know_do_not_matter() -> None:
    closes = prices()
    paid = closes.copy()
    for n in range(12):
        paid[n, 30 + n :] *= 0.98
        paid[n, 110 + n :] *= 0.98
    assert disagreements({1: forward_returns(closes, 1, 1)}, paid, 1, FILE) == ()
    assert "execution_lag to 1" in disagreements({1: forward_returns(closes, 1, 1)}, paid, 0, FILE)[0]


def test_gaps_do_not_matter() -> None:
    closes = prices()
    returns = forward_returns(closes, 1, 1)
    closes[np.random.default_rng(1).random(closes.shape) < 0.3] = np.nan
    assert disagreements({1: returns}, closes, 1, FILE) == ()
    assert "execution_lag to 1" in disagreements({1: returns}, closes, 0, FILE)[0]


def test_two_stocks_on_eight_dates_suffice_where_the_values_are_the_same() -> None:
    closes = prices(stocks=2, dates=8)
    assert "execution_lag to 1" in disagreements({1: forward_returns(closes, 1, 1)}, closes, 0, FILE)[0]
    assert disagreements({1: forward_returns(closes, 1, 1)}, closes, 1, FILE) == ()


def test_returns_of_something_else_are_told() -> None:
    closes, other = prices(), prices(seed=9)
    sentences = disagreements({1: forward_returns(other, 1, 1)}, closes, 1, FILE)
    assert "have little to do with those of the prices from t+1 to t+2" in sentences[0]


def test_returns_of_other_stocks_are_told() -> None:
    closes = prices(stocks=8, dates=120)
    (sentence,) = disagreements({1: forward_returns(closes, 1, 1)[::-1]}, closes, 1, FILE)
    assert "have little to do with those of the prices from t+1 to t+2" in sentence


def test_what_cannot_be_compared_is_not_judged() -> None:
    closes = prices()
    assert disagreements({1: np.full_like(closes, np.nan), 5: np.full_like(closes, 0.5)}, closes, 1, FILE) == ()
    assert disagreements({1: forward_returns(prices(stocks=1), 1, 1)}, prices(stocks=1), 0, FILE) == ()
