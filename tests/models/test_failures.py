"""Reasons are a closed set, into which every stored text is read."""

from __future__ import annotations

import pytest

from massjax.models.failures import Reason, by_kind, reason_of


@pytest.mark.parametrize("reason", Reason)
def test_a_stored_reason_is_read_as_itself(reason: Reason) -> None:
    assert reason_of(reason.value) is reason


def test_the_reason_of_a_later_version_is_another_reason() -> None:
    assert reason_of("the model has left the building") is Reason.OTHER


def test_counts_of_one_kind_are_added_up() -> None:
    counts = {"left the building": 2, "who knows": 3, Reason.TIMED_OUT.value: 80}
    assert by_kind(counts) == {Reason.TIMED_OUT: 80, Reason.OTHER: 5}
