"""Files that hold a policy, and files that hold none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from massjax.errors import DataError
from massjax.policy_files import policy_of_file
from massjax.simulations.saved_policies import BUNDLED


def bundled() -> dict[str, np.ndarray]:
    with np.load(BUNDLED) as arrays:
        return dict(arrays)


def test_arrays_of_double_precision_are_a_policy_too(tmp_path: Path) -> None:
    arrays = bundled()
    np.savez_compressed(tmp_path / "p.npz", **{name: array.astype(np.float64) for name, array in arrays.items()})  # type: ignore[arg-type]
    np.testing.assert_array_equal(policy_of_file(tmp_path / "p.npz").critic[1].bias, arrays["critic_1_bias"])


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("critic_2_bias", None, r"critic_2_bias is missing, expected \[1\]"),
        ("actor_0_weight", None, r"actor_0_weight is missing, expected \[11, hidden units\]"),
        ("actor_0_weight", np.zeros((11, 0)), r"actor_0_weight is of the shape \[11, 0\], expected \[11, hidden units\]"),
        ("actor_0_weight", np.zeros((5, 64)), r"actor_0_weight is of the shape \[5, 64\], expected \[11, 64\]"),
        ("critic_1_weight", np.zeros((64, 63)), r"critic_1_weight is of the shape \[64, 63\], expected \[64, 64\]"),
        ("actor_0_bias", np.full(64, np.nan), "actor_0_bias holds what is no number"),
        ("actor_0_bias", np.full(64, 1e60), "actor_0_bias holds what is no number of single precision"),
        ("actor_0_bias", np.zeros(64, complex), "actor_0_bias is of the type complex128, expected floating-point"),
        ("actor_0_bias", np.full(64, "0"), "actor_0_bias is of the type <U1, expected floating-point"),
        ("actor_0_bias", np.zeros(64, int), "actor_0_bias is of the type int64, expected floating-point"),
    ],
)
def test_arrays_that_are_no_policy_are_refused(name: str, array: np.ndarray | None, message: str, tmp_path: Path) -> None:
    arrays = bundled()
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array
    np.savez(tmp_path / "p.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=rf"p\.npz: .*{message}"):
        policy_of_file(tmp_path / "p.npz")


def test_files_that_are_missing_damaged_or_of_another_kind_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "policy.npz"
    with pytest.raises(DataError, match=r"there is no such file.*relative to the folder of the config file"):
        policy_of_file(file)
    whole = BUNDLED.read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 255
    for data in (b"", b"PK", b"neither arrays nor a zip", whole[:1000], whole[:-1], bytes(flipped)):
        file.write_bytes(data)
        with pytest.raises(DataError, match=r"policy\.npz: the policy cannot be read"):
            policy_of_file(file)
    with pytest.raises(DataError, match=r"is a folder\); name the file in it, .*policy\.npz"):
        policy_of_file(tmp_path)
    with file.open("wb") as handle:
        np.save(handle, np.zeros(3))
    with pytest.raises(DataError, match="is one array"):
        policy_of_file(file)
