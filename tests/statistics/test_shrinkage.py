from __future__ import annotations

import numpy as np
import pytest

from massjax.statistics.shrinkage import shrinkage


def test_shrinkage_takes_its_own_dates_and_gains_on_shared_ones() -> None:
    """A factor and its mirror: uniform weights have no RankIC at all, which says nothing about the search."""
    nothing, part = np.full(4, np.nan), np.array([np.nan, 0.0, 0.1, np.nan])
    fitness, rank_ic = np.array([0.3, 0.3, 0.5, np.nan]), np.array([0.1, 0.2, 0.3, 0.4])
    alone = shrinkage(fitness, rank_ic, nothing, nothing)
    assert (alone.dates, alone.compared) == (3, 0)
    assert (alone.in_sample, alone.out_of_sample, alone.shrinkage) == pytest.approx((1.1 / 3, 0.2, 1.1 / 3 - 0.2))
    assert np.isnan([alone.in_sample_gain, alone.out_of_sample_gain, alone.kept]).all()
    shared = shrinkage(fitness, rank_ic, part, part)
    assert (shared.dates, shared.compared) == (3, 2)
    assert shared.in_sample == alone.in_sample
    assert (shared.in_sample_gain, shared.out_of_sample_gain, shared.kept) == pytest.approx((0.35, 0.2, 0.2 / 0.35))


def test_shrinkage_compares_the_same_dates() -> None:
    fitness, rank_ic = np.array([np.nan, 0.2, 0.4, 0.3]), np.array([0.9, 0.1, 0.0, np.nan])
    uniform_fitness, uniform_rank_ic = np.array([0.0, 0.05, 0.05, 0.9]), np.array([0.0, 0.0, 0.0, 0.9])
    found = shrinkage(fitness, rank_ic, uniform_fitness, uniform_rank_ic)
    assert found.dates == found.compared == 2
    assert (found.in_sample, found.out_of_sample, found.shrinkage) == pytest.approx((0.3, 0.05, 0.25))
    assert (found.in_sample_gain, found.out_of_sample_gain, found.kept) == pytest.approx((0.25, 0.05, 0.2))


def test_shrinkage_of_nothing_and_of_no_gain() -> None:
    nothing = shrinkage(*[np.full(3, np.nan)] * 4)
    assert nothing.dates == nothing.compared == 0
    assert np.isnan(nothing.in_sample)
    assert np.isnan(nothing.kept)
    series = np.array([0.1, 0.2])
    assert np.isnan(shrinkage(series, series, series, series).kept)
