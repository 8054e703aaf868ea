"""The cost benchmarks: they run at small sizes, and fit the exponent that is there."""

from __future__ import annotations

import importlib
import itertools
import time

import numpy as np
import polars as pl
import pytest


@pytest.mark.parametrize(
    ("name", "axis", "sizes", "expected"),
    [
        ("candidates", "P", (1, 8, 64), "80 % of the highest rate"),
        ("universe", "N", (4, 16, 600), "exponent of the cost of a candidate in N, "),
        ("archetypes", "K", (1, 4, 32), "exponent of the cost of a candidate in K"),
    ],
)
@pytest.mark.usefixtures("scripts")
def test_a_small_run_prints_a_table_and_writes_both_files(tmp_path, capsys, name, axis, sizes, expected):
    small = () if name == "candidates" else ("--candidates", 8)
    words = ("--sizes", *sizes, *small, "--rounds", 1, "--devices", 1, "--out", tmp_path)
    importlib.import_module(name).main([*map(str, words)])
    assert expected in capsys.readouterr().out
    rows = pl.read_parquet(tmp_path / f"{name}.parquet")
    assert rows[axis].to_list() == list(sizes)
    assert (rows["seconds"] > 0).all()
    np.testing.assert_allclose(rows["evaluations_per_second"] * rows["seconds"], rows["P"])
    page = (tmp_path / f"{name}.md").read_text()
    assert expected in page
    assert str(tmp_path) not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.md", f"{name}.parquet"]


def test_a_platform_that_is_not_there_is_named(run_script):
    done = run_script("candidates", "--sizes", 1, "--platform", "tpu")
    assert done.returncode == 1
    assert "--platform tpu" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("scripts")
def test_the_exponent_of_a_power_law_is_found_with_its_error():
    from timing import fit_exponent

    sizes = np.array([10, 20, 50, 100, 300])
    exact = fit_exponent(sizes, 3e-6 * sizes**1.7)
    assert exact.value == pytest.approx(1.7)
    assert exact.error == pytest.approx(0, abs=1e-12)
    noisy = fit_exponent(sizes, sizes**2.0 * np.exp(np.random.default_rng(0).normal(0, 0.1, 5)))
    assert abs(noisy.value - 2) < 3 * noisy.error
    assert np.isnan(fit_exponent([1, 10], [1, 100]).error)
    assert str(fit_exponent([1, 10], [1, 100])) == "2.00 from 1 to 10"
    assert fit_exponent([1], [1]) is None


@pytest.mark.usefixtures("scripts")
def test_rounds_are_interleaved_and_the_first_is_for_compiling(monkeypatch):
    import timing

    monkeypatch.setattr(timing, "SETTLED", 0.01)
    monkeypatch.setattr(timing, "TIMED", 0.01)
    order = []

    def call(name):
        order.append(name)
        time.sleep(0.5 if len(order) == 1 else 0.004)

    best = timing.best_seconds({"a": lambda: call("a"), "b": lambda: call("b")}, rounds=2)
    assert [name for name, _ in itertools.groupby(order)] == ["a", "b"] * 3
    assert 0.004 <= best["a"] < 0.5
    assert set(best) == {"a", "b"}
