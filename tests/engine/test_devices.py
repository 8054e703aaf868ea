"""Candidates spread over devices and processes: real ones, each run in processes of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import polars as pl
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


def written(out: Path, devices: int) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
    """The tables and metrics of a whole run of the demo, on some of its dates, over so many devices."""
    changes = ("--set=market.start=2022-03-01", "--set=evaluate.repetitions=20")
    command = [sys.executable, "-m", "massjax.optimize", "--quiet", "--devices", str(devices), "--out", str(out), *changes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return {file.stem: pl.read_parquet(file) for file in out.glob("*.parquet")}, json.loads((out / "metrics.json").read_text())


@pytest.mark.slow
def test_a_whole_run_is_that_of_one_device(tmp_path):
    (one, metrics), (two, other) = (written(tmp_path / str(devices), devices) for devices in (1, 2))
    assert one.keys() == two.keys() >= {"weights", "signals", "rank_ic", "luck", "returns", "holdings"}
    for name, table in one.items():
        words = [column for column in table.columns if not table[column].dtype.is_float()]
        assert table.select(words).equals(two[name].select(words)), name
    searched = (table["weights"].filter(pl.col("method") == "annealing") for table in (one, two))
    assert next(searched).equals(next(searched)), "a search gives the same weights bit by bit"
    for name, most in {"weights": 1e-5, "signals": 1e-5}.items():
        for column in (column for column in one[name].columns if one[name][column].dtype.is_float()):
            np.testing.assert_allclose(two[name][column], one[name][column], rtol=0, atol=most, err_msg=f"{name}, {column}")
    for name in ("rank_ic", "luck"):  # where the posterior's weights differ by rounding, two stocks that nearly tie may change places
        for column in (column for column in one[name].columns if one[name][column].dtype.is_float()):
            apart = np.abs(two[name][column].to_numpy() - one[name][column].to_numpy())
            assert np.nanmean(apart) < 1e-3, f"{name}, {column}"
            assert np.nanmean(apart > 0) < 0.1, f"{name}, {column}"
    assert metrics.keys() == other.keys()
    assert metrics["strategies"].keys() == other["strategies"].keys()


def test_more_devices_than_there_are():
    with pytest.raises(ConfigError, match=r"devices=99: JAX sees \d+ \(cpu\)"):
        over_devices(99)
    assert len(jax.devices()) < 99
