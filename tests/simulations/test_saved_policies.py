"""The policy that comes with massjax, and files that are no policy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from massjax.errors import DataError
from massjax.policy_files import check_shapes
from massjax.simulations.saved_policies import BUNDLED, differences, plain_arrays, read_policy
from massjax.simulator.settings import SimulationSettings


def test_the_bundled_policy_is_small_whole_and_of_the_default_market() -> None:
    assert sum(file.stat().st_size for file in BUNDLED.parent.iterdir()) <= 2 * 2**20
    saved = read_policy()
    arrays = plain_arrays(saved.policy)
    check_shapes(arrays, "bundled")
    assert {name: array.shape for name, array in arrays.items() if name.startswith("actor")} == {
        "actor_0_weight": (11, 64), "actor_0_bias": (64,), "actor_1_weight": (64, 64), "actor_1_bias": (64,),
        "actor_2_weight": (64, 2), "actor_2_bias": (2,),
    }  # fmt: skip
    assert (saved.updates, saved.seed) == (938, 0)
    assert differences(SimulationSettings(), saved.simulation) == (), "a default has changed: learn the bundled policy anew"


def test_what_differs_from_where_it_was_learned_is_told() -> None:
    made = SimulationSettings()
    market = made.market.replace(agents=50, ticks=77)
    here = made.replace(market=market, paper=made.paper.replace(level=2.0), living=made.living.replace(trend=0.5))
    assert differences(here, made) == ("market.agents 50 (learned with 100)", "living.trend 0.5 (learned with 0.03)")
    wide = made.replace(learning=made.learning.replace(spread=1.0, clip=0.1))
    assert differences(wide, made) == ("learning.spread 1.0 (learned with 0.36787944)",)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "policy.npz"
    with pytest.raises(DataError, match=r"policy\.npz: the policy cannot be read"):
        read_policy(file)
    file.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(DataError, match=r"policy\.npz: the policy cannot be read"):
        read_policy(file)
    shutil.copy(BUNDLED, file)
    with pytest.raises(DataError, match=r"policy\.json: the settings of the policy cannot be read"):
        read_policy(file)
    file.with_suffix(".json").write_text(json.dumps({"simulation": {}, "updates": 3, "seed": 1}))
    assert read_policy(file).updates == 3
    for about in ({"simulation": None, "updates": 3, "seed": 1}, {"simulation": {}, "updates": float("inf"), "seed": 1}, []):
        file.with_suffix(".json").write_text(json.dumps(about))
        with pytest.raises(DataError, match=r"policy\.json: the settings of the policy cannot be read"):
            read_policy(file)
