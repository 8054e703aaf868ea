"""Nothing in a log is code, nothing leads out of its folder, and files made up by somebody else are refused, whatever they claim."""

from __future__ import annotations

import io
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from massjax.answers import durable, files
from massjax.answers.__main__ import main
from massjax.answers.log import UNKNOWN, AnswerLog
from massjax.answers.verify import repair, verify
from massjax.errors import StoreError

from .asked import IDENTITY, MACHINE, MODEL, RATE, answer, fill, keys, questions

ASKED = questions(40)


def forged(folder: Path, data: bytes) -> str:
    """Put bytes into a log under the name that fits them, as somebody could who means harm."""
    name = f"{durable.digest(data)}.parquet"
    (folder / name).write_bytes(data)
    return name


def parquet(frame: pl.DataFrame, **options: Any) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, **options)
    return buffer.getvalue()


@pytest.fixture
def log(tmp_path: Path) -> AnswerLog:
    return fill(AnswerLog(tmp_path / "answers"), ASKED)


def rows(log: AnswerLog) -> pl.DataFrame:
    return next(log.frames())


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.drop("key"),
        lambda frame: frame.with_columns(pl.lit(1).alias("more")),
        lambda frame: frame.with_columns(pl.col("key").bin.encode("hex")),
        lambda frame: frame.with_columns(pl.col("key").bin.slice(0, 15)),
        lambda frame: frame.with_columns(pl.concat_list("key", "key").list.first() + b"x"),
        lambda frame: frame.with_columns(pl.lit(None, pl.Binary).alias("key")),
        lambda frame: frame.with_columns(pl.col("mass").cast(pl.Float64)),
        lambda frame: frame.with_columns(pl.col("probability").cast(pl.List(pl.Float64))),
        lambda frame: frame.select(reversed(frame.columns)),
        lambda frame: pl.DataFrame({"a": [1]}),
        lambda frame: pl.DataFrame(),
    ],
)
def test_other_columns_and_keys_of_other_lengths_are_refused(log: AnswerLog, change: Any) -> None:
    folder, before = Path(str(log.place)), log.choices(keys(ASKED), 5)
    name = forged(folder, parquet(change(rows(log))))
    again = AnswerLog(folder)
    for one, other in zip(again.choices(keys(ASKED), 5), before, strict=True):
        np.testing.assert_array_equal(one, other)
    if list(change(rows(log)).columns) != list(reversed(files.SCHEMA)):
        assert [file for file, _ in again.damaged] == [name]
        assert [problem.file for problem in verify(folder).problems] == [name]
        assert repair(folder).aside == (name,)
    assert verify(folder).ok


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1",
        b"PAR1" + b"\xff" * 1000 + b"PAR1",
        b"PAR1" + bytes(100) + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
        os.urandom(3000),
    ],
    ids=["empty", "magic", "footer", "length", "noise"],
)
def test_what_is_no_parquet_is_refused(log: AnswerLog, data: bytes) -> None:
    name = forged(Path(str(log.place)), data)
    assert [file for file, _ in AnswerLog(log.place).damaged] == [name]


def test_a_file_that_claims_too_many_rows_is_not_read(log: AnswerLog) -> None:
    """A thousand million rows of one value are a few kilobytes of parquet, and gigabytes in memory."""
    one = rows(log).head(1)
    many = pl.concat([one] * 1024).rechunk()
    many = pl.concat([many] * 1025)
    name = forged(Path(str(log.place)), parquet(many))
    ((found, why),) = AnswerLog(log.place).damaged
    assert found == name
    assert "claims more than 1,048,576 rows" in why


def test_damaged_inside_under_a_fitting_name(log: AnswerLog) -> None:
    """Flips with a name made to fit: the parser meets them, and whatever it does is an error that is told, never a crash."""
    folder = Path(str(log.place))
    original = (folder / log.files[0]).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(original)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        name = forged(folder, bytes(data))
        seen = AnswerLog(folder)
        try:
            seen.choices(keys(ASKED), 5)
            seen.answers(keys(ASKED))
        except StoreError:
            pass
        verify(folder)
        (folder / name).unlink()


def test_answers_put_under_the_keys_of_other_questions_are_found(log: AnswerLog) -> None:
    folder = Path(str(log.place))
    frame = rows(log).with_columns(pl.col("key").reverse())
    name = forged(folder, parquet(frame))
    ((found, fault),) = verify(folder).problems
    assert found == name
    assert fault == "40 of its 40 rows have not the key of their question"
    assert main(["verify", str(folder)]) == 1
    repair(folder)
    assert verify(folder).ok


@pytest.mark.parametrize("column", ["model", "form"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"kind":"rate"}', '{"kind":"evil","x":1}', '{"kind":["rate"]}', '"' + "x" * 99 + '"']
)
def test_questions_that_cannot_be_read_are_found(log: AnswerLog, column: str, text: str) -> None:
    folder = Path(str(log.place))
    name = forged(folder, parquet(rows(log).with_columns(pl.lit(text).alias(column))))
    again = AnswerLog(folder)
    again.models()
    assert [problem.file for problem in verify(folder).problems] == [name]
    assert main(["info", str(folder)]) == 0
    assert main(["show", str(folder), ASKED[0].key.hex()]) in (0, 2)


