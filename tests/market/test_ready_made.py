"""Ready-made returns alone: zeros of suspended days and unadjusted splits are told, ordinary returns are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from massjax.market.ready_made import odd_returns

FILE = Path("r.parquet")
DATES = np.arange("2021-01-04", "2021-06-30", dtype="datetime64[D]")
DATES = DATES[np.is_busday(DATES)]
STOCKS = tuple(f"S{n}" for n in range(8))


def ordinary() -> np.ndarray:
    return np.random.default_rng(0).normal(0.0, 0.015, (len(STOCKS), len(DATES)))


def test_ordinary_returns_with_holes_give_no_word() -> None:
    returns = ordinary()
    returns[2, 10:40] = np.nan
    returns[:, -2:] = np.nan
    assert odd_returns({1: returns}, DATES, STOCKS, FILE) == ()
    assert odd_returns({5: np.zeros_like(returns)}, DATES, STOCKS, FILE) == ()


def test_zeros_of_a_suspended_stock_are_named() -> None:
    returns = ordinary()
    returns[0, 40:60] = 0.0
    returns[3, 10:13] = 0.0
    (sentence,) = odd_returns({1: returns}, DATES, STOCKS, FILE)
    assert (
        f"1 stock has a return over 1 row of exactly 0 on 5 or more dates in a row while others moved: S0 on 20 until {DATES[59]};"
        in sentence
    )


def test_unadjusted_splits_are_named() -> None:
    returns = ordinary()
    returns[1, 30] = 0.5 * (1 + returns[1, 30]) - 1
    returns[4, 50] = 10.0 * (1 + returns[4, 50]) - 1
    (sentence,) = odd_returns({1: returns}, DATES, STOCKS, FILE)
    assert "jump as at a split 2 times: S1 on " + str(DATES[30]) in sentence
    assert "are they adjusted for splits?" in sentence


def test_a_day_without_any_move_is_no_suspension() -> None:
    returns = ordinary()
    returns[:, 20:30] = 0.0
    assert odd_returns({1: returns}, DATES, STOCKS, FILE) == ()


def test_returns_after_the_loss_of_everything_are_told() -> None:
    returns = ordinary()
    returns[5, 80] = -1.0
    (sentence,) = odd_returns({1: returns}, DATES, STOCKS, FILE)
    assert f"a return over 1 row of -100 %, which loses everything, is followed by others of its stock once: S5 on {DATES[80]};" in sentence
    returns[5, 81:] = np.nan
    assert odd_returns({1: returns}, DATES, STOCKS, FILE) == ()
