"""Files of arrays that hold a policy (.npz), as a run of the market and a calibration write and read them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from massjax.errors import DataError
from massjax.simulator.observe import OBSERVED
from massjax.simulator.policy import ACTIONS, Policy, policy_of
from massjax.user_files import special

OUTPUTS = {"actor": ACTIONS, "critic": 1}
UNREADABLE = (OSError, ValueError, EOFError, KeyError, AttributeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What a file that is damaged, or of another kind, comes out as."""


def policy_of_file(path: Path) -> Policy:
    """The policy in a file of arrays, each by its name of `massjax.simulator.policy.named_arrays`.

    Raises:
        DataError: the file is missing or damaged, or its arrays are no policy's.
    """
    arrays = _arrays(path)
    check_shapes(arrays, path)
    return policy_of(arrays)


def check_shapes(arrays: Mapping[str, np.ndarray], source: object) -> None:
    """Refuse arrays that are not those of an actor and a critic of two equally wide hidden layers.

    Raises:
        DataError: an array is missing, of another shape, not of floating-point numbers, or not finite in single precision.
    """
    first = arrays.get("actor_0_weight")
    hidden = first.shape[1] if first is not None and first.ndim == 2 else 0
    for network, outputs in OUTPUTS.items():
        sizes = (len(OBSERVED), hidden, hidden, outputs)
        for layer, (inputs, units) in enumerate(pairwise(sizes)):
            for field, shape in (("weight", (inputs, units)), ("bias", (units,))):
                name = f"{network}_{layer}_{field}"
                found = arrays.get(name)
                if found is None or found.shape != shape or not hidden:
                    is_there = "missing" if found is None else f"of the shape {list(found.shape)}"
                    expected = list(shape) if hidden else f"[{inputs}, hidden units]"
                    raise DataError(f"{source}: is no policy: {name} is {is_there}, expected {expected}")
                if not np.issubdtype(found.dtype, np.floating):
                    raise DataError(f"{source}: is no policy: {name} is of the type {found.dtype}, expected floating-point numbers")
                if not (np.abs(found) <= np.finfo(np.float32).max).all():
                    raise DataError(f"{source}: {name} holds what is no number of single precision; take the policy of another run")


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if what := special(path):
        inside = f"; name the file in it, {path / 'policy.npz'}" if (path / "policy.npz").is_file() else "; name a file policy.npz"
        raise DataError(f"{path}: the policy cannot be read (is {what}){inside}")
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if not isinstance(found, np.lib.npyio.NpzFile):
                raise ValueError("is one array, and not arrays by name")
            return {name: found[name] for name in found.files}
    except FileNotFoundError:
        raise DataError(
            f"{path}: the policy cannot be read (there is no such file); give a policy.npz that a run wrote, its path relative to the "
            "folder of the config file, or whole"
        ) from None
    except UNREADABLE as error:
        reason = "is not an archive of arrays" if "pickle" in str(error) else (error.strerror if isinstance(error, OSError) else error)
        raise DataError(f"{path}: the policy cannot be read ({reason}); give a policy.npz that a run wrote") from None
