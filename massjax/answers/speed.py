"""What asking took, as the log recorded it: answers, tokens and seconds of each model, machine, form and length of prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl

from massjax.answers import files
from massjax.models.identity import identity_digest

COLUMNS = ("model", "machine", "form", "reason", "prompt_tokens", "cached_tokens", "written_tokens", "seconds", "asked_at")
"""Those of a file that say it."""
_GROUPS = ("model", "machine", "kind", "octave")
_FEW = 64
"""Rows of a file's summary from which on it is added up once more."""
_SUMS = ("answers", "failures", "prompt_tokens", "cached_tokens", "written_tokens", "seconds")


class ModelRecord(NamedTuple):
    """A model that has answered, and what that took; what was asked twice counts twice."""

    identity: Mapping[str, str]
    answers: int
    failures: int
    prompt_tokens: int
    cached_tokens: int
    written_tokens: int
    seconds: float
    machines: tuple[str, ...]
    last: datetime


def summary(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a file added up by model, machine, kind of form, and octave of the prompt's length in tokens."""
    octave = pl.col("prompt_tokens").cast(pl.Float64).clip(1).log(2).floor().cast(pl.Int32).alias("octave")
    added = frame.group_by("model", "machine", "form", octave).agg(
        pl.col("reason").is_null().sum().cast(pl.Int64).alias("answers"),
        pl.col("reason").is_not_null().sum().cast(pl.Int64).alias("failures"),
        pl.col("prompt_tokens", "cached_tokens", "written_tokens").cast(pl.Int64).sum(),
        pl.col("seconds").cast(pl.Float64).sum(),
        pl.col("asked_at").max(),
    )
    named = added.with_columns(pl.col("form").str.extract(r'"kind":"(\w+)"').alias("kind")).select(*_GROUPS, *_SUMS, "asked_at")
    return named if len(named) < _FEW else _added(named)


def _added(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by(_GROUPS).agg(pl.col(_SUMS).sum(), pl.col("asked_at").max())


def _identity(text: str) -> dict[str, str]:
    return {str(name): str(value) for name, value in json.loads(text).items()}


def joined(summaries: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The summaries of all files as one: a row for each model (its identity as JSON), machine, kind of form and octave of length."""
    if not summaries:
        none = pl.DataFrame(schema={name: files.SCHEMA[name] for name in COLUMNS})
        return summary(none)
    return _added(pl.concat(summaries)).sort(_GROUPS)


def models(summaries: Sequence[pl.DataFrame]) -> dict[str, ModelRecord]:
    """Of all files together, by digest of the model; the last to answer is the last."""
    texts = joined(summaries).with_columns(pl.col("model").replace_strict(digests(summaries), return_dtype=pl.String).alias("digest"))
    added = (
        texts.filter(pl.col("digest").is_not_null())
        .group_by("digest")
        .agg(pl.col("model").sort_by("asked_at").last(), pl.col(_SUMS).sum(), pl.col("machine").unique().sort(), pl.col("asked_at").max())
    )
    return {
        row["digest"]: ModelRecord(
            _identity(row["model"]), **{name: row[name] for name in _SUMS}, machines=tuple(row["machine"]), last=row["asked_at"]
        )
        for row in added.sort("asked_at", "digest").iter_rows(named=True)
    }


def digests(summaries: Sequence[pl.DataFrame]) -> dict[str, str | None]:
    """The digest of each identity; one model may have several, which differ in what does not count."""
    found: dict[str, str | None] = {}
    for text in {text for summary in summaries for text in summary["model"]}:
        try:
            found[text] = identity_digest(_identity(text))
        except (ValueError, AttributeError):
            found[text] = None
    return found
