"""One file of a log: a batch of questions with their answers as parquet, named by the hash of its content.

A row is a question as it was asked, and what came back: `key` (16 bytes), `model` (its identity as JSON), `form` (as JSON), `system`,
`user`; `probability`, `mass`, `picks`, `text`; `reason` and `words` where there is no answer; `finish_reason`, `prompt_tokens`,
`cached_tokens`, `written_tokens`, `seconds` (its share of the call), `asked_at`, `machine` and `massjax` (the version that wrote it).
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import UInt64

from massjax.answers import durable
from massjax.errors import ModelError
from massjax.models import familiarity
from massjax.models.answer import Answer
from massjax.models.failures import Failure, reason_of
from massjax.models.forms import Familiar, Form, Pick, Write, canonical, form_of, form_text
from massjax.models.identity import identity_digest
from massjax.models.question import Prompt, Question, question_keys
from massjax.version import massjax_version

NAME = re.compile(r"[0-9a-f]{32}\.parquet")
"""The files of a log; all others in its folder are left alone."""
SCHEMA: dict[str, Any] = {
    "key": pl.Binary,
    "model": pl.String,
    "form": pl.String,
    "system": pl.String,
    "user": pl.String,
    "probability": pl.List(pl.Float32),
    "mass": pl.Float32,
    "picks": pl.List(pl.UInt16),
    "text": pl.String,
    "reason": pl.String,
    "words": pl.String,
    "finish_reason": pl.String,
    "prompt_tokens": pl.UInt32,
    "cached_tokens": pl.UInt32,
    "written_tokens": pl.UInt32,
    "seconds": pl.Float32,
    "asked_at": pl.Datetime("ms", "UTC"),
    "machine": pl.String,
    "massjax": pl.String,
}
MOST_ROWS = 1 << 20
"""A file that claims more was not written here, and is not read."""
_MOST_TOKENS = 2**32 - 1
_ROUNDING = 1e-3
"""More than float16 rounds a probability by."""


class Recorded(NamedTuple):
    """A question and its answer, as the log keeps them."""

    question: Question
    answer: Answer
    identity: Mapping[str, str]
    machine: str
    asked_at: datetime
    massjax: str


class Asked(NamedTuple):
    """An answer that is not in the log yet: the question, what came back, and when."""

    question: Question
    answer: Answer
    at: datetime


def keys_of(questions: Sequence[Question]) -> UInt64[np.ndarray, "Q 2"]:
    """The keys of questions of any models and forms, as two little-endian words each."""
    alike: dict[tuple[str, Form], list[int]] = {}
    for place, question in enumerate(questions):
        alike.setdefault((question.model, question.form), []).append(place)
    keys = np.empty((len(questions), 2), dtype=np.uint64)
    for (model, form), places in alike.items():
        keys[places] = question_keys(model, form, [questions[place].prompt for place in places])
    return keys


def frame_of(identity: Mapping[str, str], asked: Sequence[Asked], machine: str) -> pl.DataFrame:
    """The rows of answers of one model, sorted by prompt: neighbours that begin alike compress well."""
    rows = sorted(asked, key=lambda row: row.question.prompt)
    questions, answers = [row.question for row in rows], [row.answer for row in rows]
    columns = {
        "key": [key.tobytes() for key in keys_of(questions).astype("<u8")],
        "model": [canonical(dict(identity))] * len(rows),
        "form": [form_text(question.form) for question in questions],
        "system": [question.prompt.system for question in questions],
        "user": [question.prompt.user for question in questions],
        "probability": [answer.probability for answer in answers],
        "mass": [None if math.isnan(answer.mass) else answer.mass for answer in answers],
        "picks": [answer.picks for answer in answers],
        "text": [_unicode(answer.text) for answer in answers],
        "reason": [None if answer.failure is None else answer.failure.reason.value for answer in answers],
        "words": [None if answer.failure is None else _unicode(answer.failure.words) for answer in answers],
        "finish_reason": [_unicode(answer.finish_reason) for answer in answers],
        "prompt_tokens": [_tokens(answer.prompt_tokens) for answer in answers],
        "cached_tokens": [_tokens(answer.cached_tokens) for answer in answers],
        "written_tokens": [_tokens(answer.written_tokens) for answer in answers],
        "seconds": [answer.seconds for answer in answers],
        "asked_at": [row.at for row in rows],
        "machine": [machine] * len(rows),
        "massjax": [massjax_version()] * len(rows),
    }
    return pl.DataFrame(columns, schema=SCHEMA)


def misfit(question: Question, answer: Answer) -> str | None:
    """What in an answer cannot be one to its question; None where nothing is."""
    form, share, picks = question.form, answer.probability, answer.picks
    if answer.failure is not None:
        return None
    if isinstance(form, Write):
        return "has no text" if answer.text is None else None
    if isinstance(form, Familiar):
        return familiarity.misfit(form, answer.text)
    count = len(form.items) if isinstance(form, Pick) else len(form.choices)
    if share is None or len(share) != count:
        return f"has not the probabilities of {count} choices"
    if not all(0 <= value <= 1 for value in share) or abs(sum(share) - 1) > _ROUNDING * count:
        return "has probabilities that are none"
    if not 0 <= answer.mass <= 1 + _ROUNDING:
        return "has a mass outside 0 to 1"
    if isinstance(form, Pick) and (picks is None or len(set(picks)) != len(picks) or not set(picks) <= set(range(count))):
        return "has picks that are not of its list"
    return None


def _unicode(text: str | None) -> str | None:
    """Half a surrogate pair, which a server's JSON may hold and no file can, becomes a question mark."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def _tokens(count: int) -> int:
    return min(max(int(count), 0), _MOST_TOKENS)


