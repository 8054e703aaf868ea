from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from massjax import average_ranks as average_ranks_module
from massjax.average_ranks import average_ranks

VALUES = st.one_of(st.integers(-3, 3).map(float), st.sampled_from([np.nan, np.inf, -np.inf, -0.0]))


@settings(max_examples=60)
@given(hnp.arrays(np.float64, (7, 3), elements=VALUES))
def test_average_ranks_are_those_of_pandas_with_infinities_left_out(values: np.ndarray) -> None:
    expected = pd.DataFrame(values).replace([np.inf, -np.inf], np.nan).rank().to_numpy()
    np.testing.assert_array_equal(average_ranks(values), expected)


def test_a_column_alone_and_numbers_of_float32_are_ranked_too() -> None:
    ranks = average_ranks(np.array([0.3, 0.1, np.nan, 0.3], np.float32))
    assert ranks.dtype == np.float64
    np.testing.assert_array_equal(ranks, [2.5, 1.0, np.nan, 2.5])


def test_more_columns_than_are_ranked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.round(np.random.default_rng(0).normal(size=(40, 7, 5)), 1)
    values[3, 2], values[:, 4] = np.nan, np.inf
    expected = pd.DataFrame(values.reshape(40, 35)).replace(np.inf, np.nan).rank().to_numpy().reshape(values.shape)
    for at_once in (1, 130, 10_000):
        monkeypatch.setattr(average_ranks_module, "NUMBERS_AT_ONCE", at_once)
        np.testing.assert_array_equal(average_ranks(values), expected)
        assert average_ranks(values).flags.c_contiguous


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (1, 2)])
def test_nothing_to_rank(shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(average_ranks(np.zeros(shape)), np.ones(shape))
