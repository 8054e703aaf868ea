"""The log: what is put in comes out, in any form, from any number of files; nothing counts twice."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.answers import files
from massjax.answers.index import ABSENT, FAILED, Index, place_of
from massjax.answers.log import ANSWERED, REASONS, UNKNOWN, AnswerLog
from massjax.errors import StoreError
from massjax.models.failures import Failure, Reason
from massjax.models.forms import Decide, Familiar, Pick, Write
from massjax.models.identity import identity_digest
from massjax.models.question import Prompt, Question

from .asked import IDENTITY, MACHINE, MODEL, RATE, answer, fill, keys, questions

EVERY_FORM = (
    RATE,
    Decide(("buy", "hold", "sell"), "I "),
    Pick(("AAA", "BBB", "CCC", "DDD"), (2, 0, 3, 1), 2, seed=3),
    Write(100, 0.7, 5),
    Write(50, schema='{"type":"object"}'),
    Familiar((20.0, 100.0)),
)


def test_what_is_put_in_comes_out(tmp_path: Path) -> None:
    asked = [question for form in EVERY_FORM for question in questions(20, form=form)]
    log = fill(AnswerLog(tmp_path / "answers"), asked, batch=30)
    for seen in (log, AnswerLog(tmp_path / "answers")):
        expected = [answer(question) for question in asked]
        assert list(map(repr, seen.answers(keys(asked)))) == list(map(repr, map(rounded, expected)))
        np.testing.assert_array_equal(seen.known(keys(asked)), [said.failure is None for said in expected])
        assert len(seen) == sum(said.failure is None for said in expected)
        assert len(seen) + seen.failed == len(asked)
        for question, said in zip(asked, expected, strict=True):
            found = seen.recorded(question.key)
            assert found is not None
            assert (found.question, repr(found.answer)) == (question, repr(rounded(said)))
            assert (found.identity, found.machine) == (IDENTITY, MACHINE)
        assert seen.recorded(bytes(16)) is None
        assert seen.answers(keys(questions(1, start=10_000))) == [None]
        assert seen.find(asked[7].key.hex()[:9]) == [asked[7].key]
        assert set(seen.find("")) == {question.key for question in asked}


def rounded(said: object) -> object:
    """As a log keeps it: 32 bits a number."""
    share = said.probability  # type: ignore[attr-defined]
    return said._replace(probability=None if share is None else tuple(map(float, np.float32(share))))  # type: ignore[attr-defined]


def test_choices_are_an_array_with_why_there_is_none(tmp_path: Path) -> None:
    asked = questions(400)
    log = fill(AnswerLog(tmp_path), asked)
    wanted = [*questions(5, start=9000), *reversed(asked), *asked[:7]]
    probability, mass, codes = log.choices(keys(wanted), 5)
    assert (probability.dtype, mass.dtype, codes.dtype) == (np.float32, np.float32, np.uint8)
    assert (codes[:5] == UNKNOWN).all()
    failures = 0
    for row, question in enumerate(wanted[5:], start=5):
        said = answer(question)
        if said.failure is None:
            assert codes[row] == ANSWERED
            np.testing.assert_array_equal(probability[row], np.float32(said.probability))
            assert mass[row] == np.float32(said.mass)
        else:
            failures += 1
            assert REASONS[codes[row]] == Reason.NO_CHOICE
            assert np.isnan(probability[row]).all()
            assert np.isnan(mass[row])
    assert failures > 3
    assert [part.shape for part in log.choices(np.empty((0, 2), np.uint64), 5)] == [(0, 5), (0,), (0,)]
    with pytest.raises(StoreError, match="has not 4 choices"):
        log.choices(keys(asked), 4)


def test_an_empty_log_is_made_with_its_first_answer(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "a" / "b")
    assert (len(log), log.failed, log.files, log.damaged, log.models(), log.disagreements()) == (0, 0, (), (), {}, 0)
    assert not log.known(keys(questions(3))).any()
    log.append(IDENTITY, [], [], MACHINE)
    log.check_writable()
    assert list((tmp_path / "a" / "b").iterdir()) == []
    fill(log, questions(3))
    (file,) = (tmp_path / "a" / "b").iterdir()
    assert files.NAME.fullmatch(file.name)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is not a folder"):
        AnswerLog(tmp_path / "file")


def test_a_file_is_read_by_anything_that_reads_parquet(tmp_path: Path) -> None:
    asked = questions(3)
    log = fill(AnswerLog(tmp_path), asked)
    frame = pl.read_parquet(tmp_path / log.files[0])
    assert dict(frame.schema) == files.SCHEMA
    assert set(frame["user"]) == {question.prompt.user for question in asked}
    assert frame["form"].unique().to_list() == ['{"choices":["1","2","3","4","5"],"kind":"rate","prefill":""}']


def test_another_log_of_the_same_place_is_seen_after_a_refresh(tmp_path: Path) -> None:
    one, other = AnswerLog(tmp_path), AnswerLog(tmp_path)
    fill(one, questions(60))
    assert len(other) == 0
    other.refresh()
    assert len(other) == len(one)
    fill(other, questions(40, start=60), batch=3)
    one.refresh()
    assert (one.known(keys(questions(100))) == other.known(keys(questions(100)))).all()
    for file in list(tmp_path.iterdir())[::2]:
        file.unlink()
    one.refresh()
    assert (one.known(keys(questions(100))) == AnswerLog(tmp_path).known(keys(questions(100)))).all()
    assert sorted(one.files) == sorted(file.name for file in tmp_path.iterdir())


def test_of_two_answers_the_first_by_file_name_counts_and_disagreement_is_counted(tmp_path: Path) -> None:
    asked = [question for question in questions(300) if answer(question, "a").failure is None and answer(question, "b").failure is None]
    log = fill(AnswerLog(tmp_path), asked, salt="a", batch=11)
    fill(log, asked[:60], salt="b", batch=60)
    fill(log, asked[200:210], salt="a")
    again = AnswerLog(tmp_path)
    assert len(log) == len(again) == len(asked)
    assert log.disagreements() == again.disagreements() == 60
    assert set(log.disagreeing()) == {question.key for question in asked[:60]}
    first: dict[bytes, str] = {}
    for name in sorted(log.files):
        for key, share in pl.read_parquet(tmp_path / name).select("key", "probability").rows():
            first.setdefault(key, share)
    for seen in (log, again):
        found = seen.answers(keys(asked))
        assert [list(said.probability) for said in found] == [first[question.key] for question in asked]  # type: ignore[union-attr,arg-type]
        assert sum(map(len, seen.frames())) == len(asked)


def test_a_failure_is_no_answer_and_gives_way_to_one(tmp_path: Path) -> None:
    (question,) = questions(1)
    said = answer(question)._replace(failure=None, probability=(0.5, 0.5, 0, 0, 0), mass=1.0)
    failed = said._replace(probability=None, mass=float("nan"), failure=Failure(Reason.TIMED_OUT, "slow"))
    for place, order in enumerate(itertools.permutations([failed, said, failed._replace(seconds=2.0)])):
        log = AnswerLog(tmp_path / str(place))
        for each in order:
            log.append(IDENTITY, [question], [each], MACHINE)
        for seen in (log, AnswerLog(tmp_path / str(place))):
            assert seen.known(keys([question])).all()
            assert seen.answers(keys([question])) == [said]
            assert (len(seen), seen.failed, seen.disagreements()) == (1, 0, 0)
    log = AnswerLog(tmp_path / "failed")
    log.append(IDENTITY, [question], [failed], MACHINE)
    assert (len(log), log.failed) == (0, 1)
    assert REASONS[log.choices(keys([question]), 5)[2][0]] == Reason.TIMED_OUT


def test_what_asking_took_is_kept_by_model(tmp_path: Path) -> None:
    asked, other = questions(50), {"engine": "fake", "seed": "1"}
    log = fill(AnswerLog(tmp_path), asked)
    others = questions(5, model=identity_digest(other))
    log.append(other, others, [answer(question) for question in others], "1 GPU")
    for seen in (log, AnswerLog(tmp_path)):
        records = seen.models()
        assert list(records) == [MODEL, identity_digest(other)]
        record = records[MODEL]
        assert record.identity == IDENTITY
        assert record.answers + record.failures == 50
        assert record.prompt_tokens == sum(answer(question).prompt_tokens for question in asked)
        assert record.seconds == 50 * 0.25
        assert record.machines == (MACHINE,)
    with pytest.raises(StoreError, match="of another model"):
        log.append(other, asked, [answer(question) for question in asked], MACHINE)


def test_text_that_no_file_can_hold_is_kept_as_far_as_it_can_be(tmp_path: Path) -> None:
    (question,) = questions(1, form=Write(5))
    said = answer(question)._replace(text="half \ud83d of a pair", cached_tokens=-1, written_tokens=2**40)
    log = AnswerLog(tmp_path)
    log.append(IDENTITY, [question], [said], MACHINE)
    (kept,) = log.answers(keys([question]))
    assert kept is not None
    assert (kept.text, kept.cached_tokens, kept.written_tokens) == ("half ? of a pair", 0, 2**32 - 1)


def test_prompts_of_any_text_keep_their_key(tmp_path: Path) -> None:
    texts = ["", "\x00", "\x1b[2J", "a\u202eb", "\r\n", "🐍" * 1000, "' OR 1=1", "../../escape"]
    asked = [Question(MODEL, Prompt(system, user), RATE) for system in texts for user in texts]
    fill(AnswerLog(tmp_path), asked)
    log = AnswerLog(tmp_path)
    assert all(log.recorded(question.key).question == question for question in asked)  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(20))
def test_the_index_finds_what_a_dictionary_finds(seed: int) -> None:
    """Few different words, so that keys share their first word, repeat, and come from files in any order."""
    rng = np.random.default_rng(seed)
    index, names, known = Index(), list[str](), dict[tuple[int, int], tuple[bool, str, int]]()
    doubles = 0
    for number in range(12):
        names.append(f"{rng.integers(1 << 30):010d}-{number}")
        rows = int(rng.integers(0, 40))
        words = rng.integers(0, 12, (rows, 2)).astype(np.uint64) << np.uint64(60)
        failed = rng.random(rows) < 0.3
        index.add(words, place_of(number, rows, failed), names)
        for row, (key, bad) in enumerate(zip(map(tuple, words.tolist()), failed.tolist(), strict=True)):
            doubles += key in known and not bad and not known[key][0]
            known[key] = min(known.get(key, (True, "~", 0)), (bad, names[number], row))
    expected = {key: place_of(names.index(name), row + 1, np.array([False] * row + [bad]))[row] for key, (bad, name, row) in known.items()}
    every = np.array([(a, b) for a in range(13) for b in range(13)], dtype=np.uint64) << np.uint64(60)
    found = {tuple(key): place for key, place in zip(every.tolist(), index.find(every), strict=True) if place != ABSENT}
    assert found == expected
    assert len(index) == len(known)
    assert index.answered() == sum(not place & FAILED for place in expected.values())
    assert sum(map(len, index.doubles)) == doubles


def test_a_file_that_cannot_be_read_just_now_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    log = fill(AnswerLog(tmp_path), questions(60))
    other = fill(AnswerLog(tmp_path), questions(60, start=60), batch=10)
    read, calls = log.place.read, list[str]()

    def failing(name: str) -> bytes | None:
        calls.append(name)
        if len(calls) > 2:
            raise StoreError("the connection is gone")
        return read(name)

    log.place.read = failing  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="the connection is gone"):
        log.refresh()
    log.place.read = read  # type: ignore[method-assign]
    log.refresh()
    assert log.damaged == ()
    np.testing.assert_array_equal(log.known(keys(questions(120))), other.known(keys(questions(120))))
