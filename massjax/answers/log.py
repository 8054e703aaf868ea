"""The answer log: every question that was ever asked, with its answer; it only grows, and is read and written without a lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int16, UInt8, UInt64

from massjax.answers import ask, durable, files, speed
from massjax.answers.files import Asked, Recorded
from massjax.answers.index import ABSENT, FAILED, Index, file_and_row, place_of
from massjax.answers.places import Place, Where, each, open_place
from massjax.answers.speed import ModelRecord
from massjax.errors import StoreError
from massjax.models.answer import Answer
from massjax.models.failures import REASONS, reason_of
from massjax.models.identity import identity_digest
from massjax.models.language_model import LanguageModel
from massjax.models.question import Question

ANSWERED, UNKNOWN = 0, 255
"""Codes of `AnswerLog.choices`: there is an answer; the question is not in the log. Those between are places in
`massjax.models.failures.REASONS`."""
_INDEXED = ("key", "reason", *speed.COLUMNS)


class AnswerLog:
    """Questions and answers in a folder, or under a URL, of parquet files that are named by the hash of their content.

    Every file is hashed whenever it is read; one that does not fit its name is set aside, told in `damaged`, and its questions are open
    again. Reading never writes. Any number of processes may read and append at once. One object is for one thread.

    Args:
        where: a path, a URL such as `s3://bucket/answers`, an `obstore` store, or a `Place`. Where nothing is there, the log is empty,
            and its folder is made with the first answer.
        progress: called with (files read, files) while the log is opened.

    Raises:
        StoreError: something else is there, or it cannot be read.

    Example:
        >>> import tempfile, massjax as mj
        >>> from massjax.models.fake import Fake
        >>> from massjax.models.forms import Decide
        >>> from massjax.models.identity import identity_digest
        >>> from massjax.models.question import Prompt, Question
        >>> from massjax.models.settings import ModelSettings
        >>> model = Fake(ModelSettings(engine="fake"))
        >>> prompt = Prompt("You decide.", "Sales doubled.")
        >>> question = Question(identity_digest(model.identity()), prompt, Decide(("buy", "sell", "wait")))
        >>> folder = tempfile.TemporaryDirectory()
        >>> mj.AnswerLog(folder.name).ask(model, [question]).answered
        1
        >>> log = mj.AnswerLog(folder.name)
        >>> len(log), log.recorded(question.key).question.prompt.user
        (1, 'Sales doubled.')
        >>> folder.cleanup()
    """

    def __init__(self, where: Where, progress: Callable[[int, int], None] | None = None) -> None:
        self.place: Place = open_place(where)
        self._damaged: dict[str, str] = {}
        self._forget()
        self.refresh(progress)

    def _forget(self) -> None:
        self._names: list[str] = []
        self._index = Index()
        self._summaries: list[pl.DataFrame] = []

    def __len__(self) -> int:
        """Questions that have an answer."""
        return self._index.answered()

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that count."""
        return tuple(self._names)

    @property
    def damaged(self) -> tuple[tuple[str, str], ...]:
        """Files that were set aside, and why."""
        return tuple(sorted(self._damaged.items()))

    @property
    def failed(self) -> int:
        """Questions that were asked, and have no answer."""
        return len(self._index) - self._index.answered()

    def refresh(self, progress: Callable[[int, int], None] | None = None) -> None:
        """See what other processes have written, or taken away, since."""
        there = [name for name in self.place.names() if files.NAME.fullmatch(name)]
        if not set(self._names) <= set(there):
            self._forget()
        self._damaged = {name: why for name, why in self._damaged.items() if name in there}
        known = {*self._names, *self._damaged}
        new = [name for name in there if name not in known]
        names, summaries = list[str](), list[pl.DataFrame]()
        keys, places = list[np.ndarray](), list[np.ndarray]()
        for done, (name, found) in enumerate(zip(new, each(self.place.threads, self._indexed, new), strict=True)):
            if isinstance(found, str):
                self._damaged[name] = found
            elif found is not None:
                words, failed, summary = found
                places.append(place_of(len(self._names) + len(names), len(words), failed))
                keys.append(words)
                names.append(name)
                summaries.append(summary)
            if progress is not None:
                progress(done + 1, len(new))
        if names:
            self._names += names
            self._summaries += summaries
            joined, at = np.concatenate(keys), np.concatenate(places)
            del keys, places
            self._index.add(joined, at, self._names)

    def _indexed(self, name: str) -> tuple[np.ndarray, np.ndarray, pl.DataFrame] | str | None:
        """Keys, which of them failed, and what they took; why the file cannot be used; None where it has gone meanwhile."""
        try:
            frame = self._frame(name, _INDEXED)
            return files.key_words(frame["key"]), frame["reason"].is_not_null().to_numpy(), speed.summary(frame)
        except FileNotFoundError:
            return None
        except ValueError as error:
            return str(error)

    def _frame(self, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        data = self.place.read(name)
        if data is None:
            raise FileNotFoundError(name)
        return files.decode(name, data, columns)

    def known(self, keys: UInt64[np.ndarray, "Q 2"]) -> Bool[np.ndarray, " Q"]:
        """Which questions have an answer; one that was asked and failed has none."""
        places = self._index.find(keys)
        return (places != ABSENT) & ((places & FAILED) == 0)

    def asked(self, keys: UInt64[np.ndarray, "Q 2"]) -> Bool[np.ndarray, " Q"]:
        """Which questions were asked, whether they have an answer or failed."""
        return self._index.find(keys) != ABSENT

    def choices(
        self, keys: UInt64[np.ndarray, "Q 2"], choices: int
    ) -> tuple[Float[np.ndarray, "Q C"], Float[np.ndarray, " Q"], UInt8[np.ndarray, " Q"]]:
        """Probability of each choice, and mass on all of them; NaN where there is no answer, and a code that says why.

        Ask for all keys at once: each file that has some of them is read once a call.

        Args:
            keys: of questions that have so many choices (or items to pick from).
            choices: how many.

        Returns:
            float32 probabilities and masses; `ANSWERED`, `UNKNOWN`, or the place in `REASONS` of why the question has no answer.

        Raises:
            StoreError: an answer has another number of choices.
        """
        probability, mass = np.full((len(keys), choices), np.nan, dtype=np.float32), np.full(len(keys), np.nan, dtype=np.float32)
        codes = np.full(len(keys), UNKNOWN, dtype=np.uint8)
        for rows, frame in self.rows(keys, ("probability", "mass", "reason")):
            answered = frame["reason"].is_null()
            lengths = frame.filter(answered)["probability"].list.len()
            if not (lengths == choices).fill_null(False).all():
                raise StoreError(f"{self.place}: an answer has not {choices} choices; ask for questions of one form at a time")
            good = answered.to_numpy()
            probability[rows[good]] = frame.filter(answered)["probability"].list.to_array(choices).to_numpy().reshape(-1, choices)
            mass[rows[good]] = frame.filter(answered)["mass"].to_numpy()
            codes[rows[good]] = ANSWERED
            for row, reason in zip(rows[~good].tolist(), frame.filter(~answered)["reason"], strict=True):
                codes[row] = REASONS.index(reason_of(reason))
        return probability, mass, codes

    def picks(self, keys: UInt64[np.ndarray, "Q 2"], count: int) -> Int16[np.ndarray, "Q P"]:
        """The items picked in answer to each question, the first first; -1 where there is no answer.

        Args:
            keys: of questions for `count` picks.
            count: how many.

        Raises:
            StoreError: an answer has another number of picks.
        """
        found = np.full((len(keys), count), -1, dtype=np.int16)
        for rows, frame in self.rows(keys, ("picks", "reason")):
            answered = frame["reason"].is_null()
            picked = frame.filter(answered)["picks"]
            if not (picked.list.len() == count).fill_null(False).all():
                raise StoreError(f"{self.place}: an answer has not {count} picks; ask for questions of one form at a time")
            if len(picked):
                found[rows[answered.to_numpy()]] = picked.list.to_array(count).to_numpy().reshape(-1, count)
        return found

    def answers(self, keys: UInt64[np.ndarray, "Q 2"]) -> list[Answer | None]:
        """What came back to each question, failures too; None where it is not in the log."""
        found: list[Answer | None] = [None] * len(keys)
        columns = tuple(name for name in files.SCHEMA if name not in ("key", "model", "form", "system", "user"))
        for rows, frame in self.rows(keys, columns):
            for row, values in zip(rows.tolist(), frame.iter_rows(named=True), strict=True):
                found[row] = files.answer_of(values)
        return found

    def recorded(self, key: bytes) -> Recorded | None:
        """A question with its answer, as the log keeps them; None where it is not in the log.

        Raises:
            StoreError: what is kept there is not the question of this key.
        """
        for _, frame in self.rows(np.frombuffer(key, dtype="<u8").reshape(1, 2), None):
            try:
                found = files.recorded(frame.row(0, named=True))
                if found.question.key != key:
                    raise ValueError("is not of this key")
            except ValueError as error:
                raise StoreError(f"{self.place}: the question of key {key.hex()} {error}; `verify` names its file") from None
            return found
        return None

    def find(self, beginning: str) -> list[bytes]:
        """The keys whose hexadecimal digits begin so."""
        keys = self._index.keys().astype("<u8").view(np.uint8).reshape(-1, 16)
        digits = beginning.lower()
        start = np.frombuffer(bytes.fromhex(digits[: len(digits) // 2 * 2]), dtype=np.uint8)
        rows = np.flatnonzero((keys[:, : len(start)] == start).all(axis=1))
        return sorted(key for row in rows if (key := keys[row].tobytes()).hex().startswith(digits))

    def models(self) -> dict[str, ModelRecord]:
        """By digest: the models that answered, with what it took; the last to answer is the last."""
        return speed.models(self._summaries)

    def texts_of(self, model: str) -> list[str]:
        """The identities, as files hold them, that have this digest."""
        return [text for text, digest in speed.digests(self._summaries).items() if digest == model]

    def sample(self, model: str) -> pl.DataFrame:
        """The rows of one file that a model answered: prompts and their tokens."""
        texts = self.texts_of(model)
        for name, summary in zip(self._names, self._summaries, strict=True):
            if summary["model"].is_in(texts).any():
                frame = self._whole(name)
                return frame.filter(frame["model"].is_in(texts)).select("system", "user", "prompt_tokens")
        return pl.DataFrame(schema={name: files.SCHEMA[name] for name in ("system", "user", "prompt_tokens")})

    def summaries(self) -> pl.DataFrame:
        """What asking took: see `massjax.answers.speed`."""
        return speed.joined(self._summaries)

    def disagreements(self) -> int:
        """Answers that differ from another to the same question, which counts in their place (the first by file name)."""
        return sum(1 for _ in self.disagreeing())

    def disagreeing(self) -> Iterator[bytes]:
        """The key of each answer that differs from the one that counts."""
        said = ("probability", "picks", "text")
        pairs = np.concatenate(self._index.doubles) if self._index.doubles else np.empty((0, 2), dtype=np.uint64)
        for begin in range(0, len(pairs), 1 << 14):
            part = pairs[begin : begin + (1 << 14)]
            sides = []
            for places in part.T:
                frames = dict(self._at(places, ("key", *said)))
                sides.append(
                    {row: values for rows, frame in frames.values() for row, values in zip(rows.tolist(), frame.rows(), strict=True)}
                )
            yield from (one[0] for row, one in sides[0].items() if row in sides[1] and one != sides[1][row])

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The rows that count, file by file."""
        for number, frame in enumerate(each(self.place.threads, self._whole, list(self._names))):
            places = self._index.find(files.key_words(frame["key"]))
            counts = (places & ~FAILED) == place_of(number, len(frame), np.zeros(len(frame), dtype=bool))
            yield frame.filter(counts).select(pl.all() if columns is None else columns)

    def _whole(self, name: str) -> pl.DataFrame:
        try:
            return self._frame(name)
        except FileNotFoundError:
            raise StoreError(f"{self.place}/{name}: was taken away meanwhile; start again") from None
        except ValueError as error:
            raise StoreError(f"{self.place}/{name}: {error}; `python -m massjax.answers repair` sets it aside") from None

    def rows(self, keys: UInt64[np.ndarray, "Q 2"], columns: Sequence[str] | None) -> Iterator[tuple[np.ndarray, pl.DataFrame]]:
        """The rows of the log that answer some of the keys: the places of these keys, and their rows of one file, in order.

        A file that turns out to be damaged, or has gone, is set aside, and what else answers its questions is read in its place.
        """
        left = np.arange(len(keys))
        while len(left):
            places = self._index.find(keys[left])
            left, places = left[places != ABSENT], places[places != ABSENT]
            again: list[np.ndarray] = []
            for _, (rows, frame) in self._at(places, columns, again.append):
                yield left[rows], frame
            left = left[np.concatenate(again)] if again else left[:0]
            if len(left):
                self._forget()
                self.refresh()

    def _at(
        self, places: UInt64[np.ndarray, " Q"], columns: Sequence[str] | None, lost: Callable[[np.ndarray], object] = lambda rows: None
    ) -> Iterator[tuple[str, tuple[np.ndarray, pl.DataFrame]]]:
        """The rows at some places, file by file, a few read at once; `lost` is called with those whose file cannot be used."""
        numbers, rows = file_and_row(places)
        order = np.argsort(numbers, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1) if len(order) else []

        def read(group: np.ndarray) -> pl.DataFrame | str | None:
            try:
                return self._frame(self._names[numbers[group[0]]], columns)[rows[group]]
            except FileNotFoundError:
                return None
            except ValueError as error:
                return str(error)

        for group, found in zip(groups, each(self.place.threads, read, groups), strict=True):
            name = self._names[numbers[group[0]]]
            if isinstance(found, pl.DataFrame):
                yield name, (group, found)
                continue
            if found is not None:
                self._damaged[name] = found
            lost(group)

    def check_writable(self) -> None:
        """Raise before anything is asked, rather than after, where nothing can be written.

        Raises:
            StoreError: says why.
        """
        name = durable.temporary_name()
        self.place.put(name, b"massjax")
        self.place.remove(name)

    def append(self, identity: Mapping[str, str], questions: Sequence[Question], answers: Sequence[Answer], machine: str) -> None:
        """Add answers of one model, as one file; when this returns, they survive a power cut.

        Args:
            identity: of the model that answered.
            questions: of that model.
            answers: to them, in order; failures are kept, but do not count as answers.
            machine: that it ran on, in words.

        Raises:
            StoreError: a question is of another model, or nothing can be written.
        """
        now = datetime.now(UTC)
        self.keep(identity, [Asked(q, a, now) for q, a in zip(questions, answers, strict=True)], machine)

    def keep(self, identity: Mapping[str, str], asked: Sequence[Asked], machine: str) -> None:
        """`append` answers that came at different times."""
        if not asked:
            return
        digest = identity_digest(identity)
        if any(row.question.model != digest for row in asked):
            raise StoreError(f"{self.place}: the questions are of another model than the one that answered ({digest})")
        for row in asked:
            if (fault := files.misfit(row.question, row.answer)) is not None:
                raise StoreError(f"{self.place}: the answer to question {row.question.key.hex()} {fault}; nothing of its batch was written")
        self.write(files.frame_of(identity, asked, machine))

    def ask(self, model: LanguageModel, questions: Sequence[Question], progress: Callable[[int, int], None] | None = None) -> ask.Tally:
        """Ask a model those of some questions that have no answer yet: `massjax.answers.ask.ask_open`."""
        return ask.ask_open(self, model, questions, progress=progress)

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows as one file.

        Raises:
            StoreError: nothing can be written.
        """
        name, data = files.encode(frame)
        self.place.put(name, data)
        self._damaged.pop(name, None)
        if name in self._names:
            return
        self._names.append(name)
        self._summaries.append(speed.summary(frame))
        failed = frame["reason"].is_not_null().to_numpy()
        self._index.add(files.key_words(frame["key"]), place_of(len(self._names) - 1, len(frame), failed), self._names)
