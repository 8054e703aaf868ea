"""The policy that candidates share: learned over mixes, written, and read again."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from massjax.calibrate.policies import policy_of_config, read_policy, write_policy
from massjax.errors import DataError
from massjax.simulator.policy import Dense, initial_policy, named_arrays
from tests.calibrate.small_calibration import POLICY, SMALL, silent


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_policy(POLICY, tmp_path / "p.npz")
    found = policy_of_config(SMALL.replace(policy=tmp_path / "p.npz"), silent)
    for name, array in named_arrays(POLICY).items():
        np.testing.assert_array_equal(named_arrays(found)[name], array)


@pytest.mark.slow
def test_a_policy_is_learned_over_mixes_and_a_seed_gives_one() -> None:
    told: list[tuple[str, int, int]] = []
    config = SMALL.replace(updates=2)
    first = policy_of_config(config, lambda *words: told.append(words))
    assert told == [("learning a policy for all mixes", 1, 2), ("learning a policy for all mixes", 2, 2)]
    again = policy_of_config(config, silent)
    untrained = policy_of_config(config.replace(updates=0), silent)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(untrained), strict=True))


def test_files_that_hold_no_policy_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "p.npz"
    with pytest.raises(DataError, match="is not there"):
        read_policy(place)
    place.write_text("nothing")
    with pytest.raises(DataError, match="cannot be read"):
        read_policy(place)
    np.savez(place, actor_0_weight=np.zeros((11, 8)))
    with pytest.raises(DataError, match="has no array 'actor_0_bias'"):
        read_policy(place)
    narrow = Dense(POLICY.actor[0].weight[:5], POLICY.actor[0].bias)
    write_policy(POLICY._replace(actor=(narrow, *POLICY.actor[1:])), place)
    with pytest.raises(DataError, match="expected 11 inputs and 2 outputs"):
        read_policy(place)
    assert initial_policy(jax.random.key(0), 8).actor[0].weight.shape == (11, 8)
