"""Joining logs: one of large files with all that the others hold, written again after a stop, refused where a source is damaged."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

from massjax.answers import merge as merging
from massjax.answers.log import AnswerLog
from massjax.answers.merge import export, merge
from massjax.answers.verify import verify
from massjax.errors import StoreError

from .asked import answer, fill, keys, questions


def content(log: AnswerLog) -> pl.DataFrame:
    return pl.concat(log.frames()).sort("key")


def test_many_small_logs_become_one_large_file(tmp_path: Path) -> None:
    asked = questions(500)
    parts = [fill(AnswerLog(tmp_path / str(i)), asked[i::3], batch=7) for i in range(3)]
    fill(parts[0], asked[1:30:3])
    done = merge([part.place for part in parts], tmp_path / "new")
    merged = AnswerLog(tmp_path / "new")
    assert len(merged.files) == 3
    assert (done.copied, done.there, done.disagreements) == (500, 10, 0)
    whole = fill(AnswerLog(tmp_path / "whole"), asked)
    assert content(merged).drop("asked_at").equals(content(whole).drop("asked_at"))
    assert verify(tmp_path / "new").ok
    assert merge([tmp_path / "new"], tmp_path / "alone").copied == 500
    (frame,) = AnswerLog(tmp_path / "alone").frames()
    assert frame.select("system", "user").rows() == sorted(frame.select("system", "user").rows())
    assert merge([part.place for part in parts], tmp_path / "new").copied == 0
    assert AnswerLog(tmp_path / "new").files == merged.files


def test_stopped_it_goes_on_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fill(AnswerLog(tmp_path / "old"), questions(500), batch=40)
    monkeypatch.setattr(merging, "ROWS", 100)
    write, calls = AnswerLog.write, list[int]()

    def stopping(self: AnswerLog, frame: pl.DataFrame) -> None:
        calls.append(len(frame))
        if len(calls) == 3:
            raise KeyboardInterrupt
        write(self, frame)

    monkeypatch.setattr(AnswerLog, "write", stopping)
    with pytest.raises(KeyboardInterrupt):
        merge([log.place], tmp_path / "new")
    assert 0 < len(AnswerLog(tmp_path / "new")) < len(log)
    there = len(AnswerLog(tmp_path / "new")) + AnswerLog(tmp_path / "new").failed
    done = merge([log.place], tmp_path / "new")
    assert (done.there, done.copied) == (there, 500 - there)
    assert content(AnswerLog(tmp_path / "new")).equals(content(log))
    assert max(calls) <= 100


def test_of_two_answers_that_of_the_first_log_is_kept_and_disagreement_is_told(tmp_path: Path) -> None:
    asked = [q for q in questions(100) if answer(q, "a").failure is None and answer(q, "b").failure is None]
    one, other = fill(AnswerLog(tmp_path / "one"), asked, salt="a"), fill(AnswerLog(tmp_path / "other"), asked[:20], salt="b")
    done = merge([one.place, other.place], tmp_path / "new")
    assert (done.copied, done.there, done.disagreements) == (len(asked), 20, 20)
    assert AnswerLog(tmp_path / "new").answers(keys(asked)) == one.answers(keys(asked))


def test_failures_are_kept_until_there_is_an_answer(tmp_path: Path) -> None:
    asked = questions(300)
    failed = [q for q in asked if answer(q).failure is not None]
    mended = fill(AnswerLog(tmp_path / "mended"), [q for q in failed if answer(q, "again").failure is None], salt="again")
    first = fill(AnswerLog(tmp_path / "first"), asked)
    merge([first.place, mended.place], tmp_path / "new")
    merged = AnswerLog(tmp_path / "new")
    assert (len(merged), merged.failed) == (len(first) + len(mended), len(failed) - len(mended))


def test_a_damaged_source_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    good, bad = (fill(AnswerLog(tmp_path / name), questions(90, start=start)) for name, start in (("good", 0), ("bad", 90)))
    victim = tmp_path / "bad" / random.Random(0).choice(bad.files)
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(StoreError, match=f"{victim.name}: is damaged: .* nothing was merged"):
        merge([good.place, bad.place], tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(StoreError, match="there is no answer log here"):
        merge([good.place, tmp_path / "absent"], tmp_path / "new")
    with pytest.raises(StoreError, match="is one of the logs to merge"):
        merge([good.place], tmp_path / "good")
    with pytest.raises(StoreError, match="is damaged"):
        export(AnswerLog(tmp_path / "bad"), tmp_path / "table.parquet")
    victim.unlink()
    victim.write_bytes(b"")
    with pytest.raises(StoreError, match="is damaged"):
        export(bad, tmp_path / "table.parquet")
    assert not list(tmp_path.glob("*.parquet"))


def test_an_export_is_one_table_of_what_counts(tmp_path: Path) -> None:
    asked = questions(120)
    log = fill(fill(AnswerLog(tmp_path / "log"), asked), asked[:30])
    assert export(log, tmp_path / "table.parquet") == 120
    table = pl.read_parquet(tmp_path / "table.parquet")
    assert set(table["key"]) == {question.key.hex() for question in asked}
    assert table.drop("key").equals(pl.concat(log.frames()).drop("key"))
    with pytest.raises(StoreError, match="is there already"):
        export(log, tmp_path / "table.parquet")
    assert export(log, tmp_path / "table.parquet", replace=True) == 120
    assert export(AnswerLog(tmp_path / "empty"), tmp_path / "empty.parquet") == 0
