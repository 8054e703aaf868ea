"""Whatever happens to the files of a log, reading finds it or is not misled by it, and asking again makes it whole."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.answers import durable, files
from massjax.answers.ask import ask_open
from massjax.answers.log import ANSWERED, UNKNOWN, AnswerLog
from massjax.answers.verify import DAMAGED, repair, verify

from .asked import MODEL, Counting, answer, fill, keys, questions

ASKED = questions(300)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of ten files, with failures among the answers."""
    path = tmp_path_factory.mktemp("logs") / "sound"
    assert fill(AnswerLog(path), ASKED, batch=33).failed > 3
    return path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of other questions, and another of the same ones answered by the same model."""
    path = tmp_path_factory.mktemp("logs") / "other"
    fill(fill(AnswerLog(path), questions(40, start=1000)), ASKED[:20])
    return path


def flipped(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 1, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def truncated(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def lengthened(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randrange(1, 40)))


def holed(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    start = rng.randrange(len(data))
    path.write_bytes(data[:start] + bytes(min(64, len(data) - start)) + data[start + 64 :])


def deleted(path: Path, rng: random.Random) -> None:
    path.unlink()


def emptied(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def swapped(path: Path, rng: random.Random) -> None:
    second = rng.choice(sorted(set(path.parent.glob("*.parquet")) - {path}))
    data = path.read_bytes()
    path.write_bytes(second.read_bytes())
    second.write_bytes(data)


def doubled(path: Path, rng: random.Random) -> None:
    shutil.copy(path, path.with_name(f"{rng.getrandbits(128):032x}.parquet"))


DAMAGES = (flipped, truncated, lengthened, holed, deleted, emptied, swapped, doubled)


def check_not_misled(log: AnswerLog) -> None:
    """What is told is true: right answers or none, and every damaged file is named."""
    probability, mass, codes = log.choices(keys(ASKED), 5)
    for row, question in enumerate(ASKED):
        said = answer(question)
        if codes[row] == ANSWERED:
            np.testing.assert_array_equal(probability[row], np.float32(said.probability))
            assert mass[row] == np.float32(said.mass)
        elif codes[row] != UNKNOWN:
            assert said.failure is not None
    np.testing.assert_array_equal(log.known(keys(ASKED)), codes == ANSWERED)


@pytest.mark.parametrize("opened", ["before", "after"])
@pytest.mark.parametrize("seed", [pytest.param(seed, marks=pytest.mark.slow if seed > 5 else ()) for seed in range(40)])
def test_damage_is_found_or_harmless_on_reading_and_asking_again_mends_it(sound: Path, tmp_path: Path, seed: int, opened: str) -> None:
    """Four damages at once, of a log that is open already or is opened after; 320 of them in all."""
    rng = random.Random(seed)
    path = Path(shutil.copytree(sound, tmp_path / "log"))
    log = AnswerLog(path)
    changed = set()
    for _ in range(4):
        damage: Callable[[Path, random.Random], None] = rng.choice(DAMAGES)
        victim = rng.choice([file for file in sorted(path.glob("*.parquet")) if file.stat().st_size])
        before = {file.name: file.read_bytes() for file in path.iterdir()}
        damage(victim, rng)
        after = {file.name: file.read_bytes() for file in path.iterdir()}
        changed |= {name for name, data in after.items() if before.get(name) != data}
    changed = {name for name in changed if (path / name).exists() and differs(path / name, sound)}
    seen = log if opened == "before" else AnswerLog(path)
    check_not_misled(seen)
    assert {name for name, _ in seen.damaged} <= changed
    assert {problem.file for problem in verify(path).problems} == changed == {name for name, _ in AnswerLog(path).damaged}
    repair(path)
    assert verify(path).ok
    model = Counting()
    log = AnswerLog(path)
    lost = len(ASKED) - int(log.known(keys(ASKED)).sum())
    ask_open(log, model, ASKED)
    assert len(model.asked) == lost
    check_not_misled(log)
    assert log.choices(keys(ASKED), 5)[2].tolist() == AnswerLog(sound).choices(keys(ASKED), 5)[2].tolist()
    assert AnswerLog(path).disagreements() == 0


def differs(path: Path, sound: Path) -> bool:
    original = sound / path.name
    return not original.exists() or original.read_bytes() != path.read_bytes()


def test_two_swapped_files_get_their_names_back(sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "log"))
    swapped(sorted(path.glob("*.parquet"))[2], random.Random(0))
    assert len(verify(path).problems) == 2
    done = repair(path)
    assert (len(done.renamed), done.aside) == (2, ())
    assert {file.name: file.read_bytes() for file in path.iterdir()} == {file.name: file.read_bytes() for file in sound.iterdir()}


def test_a_file_under_a_name_of_no_content_is_set_aside_since_nothing_vouches_for_it(sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "log"))
    victim = sorted(path.glob("*.parquet"))[1]
    data = victim.read_bytes()
    victim.rename(path / f"{'0' * 32}.parquet")
    assert len(AnswerLog(path)) < len(AnswerLog(sound))
    done = repair(path)
    assert (done.renamed, done.aside) == ((), (f"{'0' * 32}.parquet",))
    (aside,) = (path / DAMAGED).iterdir()
    assert aside.read_bytes() == data


def test_answers_that_are_damaged_where_their_questions_are_not_never_count(sound: Path, tmp_path: Path) -> None:
    """A file that can be read, with the right keys and other probabilities, as a flipped bit may leave it: only the name tells."""
    path = Path(shutil.copytree(sound, tmp_path / "log"))
    victim = sorted(path.glob("*.parquet"))[0]
    right = files.decode(victim.name, victim.read_bytes())
    _, damaged = files.encode(right.with_columns(pl.col("probability").list.eval(pl.element() * 1e-38)))
    victim.write_bytes(damaged)
    assert [problem.file for problem in verify(path).problems] == [victim.name]
    done = repair(path)
    assert (done.renamed, done.aside) == ((), (victim.name,))
    log = AnswerLog(path)
    check_not_misled(log)
    assert len(log) == len(AnswerLog(sound)) - right["reason"].is_null().sum()


def test_a_damaged_file_is_put_aside_not_away(sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "log"))
    victim = sorted(path.glob("*.parquet"))[0]
    flipped(victim, random.Random(0))
    data = victim.read_bytes()
    assert repair(path).aside == (victim.name,)
    (aside,) = (path / DAMAGED).iterdir()
    assert aside.read_bytes() == data
    assert aside.name.endswith(victim.name)
    assert verify(path).ok
    assert verify(path).notes == ()


def test_files_of_another_log_and_old_ones_are_harmless(sound: Path, other: Path, tmp_path: Path) -> None:
    """They hold what their questions were answered: other questions are never asked for, the same ones have the same answers."""
    path = Path(shutil.copytree(sound, tmp_path / "log"))
    for file in other.iterdir():
        shutil.copy(file, path)
    log = AnswerLog(path)
    check_not_misled(log)
    assert (log.damaged, log.disagreements()) == ((), 0)
    assert verify(path).ok
    (question,) = questions(1, start=1000)
    assert question.model == MODEL
    assert log.known(keys([question])).all()


def test_a_log_that_is_open_notices_what_is_taken_away_and_put_back(sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "log"))
    log = AnswerLog(path)
    victim = sorted(path.glob("*.parquet"))[3]
    data = victim.read_bytes()
    victim.write_bytes(data[:-1])
    check_not_misled(log)
    assert dict(log.damaged) == {victim.name: "is damaged: its content does not fit its name"}
    victim.unlink()
    log.refresh()
    assert log.damaged == ()
    victim.write_bytes(data)
    log.refresh()
    assert len(log) == len(AnswerLog(sound))
    shutil.rmtree(path)
    check_not_misled(log)
    assert len(log) == 0


def test_leftovers_of_killed_writers_are_swept_and_those_of_living_ones_are_not(sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "log"))
    mine = path / durable.temporary_name()
    dead = path / mine.name.replace(f"-{os.getpid()}-", "-99999999-")
    elsewhere = path / ".tmp-elsewhere-5-abc"
    foreign = path / "notes.txt"
    for file in (mine, dead, elsewhere, foreign):
        file.write_bytes(b"x")
    report = verify(path)
    assert report.ok
    assert report.notes == (f"{dead.name}: was left by a killed writer", "notes.txt: is no file of a log; left alone")
    assert repair(path).swept == (dead.name,)
    assert all(file.exists() for file in (mine, elsewhere, foreign))