class Trap:
    """Unpickling this leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_never_loaded(log: AnswerLog, tmp_path: Path) -> None:
    payload = pickle.dumps(Trap(tmp_path / "sprung"))
    (Path(str(log.place)) / log.files[0]).write_bytes(payload)
    forged(Path(str(log.place)), payload)
    assert len(verify(log.place).problems) == 2
    assert (AnswerLog(log.place).choices(keys(ASKED), 5)[2] == UNKNOWN).all()
    assert not (tmp_path / "sprung").exists()


def test_pipes_folders_and_links_in_the_place_of_files_are_told_and_nothing_waits(log: AnswerLog, tmp_path: Path) -> None:
    folder, outside = Path(str(log.place)), tmp_path / "outside"
    outside.write_bytes(b"secret")
    names = [f"{digit * 32}.parquet" for digit in "abcdef"]
    os.mkfifo(folder / names[0])
    (folder / names[1]).mkdir()
    (folder / names[2]).symlink_to(outside)
    (folder / names[3]).symlink_to("/dev/zero")
    (folder / names[4]).symlink_to(tmp_path / "absent")
    (folder / names[5]).symlink_to(names[5])
    (folder / names[5]).unlink()
    again = AnswerLog(folder)
    assert [name for name, _ in again.damaged] == names[:4]
    assert "is a named pipe, not a file" in dict(again.damaged)[names[0]]
    assert len(again) == len(log)
    repair(folder)
    assert outside.read_bytes() == b"secret"
    assert not (folder / names[2]).is_symlink()


def test_nothing_is_written_through_a_link(log: AnswerLog, tmp_path: Path) -> None:
    (asked,) = questions(1, start=500)
    name, data = files.encode(files.frame_of(IDENTITY, [files.Asked(asked, answer(asked), rows(log)["asked_at"][0])], MACHINE))
    outside = tmp_path / "outside"
    outside.write_bytes(b"as it was")
    (Path(str(log.place)) / name).symlink_to(outside)
    log.place.put(name, data)
    assert outside.read_bytes() == b"as it was"
    assert not (Path(str(log.place)) / name).is_symlink()


def test_texts_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from massjax.models.failures import Failure, Reason
    from massjax.models.forms import Write
    from massjax.models.identity import identity_digest
    from massjax.models.question import Prompt, Question

    evil = "\x1b[2J\x1b]0;owned\x07 [red]bold[/] \u202egnp.exe"
    identity = {"engine": evil, "model": evil}
    asked = [Question(identity_digest(identity), Prompt(evil + str(i), evil), form) for i, form in enumerate([RATE, Write(9)])]
    said = [
        answer(asked[0])._replace(probability=None, failure=Failure(Reason.REFUSED, evil), finish_reason=evil),
        answer(asked[1])._replace(text=evil),
    ]
    log = AnswerLog(tmp_path / "answers")
    log.append(identity, asked, said, evil)
    (tmp_path / "answers" / "evil\x1b[2J.txt").write_text("x")
    for command in (["info"], ["verify"], ["show", asked[0].key.hex()], ["show", asked[1].key.hex()]):
        assert main([command[0], str(tmp_path / "answers"), *command[1:]]) == 0
    printed = capsys.readouterr().out
    assert "[red]bold[/]" in printed
    assert not {"\x1b", "\x07", "\u202e"} & set(printed)
    assert main(["show", str(tmp_path / "answers"), evil]) == 2
    assert main(["info", str(tmp_path / evil.replace("/", "")), "--price", "1"]) == 2
    assert not {"\x1b", "\x07", "\u202e"} & set(capsys.readouterr().err)


def test_an_answer_that_is_none_to_its_question_is_refused_before_it_is_written(tmp_path: Path) -> None:
    question = next(question for question in ASKED if answer(question).failure is None)
    good, log = answer(question), AnswerLog(tmp_path / "answers")
    for change, words in [
        ({"probability": None}, "probabilities of 5 choices"),
        ({"probability": (0.5, 0.5)}, "probabilities of 5 choices"),
        ({"probability": (float("nan"), 0.0, 0.0, 0.0, 1.0)}, "that are none"),
        ({"probability": (-0.5, 0.5, 0.5, 0.25, 0.25)}, "that are none"),
        ({"probability": (0.5, 0.5, 0.5, 0.5, 0.5)}, "that are none"),
        ({"mass": float("inf")}, "a mass outside"),
        ({"mass": float("nan")}, "a mass outside"),
    ]:
        with pytest.raises(StoreError, match=words):
            log.append(IDENTITY, [question], [good._replace(**change)], MACHINE)
    assert not (tmp_path / "answers").exists()


def test_a_store_of_questions_with_the_names_of_paths_writes_hashes_alone(tmp_path: Path) -> None:
    from massjax.models.question import Prompt, Question

    asked = [Question(MODEL, Prompt("../../escape", "/etc/passwd"), RATE)]
    fill(AnswerLog(tmp_path / "a" / "answers"), asked)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert all(files.NAME.fullmatch(path.name) for path in (tmp_path / "a" / "answers").iterdir())
    shutil.rmtree(tmp_path / "a")
