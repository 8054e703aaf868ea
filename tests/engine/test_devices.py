"""Candidates spread over devices and processes: real ones, each run in processes of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from massjax.engine.devices import over_devices
from massjax.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 1800
"""Seconds that processes wait for each other: on a busy machine one may compile long after another."""


def run(out: Path, devices: int, processes: int = 1) -> dict[str, np.ndarray]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.engine.sharded", str(out), str(devices)]
    waits = ("call_warn_stuck_timeout", "call_terminate_timeout", "timeout")
    environment = {**os.environ, "XLA_FLAGS": " ".join(f"--xla_cpu_collective_{wait}_seconds={PATIENCE}" for wait in waits)}
    started = [
        subprocess.Popen([*command, str(process), str(processes), str(port)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for process in range(processes)
    ]
    for process in started:
        errors = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 0, errors
    return dict(np.load(out))


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, np.ndarray]:
    return run(tmp_path_factory.mktemp("devices") / "one.npz", 1)


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "processes"), [(3, 1), (2, 2)], ids=["three devices", "two processes"])
def test_the_results_are_those_of_one_device(alone, tmp_path, devices, processes):
    spread = run(tmp_path / "spread.npz", devices, processes)
    assert spread.keys() == alone.keys()
    for name, values in alone.items():
        np.testing.assert_array_equal(spread[name], values, err_msg=name)


def test_more_devices_than_there_are():
    with pytest.raises(ConfigError, match=r"devices=99: JAX sees \d+ \(cpu\)"):
        over_devices(99)
    assert len(jax.devices()) < 99
