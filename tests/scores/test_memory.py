from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from massjax.errors import ConfigError
from massjax.pipeline import run
from massjax.scores import gathering
from massjax.scores.inputs import prepare
from massjax.scores.memory import check_memory, needed_memory, score_array
from tests.small_run import small_config


def test_a_run_needs_two_score_tensors_and_some_numbers_of_each_stock_and_date() -> None:
    assert needed_memory(512, 500, 1250) == 2 * 4 * 512 * 500 * 1250 + 24 * 8 * 500 * 1250
    assert needed_memory(8, 3000, 2500) == 2 * 4 * 8 * 3000 * 2500 + 24 * 8 * 3000 * 2500


def test_what_fits_exactly_is_let_through_and_one_byte_less_is_refused() -> None:
    needed = needed_memory(10, 100, 1000)
    check_memory(10, 100, 1000, needed)
    check_memory(10, 100, 1000, None)
    with pytest.raises(ConfigError, match=r"10 archetypes on 100 stocks and 1,000 dates .* take fewer archetypes \(9 fit\), fewer dates"):
        check_memory(10, 100, 1000, needed - 1)


def test_no_number_of_archetypes_is_advised_where_none_fits() -> None:
    with pytest.raises(ConfigError, match=r"are free; take fewer dates \(market.start, market.end\) or fewer stocks"):
        check_memory(1, 100, 1000, 1000)


@pytest.mark.parametrize("method", ["annealing", "posterior"])
def test_scores_in_a_file_are_searched_as_those_in_memory(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config() if method == "annealing" else small_config(search=[{"method": method, "lookback": "auto"}])
    panel = prepare(config).panel
    made = list[type]()
    found = []
    for free in (None, needed_memory(0, len(panel.stocks), len(panel.dates))):
        monkeypatch.setattr(gathering, "free_host_bytes", lambda free=free: free)
        monkeypatch.setattr(gathering, "score_array", lambda *sizes, **how: made.append(type(array := score_array(*sizes, **how))) or array)
        found.append(run(config))
    assert made == [np.ndarray, np.memmap]
    assert len(found[0].strategies) == len(found[1].strategies)
    for one, other in zip(found[0].strategies, found[1].strategies, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.fitness, other.fitness)
        for horizon, daily in one.rank_ic.items():
            np.testing.assert_array_equal(daily, other.rank_ic[horizon])
        assert (str(one.metrics), str(one.evidence)) == (str(other.metrics), str(other.evidence))


@pytest.mark.parametrize("fault", ["full", "none"])
def test_no_room_for_the_file_is_told(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    if fault == "full":
        monkeypatch.setattr(os, "posix_fallocate", full)
    else:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    words = r"more than memory has, and .* has no room for such a file \(No s.*\); set TMPDIR to a folder that has"
    with pytest.raises(ConfigError, match=words):
        score_array(100, 1000, 100, needed_memory(0, 100, 100), windows=True)


def test_a_search_that_needs_the_scores_whole_is_named() -> None:
    free = needed_memory(0, 100, 100)
    with pytest.raises(ConfigError, match=r"where no other is listed \(search\.1, annealing, needs them whole\)"):
        score_array(100, 1000, 100, free, windows=False, whole=["search.1, annealing,"])


def test_what_a_search_holds_beside_the_scores_counts() -> None:
    free, tensor = needed_memory(10, 20, 30), 4 * 10 * 20 * 30
    made = [type(score_array(30, 10, 20, free, windows=True, held=held)) for held in (0, tensor, tensor + 1)]
    assert made == [np.ndarray, np.ndarray, np.memmap]
