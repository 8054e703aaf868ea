"""Parts of work: complete, disjoint, and the same for every worker that cuts them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from massjax.answers.sharding import own, parse_shard
from massjax.errors import ConfigError


@given(st.lists(st.integers(0, 2**64 - 1), max_size=40), st.integers(1, 12), st.booleans())
def test_every_question_belongs_to_one_part(words: list[int], count: int, grouped: bool) -> None:
    keys = np.array([[word, 0] for word in words], dtype=np.uint64).reshape(-1, 2)
    groups = [f"archetype {word % 3}" for word in words] if grouped else None
    parts = [own(keys, number, count, groups) for number in range(1, count + 1)]
    assert (np.sum(parts, axis=0) == 1).all() if words else not any(part.any() for part in parts)
    if grouped:
        for name in set(groups or ()):
            inside = np.array([group == name for group in groups or ()])
            assert sum(bool(part[inside].any()) for part in parts) == 1


def test_the_cut_is_the_one_that_workers_of_other_versions_compute() -> None:
    keys = np.array([[6, 0], [7, 0], [8, 0]], dtype=np.uint64)
    assert own(keys, 2, 3).tolist() == [False, True, False]
    assert [own(keys, part, 3, ["a", "a", "b"]).tolist() for part in (1, 2, 3)] == [[False] * 3, [False] * 3, [True] * 3]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/4/2"])
def test_a_wrong_shard_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard"):
        parse_shard(text)
