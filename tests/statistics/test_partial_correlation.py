from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.stats import rankdata

from massjax.statistics.circular_shifts import shifted
from massjax.statistics.correlation import daily_rank_ic
from massjax.statistics.partial_correlation import daily_partial_rank_ic, partial_ranks


def slow(signal, returns, controls, member):
    """A regression of ranks on ranks for each date, and the correlation of what is left."""
    found = np.full(signal.shape[1], np.nan)
    for t in range(signal.shape[1]):
        here = [n for n in range(len(signal)) if member[n, t] and np.isfinite([signal[n, t], returns[n, t], *controls[:, n, t]]).all()]
        if len(here) < len(controls) + 3:
            continue
        x = np.column_stack([np.ones(len(here)), *(rankdata(control[here, t]) for control in controls)])
        left = [y - x @ np.linalg.lstsq(x, y, rcond=None)[0] for y in (rankdata(signal[here, t]), rankdata(returns[here, t]))]
        if min(np.abs(one).max() for one in left) > 1e-9:
            found[t] = left[0] @ left[1] / np.sqrt((left[0] @ left[0]) * (left[1] @ left[1]))
    return found


def drawn(seed: int, controls: int = 2):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 6, (controls, 12, 9)).astype(float)
    signal = rng.integers(0, 5, (12, 9)) + z.sum(axis=0) * 0.5
    returns = rng.normal(size=(12, 9)) + z[:1].sum(axis=0)
    for values in (signal, returns, *z):
        values[rng.random((12, 9)) < 0.08] = np.nan
    return signal, returns, z, rng.random((12, 9)) < 0.9


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_correlation_of_what_regressions_leave(seed: int) -> None:
    signal, returns, controls, member = drawn(seed)
    found = daily_partial_rank_ic(signal, returns, controls, member)
    np.testing.assert_allclose(found, slow(signal, returns, controls, member), atol=1e-12)
    assert np.isfinite(found).sum() > 6


def test_without_controls_it_is_spearmans() -> None:
    signal, returns, _, member = drawn(5)
    found = daily_partial_rank_ic(signal, returns, np.empty((0, 12, 9)), member)
    np.testing.assert_allclose(found, daily_rank_ic(signal, returns, member), atol=1e-12)


def test_prepared_ranks_meet_other_returns_as_if_made_for_them() -> None:
    signal, returns, controls, member = drawn(6)
    prepared = partial_ranks(signal, returns, controls, member)
    for shift in (1, 4):
        moved = shifted(returns, shift)
        np.testing.assert_allclose(prepared.correlations(moved), slow(signal, moved, controls, member), atol=1e-12)


def test_a_control_that_is_constant_or_told_twice_takes_nothing_off() -> None:
    signal, returns, controls, member = drawn(7, controls=1)
    more = np.concatenate([controls, 3 * controls - 1, np.full((1, 12, 9), 2.0)])
    found, alone = daily_partial_rank_ic(signal, returns, more, member), daily_partial_rank_ic(signal, returns, controls, member)
    both = np.isfinite(found)
    assert both.sum() > 5
    np.testing.assert_allclose(found[both], alone[both], atol=1e-9)


def test_undefined_dates_are_nan() -> None:
    size = np.arange(6.0)[:, None].repeat(4, axis=1)
    signal = np.array([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])[:, None].repeat(4, axis=1)
    signal[:, 0] = 2 * size[:, 0]  # explained by the control
    signal[:, 1] = 1.0  # constant
    signal[2:, 2] = np.nan  # too few stocks
    found = daily_partial_rank_ic(signal, np.random.default_rng(0).normal(size=(6, 4)), size[None])
    assert np.isnan(found[:3]).all()
    assert np.isfinite(found[3])


@hypothesis.given(st.integers(0, 1000))
@hypothesis.settings(max_examples=20)
def test_only_the_order_of_anything_matters(seed: int) -> None:
    signal, returns, controls, member = drawn(seed)
    found = daily_partial_rank_ic(signal, returns, controls, member)
    monotone = daily_partial_rank_ic(np.exp(signal), returns**3, controls * 2 + 7, member)
    np.testing.assert_allclose(found, monotone, atol=1e-9)
    assert (np.abs(found[np.isfinite(found)]) <= 1).all()
