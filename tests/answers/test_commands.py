"""`python -m massjax.answers`: what it prints, and with which code it ends."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from massjax.answers.__main__ import main
from massjax.answers.log import AnswerLog
from massjax.models.familiarity import familiarity_of
from massjax.models.forms import Familiar, Pick, Write

from .asked import MODEL, answer, fill, questions

FORMS = (Pick(("AAA", "BBB", "CCC", "DDD"), (2, 0, 3, 1), 2, seed=3), Write(100, 0.7, 5, '{"type":"object"}'), Familiar((20.0, 100.0)))


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A log in a store, with some of every form."""
    asked = [*questions(60), *(question for form in FORMS for question in questions(5, form=form))]
    fill(AnswerLog(tmp_path / "store" / "answers"), asked)
    return str(tmp_path / "store")


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_info_tells_who_answered_and_what_it_took(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", path, "--price", "2"]) == 0
    said = printed(capsys)
    for words in (
        f"model {MODEL}",
        "no model: answers are noise",
        "disagreements │ none",
        "4.0 questions a second",
        "at 2.00 for a million",
    ):
        assert words in said
    assert main(["info", f"{path}/answers"]) == 0
    assert printed(capsys) in said.replace("price", "price") or MODEL in said


def test_show_prints_the_whole_conversation(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    rated = next(question for question in questions(60) if answer(question).failure is None)
    failed = next(question for question in questions(60) if answer(question).failure is not None)
    picked, written, familiar = (questions(1, form=form)[0] for form in FORMS)
    for question in (rated, failed, picked, written):
        assert main(["show", path, question.key.hex()[:12]]) == 0
        said, known = printed(capsys), answer(question)
        for words in (question.key.hex(), *question.prompt, f"{known.prompt_tokens} tokens read", "2 CPU cores"):
            assert words in said
        if known.text is not None:
            assert known.text in said
        if known.picks is not None:
            table = [line.split() for line in said.split("│")]
            assert ["AAA"] in table
            assert known.picks.count(known.picks[0]) == 1
        if known.failure is not None:
            assert "no answer: no choice among the likeliest tokens: said é\\x1b[2J" in said
        elif known.probability is not None:
            assert all(f"{share:.4f}" in said for share in known.probability)
            assert f"{known.mass:.4f}" in said
    assert main(["show", path, familiar.key.hex()]) == 0
    said, numbers = printed(capsys), familiarity_of(answer(familiar))
    assert all(f"│ {percent:g} │ {mean:.4f} │" in said for percent, mean in numbers.means.items())
    assert "form │ familiar: mean log-probability of the 20, 100 % least likely tokens" in said
    assert "of 40 tokens of the user message" in said
    assert main(["show", path, "f"]) == 0
    for key, words in (("xyz", "hexadecimal digits"), ("0" * 32, "no question has a key")):
        assert main(["show", path, key]) == 2
        assert words in capsys.readouterr().err


def test_verify_and_repair(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", path]) == 0
    assert "sound; " in capsys.readouterr().out
    victim = sorted((Path(path) / "answers").iterdir())[0]
    victim.write_bytes(victim.read_bytes() + b"x")
    assert main(["verify", path]) == 1
    said = printed(capsys)
    assert victim.name in said
    assert "massjax.answers repair" in said
    assert main(["info", path]) == 0
    assert f"{victim.name} is damaged" in printed(capsys)
    assert main(["repair", path]) == 0
    assert "0 files renamed, 1 set aside" in printed(capsys)
    assert main(["repair", path]) == 0
    assert "nothing to repair" in printed(capsys)
    assert main(["verify", path]) == 0


def test_merge_and_export(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", path, path, str(tmp_path / "new")]) == 0
    assert "75 rows copied, 75 were there" in printed(capsys)
    assert main(["export", str(tmp_path / "new"), str(tmp_path / "t.parquet")]) == 0
    assert "75 rows" in printed(capsys)
    assert len(pl.read_parquet(tmp_path / "t.parquet")) == 75
    assert main(["export", path, str(tmp_path / "t.parquet")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["export", path, str(tmp_path / "t.parquet"), "--replace"]) == 0


def test_stores_are_joined_into_a_store_and_logs_into_a_log(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "there"
    fill(AnswerLog(there / "answers"), questions(80)[60:])
    for target in (there, tmp_path / "new store"):
        assert main(["merge", path, str(target)]) == 0
        assert [one.name for one in target.iterdir()] == ["answers"]
    assert len(AnswerLog(there / "answers")) > len(AnswerLog(tmp_path / "new store" / "answers"))
    for log in ("new log", "new log"):
        assert main(["merge", f"{path}/answers", log]) == 0
        assert all(one.suffix == ".parquet" for one in (tmp_path / log).iterdir())
    (tmp_path / "link").symlink_to(path)
    for itself in (path, f"{path}/answers", "store", "./store/answers/", "link"):
        before = sorted(Path(path).rglob("*"))
        assert main(["merge", path, itself]) == 2
        assert sorted(Path(path).rglob("*")) == before


@pytest.mark.parametrize("command", [["info"], ["show", "ab"], ["verify"], ["repair"], ["export", "t.parquet"]])
def test_where_there_is_no_log_it_says_so(tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command[0], str(tmp_path / "absent"), *command[1:]]) == 2
    assert "there is no answer log here" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "file").write_text("x")
    assert main([command[0], str(tmp_path / "file"), *command[1:]]) == 2
    assert "is not a folder" in " ".join(capsys.readouterr().err.split())


def test_a_disagreement_is_told(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [q for q in questions(60) if answer(q).failure is None and answer(q, "b").failure is None][:7]
    fill(AnswerLog(Path(path) / "answers"), asked, salt="b")
    for command in ("info", "verify"):
        assert main([command, path]) == 0
        assert "7" in (said := printed(capsys))
        assert "disagree" in said
