"""Labels, names and personas of a foreign config or store cannot steer the terminal of who plans, runs or looks at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massjax.precompute import main as precompute
from massjax.store.__main__ import main as store_command
from tests.scoring.test_asking import run
from tests.small_store import written

ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202egnp\x9b31m"


def refuse_escapes(shown: str) -> None:
    assert not set(shown) & set("\x1b\x07\x9b\u202e\r")


def test_labels_and_personas_are_escaped_where_they_are_printed(
    small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small["agents"]["archetypes"][0]["persona"] = f"Bought microsoft in 2008 {ESCAPES}"
    config = written(small, tmp_path)
    assert precompute(["--config", str(tmp_path / "run.yaml"), "--plan"]) == 0
    told = capsys.readouterr()
    refuse_escapes(told.out + told.err)
    assert "still hold a name or ticker" in told.err
    _, store, _ = run(config)
    assert store_command(["info", str(store.path)]) == 0
    shown = capsys.readouterr().out
    refuse_escapes(shown)
    assert "one prompt as it was sent" in shown
    small["agents"]["archetypes"][0]["persona"] = f"Other {ESCAPES}"
    written(small, tmp_path)
    assert precompute(["--config", str(tmp_path / "run.yaml")]) == 2
    refuse_escapes(capsys.readouterr().err)


@pytest.mark.parametrize("command", ["info", "verify", "repair"])
def test_a_path_with_escapes_is_escaped_in_the_message(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert store_command([command, str(tmp_path / f"no{ESCAPES}store")]) == 2
    told = capsys.readouterr()
    refuse_escapes(told.out + told.err)
    assert "no\\x1b[2J" in told.err