def encode(frame: pl.DataFrame) -> tuple[str, bytes]:
    """The name and the bytes of a file of these rows."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    data = buffer.getvalue()
    return f"{durable.digest(data)}.parquet", data


def decode(name: str, data: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Some columns of the file of this name, in their order in `SCHEMA`.

    Raises:
        ValueError: it is not the file of this name, or not one of a log. The message follows the name.
    """
    if f"{durable.digest(data)}.parquet" != name:
        raise ValueError("is damaged: its content does not fit its name")
    try:
        if dict(pl.read_parquet_schema(io.BytesIO(data))) != SCHEMA:
            raise ValueError("is no file of an answer log: it has other columns")
        wanted = [column for column in SCHEMA if columns is None or column in columns]
        frame = pl.read_parquet(data, columns=wanted, n_rows=MOST_ROWS + 1, parallel="none", glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OverflowError, MemoryError) as error:
        raise ValueError(f"is no file of an answer log: {type(error).__name__}") from None
    if len(frame) > MOST_ROWS:
        raise ValueError(f"is no file of an answer log: it claims more than {MOST_ROWS:,} rows")
    return frame


def key_words(keys: pl.Series) -> UInt64[np.ndarray, "rows 2"]:
    """Keys as two little-endian words each.

    Raises:
        ValueError: one of them has not 16 bytes.
    """
    if not (keys.bin.size() == 16).fill_null(False).all():
        raise ValueError("is no file of an answer log: a key has not 16 bytes")
    words = keys.bin.reinterpret(dtype=pl.Array(pl.UInt64, 2), endianness="little").to_numpy()
    return np.ascontiguousarray(words, dtype=np.uint64).reshape(-1, 2)


def recorded(row: Mapping[str, Any]) -> Recorded:
    """What a row of a file says.

    Raises:
        ValueError: its model or form cannot be read.
    """
    try:
        identity, form = json.loads(row["model"]), form_of(json.loads(row["form"]))
        question = Question(identity_digest(identity), Prompt(row["system"], row["user"]), form)
    except (ValueError, TypeError, KeyError, AttributeError, ModelError) as error:
        raise ValueError(f"holds a question that cannot be read ({type(error).__name__})") from None
    return Recorded(question, answer_of(row), identity, row["machine"], row["asked_at"].astimezone(UTC), row["massjax"])


def answer_of(row: Mapping[str, Any]) -> Answer:
    """The answer of a row of a file."""
    return Answer(
        probability=None if row["probability"] is None else tuple(row["probability"]),
        mass=math.nan if row["mass"] is None else row["mass"],
        picks=None if row["picks"] is None else tuple(row["picks"]),
        text=row["text"],
        failure=None if row["reason"] is None else Failure(reason_of(row["reason"]), row["words"] or ""),
        finish_reason=row["finish_reason"] or "",
        prompt_tokens=row["prompt_tokens"],
        cached_tokens=row["cached_tokens"],
        written_tokens=row["written_tokens"],
        seconds=row["seconds"],
    )
