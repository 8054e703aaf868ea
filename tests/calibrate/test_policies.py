"""The policy that candidates share: learned over mixes, written, and read again."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from massjax.calibrate.policies import policy_of_config, write_policy
from massjax.simulator.policy import named_arrays
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
