from __future__ import annotations

import math

import hypothesis
import pytest
from hypothesis import strategies as st

from massjax.models.min_k import min_k

LOGPROBS = st.lists(st.floats(-50, 0), min_size=1, max_size=60)


@hypothesis.given(LOGPROBS, st.sampled_from([0.01, 0.2, 0.29, 0.7, 1.0]))
def test_it_is_the_mean_of_the_least_likely(values: list[float], share: float) -> None:
    count = max(1, int(round(share * 100) * len(values) // 100))
    assert min_k([None, *values], share) == pytest.approx(sum(sorted(values)[:count]) / count)
    assert min_k(values, share) <= max(values)


def test_a_share_that_is_a_whole_number_of_tokens_is_not_rounded_down() -> None:
    assert min_k([-1.0] * 71 + [-2.0] * 29, 0.29) == -2.0
    assert 0.29 * 100 < 29


def test_servers_minus_infinity_counts_as_that() -> None:
    assert min_k([-1.0, -9999.0, -2.0, -3.0, -1.0]) == -math.inf
    assert min_k([-math.inf, -1.0], 1.0) == -math.inf


def test_no_token_is_no_familiarity() -> None:
    assert math.isnan(min_k([]))
    assert math.isnan(min_k([None]))


@pytest.mark.parametrize("value", [0.5, math.nan])
def test_what_is_no_log_probability_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no log-probability"):
        min_k([-1.0, value])


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, math.nan])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share is"):
        min_k([-1.0], share)
