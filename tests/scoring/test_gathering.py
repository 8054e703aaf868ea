"""The scores of a run: what the store lacks is told, and asked for again by precompute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from massjax.config import load_config
from massjax.errors import ConfigError
from massjax.optimize import main as optimize
from massjax.precompute import main as precompute
from massjax.scoring import gathering
from massjax.scoring.gathering import gather_scores
from massjax.scoring.memory import needed_memory
from massjax.scoring.work import prepare
from massjax.store import ScoreStore
from massjax.store.__main__ import main as store_command
from tests.small_store import SMALL
from tests.test_precompute import config_file

CHANGES = {
    "market": {**SMALL["market"], "end": "2022-07-01"},
    "layout": {"dates_per_unit": 5},
    "evaluate": {"horizon": 1, "lookback": 5},
    "search": [{"method": "annealing", "chains": 4, "steps": 2}],
}


def warnings(config: Path) -> tuple[str, ...]:
    return gather_scores(prepare(load_config(config))).warnings


def test_dates_that_a_repair_dropped_are_told_until_they_are_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, path = config_file(tmp_path, **CHANGES), tmp_path / "scores.zarr"
    assert precompute(["--config", str(config)]) == 0
    assert warnings(config) == ()
    before = ScoreStore.open(path).scores()
    chunk = path / "score" / "c.1.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert store_command(["repair", str(path)]) == 0
    first = ScoreStore.open(path).dates[5]
    advice = f"run `python -m massjax.precompute --store {path}` with this config to ask for what is missing"
    expected = f"5 of 22 dates have no score, the first being {first}; {advice}"
    assert warnings(config) == (expected,)
    capsys.readouterr()
    assert optimize(["--config", str(config), "--out", str(tmp_path / "run")]) == 0
    assert "".join(expected.split()) in "".join("".join(capsys.readouterr()).split()), "whatever the width of the terminal"
    assert "5 of 22 dates have no score" in (tmp_path / "run" / "report.html").read_text()
    assert precompute(["--config", str(config), "--store", str(path)]) == 0
    assert warnings(config) == ()
    np.testing.assert_array_equal(ScoreStore.open(path).scores(), before)


def test_archetypes_that_were_not_asked_on_some_dates_are_told(tmp_path: Path) -> None:
    trend, careful, rule = SMALL["agents"]["archetypes"]
    few = config_file(tmp_path, **CHANGES, agents={**SMALL["agents"], "archetypes": [trend, rule]})
    assert precompute(["--config", str(few)]) == 0
    path = tmp_path / "scores.zarr"
    ScoreStore.open(path, mode="r+").extend(archetypes=[{"kind": "llm", **careful}])
    assert warnings(few) == (), "what is not wanted is not missed"
    config = config_file(tmp_path, **CHANGES)
    (told,) = warnings(config)
    assert told.startswith("22 of 22 dates lack the scores of some archetypes, the first being 2022-06-01; run")
    assert precompute(["--config", str(config)]) == 0
    assert warnings(config) == ()


def test_scores_are_those_of_the_store_and_of_the_rules_in_the_order_of_the_archetypes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trend, careful, rule = SMALL["agents"]["archetypes"]
    config = config_file(tmp_path, **CHANGES, agents={**SMALL["agents"], "archetypes": [trend, rule, careful]})
    assert precompute(["--config", str(config)]) == 0
    work = prepare(load_config(config))
    stored = ScoreStore.open(tmp_path / "scores.zarr").scores(archetypes=["trend", "low-volatility", "careful"], stocks=work.panel.stocks)
    for at_once in (1, gathering.READ_AT_ONCE):
        monkeypatch.setattr(gathering, "READ_AT_ONCE", at_once)
        found = gather_scores(work).scores
        np.testing.assert_array_equal(found, np.where(work.panel.member, stored, np.nan))
        np.testing.assert_array_equal(found[1], work.rule_scores["low-volatility"])
        assert np.moveaxis(found, 2, 0).flags.c_contiguous, "held once, a date after the other"


def test_rules_alone_need_no_facts(tmp_path: Path) -> None:
    rule = SMALL["agents"]["archetypes"][2]
    config = config_file(tmp_path, **CHANGES, agents={**SMALL["agents"], "archetypes": [rule]})
    assert prepare(load_config(config)).facts == ()
    wrong = config_file(tmp_path, **CHANGES, agents={"features": ["momentum_7m"], "archetypes": [rule]})
    with pytest.raises(ConfigError, match=r"agents\.features.*'momentum_7m'.*did you mean"):
        prepare(load_config(wrong))


def test_scores_that_do_not_fit_into_memory_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = SMALL["agents"]["archetypes"][2]
    work = prepare(load_config(config_file(tmp_path, **CHANGES, agents={"archetypes": [rule]})))
    need = needed_memory(1, *work.panel.member.shape)
    monkeypatch.setattr(gathering, "free_host_bytes", lambda: need)
    assert gather_scores(work).scores.shape[0] == 1
    monkeypatch.setattr(gathering, "free_host_bytes", lambda: need - 1)
    with pytest.raises(ConfigError, match=r"the scores of 1 archetype on 20 stocks and 22 dates take .* take fewer dates"):
        gather_scores(work)
