"""Parts of work: complete, disjoint, balanced, and the same for every worker that cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from massjax.answers.sharding import Bundle, parse_shard, split
from massjax.errors import ConfigError

bundles = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9), st.booleans()), min_size=1, max_size=8)


def made(shapes: list[tuple[int, int, bool]]) -> list[Bundle[tuple[int, int]]]:
    return [Bundle(float(weight), [(k, n) for n in range(size)], whole) for k, (weight, size, whole) in enumerate(shapes)]


@given(bundles, st.integers(1, 12))
def test_parts_are_complete_disjoint_and_no_heavier_than_a_share_and_a_cut(shapes: list[tuple[int, int, bool]], count: int) -> None:
    given_bundles = made(shapes)
    parts = split(given_bundles, count)
    assert len(parts) == count
    assert sorted(piece for part in parts for piece in part) == sorted(piece for bundle in given_bundles for piece in bundle.pieces)
    assert split([bundle._replace(pieces=bundle.pieces[::-1]) for bundle in given_bundles], count) == parts
    for k, (_, _, whole) in enumerate(shapes):
        assert not whole or sum(any(piece[0] == k for piece in part) for part in parts) <= 1
    each = [bundle.weight / max(1, len(bundle.pieces)) for bundle in given_bundles]
    loads = [sum(each[k] for k, _ in part) for part in parts]
    share = sum(bundle.weight for bundle in given_bundles) / count
    heaviest = max(bundle.weight if bundle.whole else min(bundle.weight, share + each[k]) for k, bundle in enumerate(given_bundles))
    assert max(loads) <= share + heaviest + 1e-9


def test_the_cut_is_the_one_that_workers_of_other_versions_compute() -> None:
    parts = split([Bundle(6.0, list("abcdef")), Bundle(2.0, ["g"]), Bundle(0.01, ["h", "i"]), Bundle(5.0, ["j", "k"], whole=True)], 3)
    assert parts == [["j", "k"], ["a", "b", "c", "g"], ["d", "e", "f", "h", "i"]]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/4/2"])
def test_a_wrong_shard_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard"):
        parse_shard(text)
