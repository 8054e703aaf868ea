"""A protocol of one's own: one file of Python, loaded where a run uses it and nowhere else, whose faults name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.errors import ConfigError
from massjax.scores.inputs import prepare
from massjax.scores.scores import tensors_in
from massjax.scores.showing import conversation_of
from massjax.scores.status import Status
from tests.scores.asking import run
from tests.small_store import written

SOURCE = (Path(__file__).parents[1] / "agents" / "own_protocol.py").read_text()


@pytest.fixture
def own(small: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    small["market"]["end"] = "2022-06-07"
    (tmp_path / "mine.py").write_text(SOURCE)
    small["agents"]["archetypes"] = [{"name": "mine", "modalities": ["price"], "protocol": "sceptic"}]
    small["agents"]["protocols"] = [{"name": "sceptic", "file": "mine.py"}]
    return small


def test_it_is_run_like_those_of_massjax(own: dict[str, Any], tmp_path: Path) -> None:
    config = written(own, tmp_path)
    found = run(config)
    assert (found.scores.status() == Status.SCORED).all()
    shown = conversation_of(config, "mine", "MSFT", "2022-06-07")
    assert [title for title, _, _ in shown.questions] == ["role sceptic", "role trader"]
    recorded = shown.questions[1][2]
    probability = None if recorded is None else recorded.answer.probability
    assert probability is not None
    n, t = found.scores.stocks.index("MSFT"), -1
    assert found.score[t, 0, n] == pytest.approx(probability[0] / sum(probability), abs=1e-3)
    assert found.scores.decision()[t, 0, n] == (1 if probability[0] > probability[1] else -1)
    assert run(config).asked == []
    (tmp_path / "mine.py").write_text(SOURCE.replace("0.5 * (buy - sell)", "0.25 * (buy - sell)"))
    again = run(written(own, tmp_path))
    assert again.asked == [], "the same questions"
    np.testing.assert_allclose(again.score - 0.5, (found.score - 0.5) / 2, atol=1e-6)
    assert len(tensors_in(tmp_path / "store")) == 2, "another file, another tensor"


def test_reading_a_configuration_runs_nothing(own: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('ran')")
    written(own, tmp_path)
    (tmp_path / "mine.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match=r"mine\.py: the protocol cannot be loaded \(ZeroDivisionError"):
        prepare(written(own, tmp_path))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1", r"mine\.py: has no generator protocol\(archetype, facts, member\)"),
        ("def protocol(archetype, facts, member): return 1", "has no generator"),
        ("def protocol(archetype):\n    yield ()", r"protocol\(archetype\): expected the arguments archetype, facts, member"),
        (SOURCE.replace("(said,) = yield (doubts,)", "(said,) = yield doubts"), "yielded Ask, expected a tuple of Ask"),
        (SOURCE.replace("return Last(", "return ("), "returned tuple in the place of a Last"),
        (SOURCE.replace("np.append", "np.apend"), "the protocol failed .AttributeError"),
        (SOURCE.replace("archetype.model)\n    (said", "'other')\n    (said"), "asks the model 'other', which its `models` do not name"),
    ],
)
def test_its_faults_name_the_file(own: dict[str, Any], tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(ConfigError, match=words):
        run(written(own, tmp_path))


def test_a_file_that_is_not_there_is_told(own: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "mine.py").unlink()
    with pytest.raises(ConfigError, match=r"mine\.py: the protocol cannot be read"):
        prepare(written(own, tmp_path))
