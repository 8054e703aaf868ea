from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from massjax.statistics.circular_shifts import (
    FEWEST_SHIFTS,
    Null,
    choose_null,
    circular_shifts,
    least_shift,
    null_returns,
    p_value,
    pairs_kept,
    shifted,
    stock_permutations,
)
from massjax.statistics.correlation import daily_rank_ic


@given(st.integers(0, 600), st.integers(1, 40), st.integers(1, 300))
def test_shifts_are_all_there_are_or_evenly_spread(dates: int, least: int, count: int) -> None:
    shifts = circular_shifts(dates, least, count)
    every = [s for s in range(dates) if least <= s <= dates - least]
    assert shifts.size == min(count, len(every))
    assert set(shifts.tolist()) <= set(every)
    gaps = np.diff(shifts)
    assert (gaps > 0).all()
    if gaps.size:
        assert gaps.max() - gaps.min() <= 1
        assert (shifts[0], shifts[-1]) == (every[0], every[-1])


@pytest.mark.parametrize(("least", "count"), [(0, 10), (5, 0), (-1, 10)])
def test_a_shift_by_nothing_is_refused(least: int, count: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        circular_shifts(100, least, count)


@settings(max_examples=60)
@given(st.integers(1, 8), st.integers(0, 3), st.integers(0, 30))
def test_no_shifted_return_shares_a_day_with_the_return_of_its_date(horizon: int, lag: int, spare: int) -> None:
    dates = 2 * (horizon + lag) + spare

    def days(t: int) -> set[int]:
        """Days from the decision on which a return of date t is waited for or runs."""
        return set(range(t + 1, t + lag + horizon + 1))

    for s in circular_shifts(dates, least_shift(horizon, lag)):
        moved = shifted(np.arange(dates, dtype=np.float64), int(s)).astype(int)
        assert all(not days(int(moved[t])) & days(t) for t in range(dates))


def test_a_shift_keeps_every_series_whole() -> None:
    returns = np.random.default_rng(0).normal(size=(3, 40))
    returns[1, 7] = np.nan
    moved = shifted(returns, 9)
    for t in range(40):
        np.testing.assert_array_equal(moved[:, (t + 9) % 40], returns[:, t])


@pytest.mark.parametrize(
    ("dates", "lookback", "method", "count"),
    [
        (250, 60, "circular shifts", 200),
        (120, 60, "circular shifts", 109),
        (119, 60, "stock permutations", 200),  # less than two look-backs
        (31, None, "circular shifts", FEWEST_SHIFTS),
        (30, None, "stock permutations", 200),  # 19 shifts
        (0, None, "stock permutations", 200),
    ],
)
def test_the_null_follows_from_the_history(dates: int, lookback: int | None, method: str, count: int) -> None:
    null = choose_null(dates, horizon=5, execution_lag=1, lookback=lookback)
    assert (null.method, null.count) == (method, count)
    assert ("exchangeable" in null.assumption) == (method == "stock permutations")


@pytest.mark.parametrize("dates", [200, 15])
def test_returns_under_the_null_are_as_many_as_it_says_and_hold_the_same_values(dates: int) -> None:
    returns = np.random.default_rng(0).normal(size=(5, dates))
    null = choose_null(dates, horizon=5, count=30)
    drawn = list(null_returns(returns, null, horizon=5))
    assert len(drawn) == null.count == 30
    for draw in drawn:
        assert not np.array_equal(draw, returns)
        np.testing.assert_array_equal(np.sort(draw, axis=None), np.sort(returns, axis=None))
    again = list(null_returns(returns, null, horizon=5))
    np.testing.assert_array_equal(np.stack(drawn), np.stack(again))


def test_deals_are_permutations_all_as_likely() -> None:
    deals = stock_permutations(3, count=6000)
    assert (np.sort(deals, axis=1) == np.arange(3)).all()
    _, often = np.unique(deals, axis=0, return_counts=True)
    assert stats.chisquare(often).pvalue > 0.001
    assert often.size == 6
    assert (stock_permutations(1, count=2) == 0).all()


def test_with_few_stocks_deals_do_not_pretend_to_a_small_p_value() -> None:
    """Of three stocks perfectly ranked the chance is one in six, however many deals are drawn."""
    scores, returns = np.array([0.1, 0.5, 0.9])[:, None], np.array([[-0.01], [0.0], [0.01]])
    draws = np.array([daily_rank_ic(scores, returns[deal])[0] for deal in stock_permutations(3, count=600)])
    assert p_value(1.0, draws).value == pytest.approx(1 / 6, abs=0.05)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_p_value_is_that_of_scipys_monte_carlo_test(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    data, draws = rng.normal(size=8), rng.normal(size=(count, 8))
    theirs = stats.monte_carlo_test(
        data, lambda size: draws, lambda x, axis: x.mean(axis=axis), vectorized=True, n_resamples=count, alternative="greater"
    )
    assert p_value(float(data.mean()), draws.mean(axis=1)).value == pytest.approx(theirs.pvalue, abs=1e-12)


def test_every_place_among_exchangeable_values_is_as_likely() -> None:
    values = np.random.default_rng(0).permutation(20).astype(np.float64)
    p = sorted(p_value(float(values[i]), np.delete(values, i)).value for i in range(20))
    np.testing.assert_allclose(p, np.arange(1, 21) / 20)


def test_undefined_draws_are_left_out_and_counted() -> None:
    null = Null("circular shifts", 4, "none")
    found = p_value(0.5, np.array([0.1, np.nan, 0.9, 0.2]), null)
    assert found.value == pytest.approx(2 / 4)
    assert (found.draws, found.undefined, found.null, found.smallest) == (3, 1, null, 0.25)
    assert found.null_mean == pytest.approx(0.4)
    assert found.null_sd == pytest.approx(np.std([0.1, 0.9, 0.2], ddof=1))


@pytest.mark.parametrize(("observed", "draws"), [(np.nan, [0.1, 0.2]), (0.5, [np.nan]), (0.5, [])])
def test_nothing_to_compare_with_is_nan_not_significant(observed: float, draws: list[float]) -> None:
    assert np.isnan(p_value(observed, np.array(draws)).value)


def test_where_members_change_shifted_returns_meet_fewer_stocks_and_the_null_is_wider() -> None:
    """Half of 40 stocks leave half-way and others take their place; returns are known only inside the universe."""
    rng, stocks, dates = np.random.default_rng(0), 60, 300
    member = np.ones((stocks, dates), bool)
    member[:20, 150:] = member[40:, :150] = False
    scores, everywhere = rng.random((stocks, dates)), rng.normal(size=(stocks, dates))
    inside = np.where(member, everywhere, np.nan)
    shifts = circular_shifts(dates, least_shift(1), count=51)
    kept = pairs_kept(np.isfinite(inside), member, shifts)
    for s, share in zip(shifts, kept, strict=True):
        met = np.isfinite(shifted(inside, int(s))) & member
        assert share == pytest.approx(met.sum() / member.sum())
        assert met.sum(axis=0).min() == 20
    assert kept.min() == pytest.approx(0.5)  # at a shift by half the history only the 20 that stay have returns
    np.testing.assert_allclose(pairs_kept(np.isfinite(everywhere), member, shifts), 1.0)

    def spread(returns: np.ndarray) -> float:
        return float(np.nanstd(np.concatenate([daily_rank_ic(scores, shifted(returns, int(s)), member) for s in shifts])))

    assert spread(inside) > 1.1 * spread(everywhere)
