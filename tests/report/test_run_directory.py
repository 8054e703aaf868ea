from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.config import load_config
from massjax.errors import ConfigError, MassjaxError
from massjax.report import run_directory as run_directory_module
from massjax.report.run import RunResult
from massjax.report.run_directory import run_directory, write_run

FILES = {
    "config.yaml", "metrics.json", "weights.parquet", "signals.parquet", "returns.parquet", "rank_ic.parquet", "holdings.parquet",
    "luck.parquet", "report.html",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(small_run: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "small"
    with run_directory(path) as partial:
        write_run(small_run, partial)
        assert not path.exists(), "nothing is there until everything is"
    return path


def fill(folder: Path, text: str = "new") -> None:
    for name in FILES:
        (folder / name).write_text(text)


def left(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_run_directory_holds_its_eight_files_and_nothing_else(folder: Path) -> None:
    assert left(folder) == FILES
    assert left(folder.parent) == {"small"}


def test_the_configuration_reads_back_as_it_was_run(folder: Path, small_run: RunResult) -> None:
    again = load_config(folder / "config.yaml")
    assert again.evaluate == small_run.config.evaluate
    assert again.evaluate.gap == 5, "the gap is written out"
    assert again == small_run.config


def test_metrics_are_strict_json_with_the_controls(folder: Path, small_run: RunResult) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)
    assert set(found["strategies"]) == {"annealing", "uniform", "best_single", "equal_risk", "raw_features"}
    annealing = found["strategies"]["annealing"]
    assert set(annealing["horizons"]) == {"1", "5", "10"}
    assert annealing["horizons"]["5"]["rank_ic"]["mean"] == small_run.strategy("annealing").metrics[5].rank_ic.mean
    assert annealing["horizons"]["5"]["over_uniform"]["t_statistic"] is not None
    assert found["strategies"]["uniform"]["horizons"]["5"]["over_uniform"]["t_statistic"] is None, "0 / 0 is null"
    assert found["evaluated"]["dates"] == int(small_run.evaluated.sum())
    assert found["benchmark"]["cagr"] == small_run.benchmark.performance.cagr  # type: ignore[union-attr]
    assert [a["kind"] for a in found["archetypes"]] == ["rule"] * 4
    assert found["leakage_ablation"] is False
    assert found["panel"]["periods_per_year"] == found["benchmark"]["periods_per_year"] == 252.0


def test_weights_are_a_long_table_by_method(folder: Path, small_run: RunResult) -> None:
    table = pl.read_parquet(folder / "weights.parquet")
    assert table.columns == ["date", "evaluated", "archetype", "weight", "method"]
    assert table.group_by("date").agg(pl.col("evaluated").n_unique())["evaluated"].unique().to_list() == [1]
    by_date = table.group_by("date", maintain_order=True).agg(pl.col("evaluated").first())["evaluated"]
    np.testing.assert_array_equal(by_date.to_numpy(), small_run.evaluated)
    assert table.height == 4 * 4 * small_run.panel.dates.size, "four strategies weigh archetypes"
    assert table.group_by("method", "date").agg(pl.col("weight").sum())["weight"].to_numpy() == pytest.approx(1.0, abs=1e-5)
    names = [facts.archetype.name for facts in small_run.archetypes]
    wide = table.filter(method="annealing").pivot(on="archetype", index="date", values="weight")
    np.testing.assert_array_equal(wide["date"].to_numpy().astype("datetime64[D]"), small_run.panel.dates)
    np.testing.assert_array_equal(wide.select(names).to_numpy(), small_run.strategy("annealing").weights)


def test_signals_are_a_long_table_by_method(folder: Path, small_run: RunResult) -> None:
    table = pl.read_parquet(folder / "signals.parquet")
    assert table.columns == ["date", "evaluated", "stock", "mean", "disagreement", "combined", "method"]
    assert table.null_count().sum_horizontal().item() == 0
    for name in ("mean", "disagreement", "combined"):
        wide = table.filter(method="uniform").pivot(on="stock", index="date", values=name)
        np.testing.assert_array_equal(wide.select(small_run.panel.stocks).to_numpy().T, small_run.strategy("uniform").signals[name])


def test_a_run_that_is_there_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    with run_directory(tmp_path / "run") as partial:
        fill(partial, "old")
    with pytest.raises(ConfigError, match=r"already holds a run; replace it with --overwrite"), run_directory(tmp_path / "run"):
        pytest.fail("the block must not be entered")
    with run_directory(tmp_path / "run", overwrite=True) as partial:
        fill(partial, "new")
        assert (tmp_path / "run" / "metrics.json").read_text() == "old", "the old run stays until the new one is complete"
    assert (tmp_path / "run" / "metrics.json").read_text() == "new"
    assert left(tmp_path) == {"run"}


def test_what_is_no_run_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    for name in ("config.yaml", "metrics.json", "report.html"):
        (tmp_path / "other" / name).write_text("of some other program")
    with pytest.raises(ConfigError, match="something other than a run"), run_directory(tmp_path / "other", overwrite=True):
        pytest.fail("the block must not be entered")
    with pytest.raises(ConfigError, match="something other than a run"), run_directory(tmp_path / "papers", overwrite=True):
        pytest.fail("the block must not be entered")
    with pytest.raises(ConfigError, match="is not a folder"), run_directory(tmp_path / "file", overwrite=True):
        pytest.fail("the block must not be entered")
    assert (tmp_path / "papers" / "thesis.tex").exists()


@pytest.mark.parametrize(
    "foreign", ["thesis.docx", ".git/HEAD", "notes/day/one.txt", "runs/older/config.yaml", ".DS_Store", "Report.html.bak"]
)
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_run_with_files_of_others_beside_it_is_left_alone_and_they_are_named(tmp_path: Path, foreign: str, overwrite: bool) -> None:
    folder = tmp_path / "run"
    with run_directory(folder) as partial:
        fill(partial, "old")
    (folder / foreign).parent.mkdir(parents=True, exist_ok=True)
    (folder / foreign).write_text("years of work")
    named = re.escape(foreign.partition("/")[0])
    with pytest.raises(ConfigError, match=rf"none of them: {named}\. Nothing.*--out DIR"), run_directory(folder, overwrite=overwrite):
        pytest.fail("the block must not be entered")
    assert (folder / foreign).read_text() == "years of work"
    assert (folder / "metrics.json").read_text() == "old"


def test_a_link_or_a_folder_with_the_name_of_a_runs_file_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("of somebody")
    for number, make in enumerate((lambda at: at.symlink_to(tmp_path / "elsewhere"), lambda at: at.symlink_to("nowhere"), Path.mkdir)):
        folder = tmp_path / f"run-{number}"
        with run_directory(folder) as partial:
            fill(partial, "old")
        (folder / "report.html").unlink()
        make(folder / "report.html")
        with pytest.raises(ConfigError, match=r"none of them: report\.html"), run_directory(folder, overwrite=True):
            pytest.fail("the block must not be entered")
    (tmp_path / "link").symlink_to(tmp_path / "run-0")
    with pytest.raises(ConfigError, match="is not a folder"), run_directory(tmp_path / "link", overwrite=True):
        pytest.fail("the block must not be entered")
    assert (tmp_path / "elsewhere").read_text() == "of somebody"


def test_a_run_of_an_older_version_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("config.yaml", "metrics.json", "weights.parquet", "signals.parquet", "report.html"):
        (tmp_path / "run" / name).write_text("old")
    with run_directory(tmp_path / "run", overwrite=True) as partial:
        fill(partial)
    assert {entry.read_text() for entry in (tmp_path / "run").iterdir()} == {"new"}
    assert left(tmp_path) == {"run"}


def test_a_file_that_comes_at_the_last_moment_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written between the last look into the folder and the move of the new run to its place."""
    with run_directory(tmp_path / "run") as partial:
        fill(partial, "old")
    looked = run_directory_module._sync

    def and_write(folder: Path) -> None:
        looked(folder)
        (tmp_path / "run" / "thesis.docx").write_text("years of work")

    monkeypatch.setattr(run_directory_module, "_sync", and_write)
    with run_directory(tmp_path / "run", overwrite=True) as partial:
        fill(partial)
    assert (tmp_path / "run" / "thesis.docx").read_text() == "years of work"
    assert left(tmp_path / "run") == {*FILES, "thesis.docx"}
    assert left(tmp_path) == {"run"}


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with run_directory(tmp_path / "run") as partial:
        fill(partial)
    assert left(tmp_path / "run") == FILES


def test_a_failure_leaves_the_old_run_and_no_remains(tmp_path: Path) -> None:
    with run_directory(tmp_path / "run") as partial:
        fill(partial, "old")

    def fail_half_way() -> None:
        with run_directory(tmp_path / "run", overwrite=True) as partial:
            (partial / "metrics.json").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert (tmp_path / "run" / "metrics.json").read_text() == "old"
    assert left(tmp_path) == {"run"}


def test_a_run_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def be_slow() -> None:
        with run_directory(tmp_path / "run") as partial:
            fill(partial, "second")
            (tmp_path / "run").mkdir()
            fill(tmp_path / "run", "first")

    with pytest.raises(ConfigError, match="already holds a run"):
        be_slow()
    assert (tmp_path / "run" / "metrics.json").read_text() == "first"


@pytest.mark.parametrize("name", ["config.yaml", "signals.parquet", "report.html"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, small_run: RunResult, folder: Path, name: str) -> None:
    """The largest file that may be written is one byte smaller than the one named."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = (folder / name).stat().st_size - 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with (
            pytest.raises(MassjaxError, match=r"cannot be written \(.*File too large.*\).*--out"),
            run_directory(tmp_path / "run") as partial,
        ):
            write_run(small_run, partial)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert left(tmp_path) == set()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a file system that refuses everyone, such as Linux's /proc")
def test_a_place_that_cannot_be_written_is_refused_at_once() -> None:
    with pytest.raises(MassjaxError, match=r"/proc/run: the run cannot be written"), run_directory(Path("/proc/run")):
        pytest.fail("the block must not be entered")
