"""Markets shared out over devices, in processes of their own: what comes out is the same, bit by bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT


def run(out: Path, devices: int) -> dict[str, np.ndarray]:
    command = [sys.executable, "-m", "tests.simulator.sharded", str(out), str(devices)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(np.load(out))


@pytest.mark.slow
def test_two_devices_give_what_one_gives(tmp_path: Path) -> None:
    one, two = (run(tmp_path / f"{devices}.npz", devices) for devices in (1, 2))
    assert one.keys() == two.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(two[name], values, err_msg=name)
