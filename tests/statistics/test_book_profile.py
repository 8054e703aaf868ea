from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.errors import DataError
from massjax.statistics.book_profile import depth_profile, relative_spread, spread_profile


def test_the_relative_spread_is_of_the_mid_and_of_two_sided_books() -> None:
    bid = np.array([[99.0, 100.0, np.nan, 100.0, 0.0]])
    ask = np.array([[101.0, 100.0, 101.0, 99.0, 1.0]])
    np.testing.assert_allclose(relative_spread(bid, ask), [[0.02, np.nan, np.nan, np.nan, np.nan]])


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 12), st.floats(0, 1))
def test_the_profile_of_the_spread_is_numpys(seed: int, ticks: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    spread = np.where(rng.random((3, ticks)) < missing, np.nan, rng.gamma(2.0, size=(3, ticks)))
    found = spread_profile(spread)
    for market, series in enumerate(spread):
        known = series[np.isfinite(series)]
        assert found.quoted[market] == pytest.approx(known.size / ticks)
        expected = (known.mean(), np.median(known), known.std()) if known.size else (np.nan,) * 3
        assert (found.mean[market], found.median[market], found.deviation[market]) == pytest.approx(expected, nan_ok=True)


def test_of_one_series_and_of_none_there_is_a_profile_too() -> None:
    assert float(spread_profile(np.array([0.1, 0.3])).median) == pytest.approx(0.2)
    empty = spread_profile(np.empty((2, 0)))
    assert empty.quoted.tolist() == [0.0, 0.0]
    assert np.isnan([empty.mean, empty.median, empty.deviation]).all()


def slow_profile(prices: np.ndarray, volumes: np.ndarray, sides: np.ndarray, edges: np.ndarray, side: int) -> tuple[list[float], float]:
    totals, quoted = [0.0] * (len(edges) - 1), 0
    for price, volume, which in zip(prices, volumes, sides, strict=True):
        orders = [(float(p), float(v)) for p, v, s in zip(price, volume, which, strict=True) if s == side and v > 0]
        if not orders:
            continue
        quoted += 1
        best = max(p for p, _ in orders) if side > 0 else min(p for p, _ in orders)
        for p, v in orders:
            for i in range(len(edges) - 1):
                totals[i] += v if edges[i] <= abs(p - best) < edges[i + 1] else 0.0
    return [total / quoted if quoted else np.nan for total in totals], quoted / len(prices)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 8))
def test_the_depth_profile_is_that_written_with_loops(seed: int, snapshots: int, slots: int) -> None:
    rng = np.random.default_rng(seed)
    prices = rng.integers(90, 110, size=(2, snapshots, slots))
    volumes = rng.integers(0, 5, size=prices.shape)
    sides = rng.integers(-1, 2, size=prices.shape)
    edges = np.array([0.0, 1.0, 4.0, 8.0])
    found = depth_profile(prices, volumes, sides, edges)
    for market in range(2):
        for side, profile, quoted in ((1, found.bids, found.bids_quoted), (-1, found.asks, found.asks_quoted)):
            expected, share = slow_profile(prices[market], volumes[market], sides[market], edges, side)
            np.testing.assert_allclose(profile[market], expected)
            assert quoted[market] == pytest.approx(share)


def test_of_orders_laid_evenly_the_profile_is_flat() -> None:
    prices = np.concatenate([np.arange(1, 101), np.arange(101, 201)])[None]
    sides = np.where(prices <= 100, 1, -1)
    found = depth_profile(prices, np.full(prices.shape, 3), sides, np.arange(0.0, 51.0, 10.0))
    assert found.bids.tolist() == found.asks.tolist() == [30.0] * 5


def test_what_does_not_fit_is_refused() -> None:
    book = np.ones((2, 3, 4))
    with pytest.raises(DataError, match="a book needs one shape"):
        depth_profile(book, book[:1], book, np.array([0.0, 1.0]))
    for edges in ([0.0], [-1.0, 1.0], [1.0, 1.0]):
        with pytest.raises(DataError, match="two edges"):
            depth_profile(book, book, book, np.array(edges))
