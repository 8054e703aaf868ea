"""What asking would take: open questions, tokens, and seconds by the speed that the log recorded; nothing is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from massjax.answers.log import AnswerLog
from massjax.answers.order import shared
from massjax.machine import this_machine
from massjax.models.forms import Familiar, Form, Write
from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt, question_keys

SAMPLED = 512
"""Answered questions of which the characters a token are taken."""


class Batch(NamedTuple):
    """Questions of one form to one model; `model` is its digest, None where no answer of it is recorded."""

    model: str | None
    form: Form
    prompts: Sequence[Prompt]


class Basis(NamedTuple):
    """What a speed was taken from.

    Attributes:
        answers: whose seconds were recorded.
        machines: on which.
        here: whether this machine is one of them, and only its answers were taken.
    """

    answers: int
    machines: tuple[str, ...]
    here: bool


class Plan(NamedTuple):
    """What is open.

    Attributes:
        known: distinct questions with an answer.
        open: distinct questions without one.
        prompt_tokens: that the open ones have, about; `computed_tokens` of them are not the beginning of the prompt before (of the form
            `familiar` all are computed).
        written_tokens: that the open ones write, at most.
        seconds: that asking them would take; None where the log has no answer of that model, form and length.
        basis: of the seconds.
        no_basis: open questions for which the log has none.
    """

    known: int = 0
    open: int = 0
    prompt_tokens: int = 0
    computed_tokens: int = 0
    written_tokens: int = 0
    seconds: float | None = 0.0
    basis: Basis | None = None
    no_basis: int = 0


def plan(log: AnswerLog, batches: Iterable[Batch]) -> Plan:
    """Count what of some batches is open, and what asking it would take; a prompt counts once a batch."""
    return joined([_of(log, batch) for batch in batches])


def joined(plans: Sequence[Plan]) -> Plan:
    """Several plans as one."""
    seconds = [plan.seconds for plan in plans if plan.open]
    return Plan(
        known=sum(plan.known for plan in plans),
        open=sum(plan.open for plan in plans),
        prompt_tokens=sum(plan.prompt_tokens for plan in plans),
        computed_tokens=sum(plan.computed_tokens for plan in plans),
        written_tokens=sum(plan.written_tokens for plan in plans),
        seconds=None if None in seconds else sum(part for part in seconds if part is not None),
        basis=_joined([plan.basis for plan in plans if plan.basis is not None]),
        no_basis=sum(plan.no_basis for plan in plans),
    )


def _of(log: AnswerLog, batch: Batch) -> Plan:
    """What asking a batch would take."""
    prompts, known = _open(log, batch)
    if not prompts:
        return Plan(known=known)
    ratio = CHARACTERS_PER_TOKEN if batch.model is None else characters_per_token(log, batch.model)
    lengths = np.array([len(system) + len(user) for system, user in prompts]) / ratio
    reused = not isinstance(batch.form, Familiar)
    same = np.array([0, *(shared(a, b) for a, b in pairwise(prompts))]) / ratio * reused
    speed = None if batch.model is None else _speed(log, batch.model, batch.form.kind)
    seconds, without = (None, len(prompts)) if speed is None else speed.of(lengths)
    return Plan(
        known=known,
        open=len(prompts),
        prompt_tokens=round(lengths.sum()),
        computed_tokens=round((lengths - same).sum()),
        written_tokens=len(prompts) * (batch.form.max_tokens if isinstance(batch.form, Write) else 1),
        seconds=seconds,
        basis=None if speed is None else speed.basis,
        no_basis=without,
    )


def _open(log: AnswerLog, batch: Batch) -> tuple[list[Prompt], int]:
    """The distinct prompts of a batch without an answer, sorted, and how many have one."""
    prompts = sorted(set(batch.prompts))
    if batch.model is None:
        return prompts, 0
    known = log.known(question_keys(batch.model, batch.form, prompts))
    return [prompt for prompt, there in zip(prompts, known.tolist(), strict=True) if not there], int(known.sum())


class _Speed(NamedTuple):
    """Seconds a question by octave of its length in tokens."""

    seconds: dict[int, float]
    basis: Basis

    def of(self, lengths: np.ndarray) -> tuple[float | None, int]:
        """Seconds that questions of these lengths take, from answers at most twice as long or half as long; and how many have none."""
        octaves, counts = np.unique(np.floor(np.log2(np.maximum(lengths, 1))).astype(int), return_counts=True)
        total, without = 0.0, 0
        for octave, count in zip(octaves.tolist(), counts.tolist(), strict=True):
            near = [known for known in (octave, octave - 1, octave + 1) if known in self.seconds]
            if near:
                total += count * self.seconds[near[0]] * 2.0 ** (octave - near[0])
            else:
                without += count
        return (None if without else total), without


def _speed(log: AnswerLog, model: str, kind: str) -> _Speed | None:
    """Of one model and kind of form; of this machine alone, where it has answered before."""
    record = log.models().get(model)
    if record is None:
        return None
    texts = log.texts_of(model)
    rows = log.summaries().filter(pl.col("model").is_in(texts), pl.col("kind") == kind, pl.col("answers") > 0, pl.col("seconds") > 0)
    here = rows.filter(pl.col("machine") == str(this_machine()))
    chosen = here if len(here) else rows
    if not len(chosen):
        return None
    octaves = chosen.group_by("octave").agg(pl.col("seconds").sum(), (pl.col("answers") + pl.col("failures")).sum().alias("asked"))
    seconds = {row["octave"]: row["seconds"] / row["asked"] for row in octaves.iter_rows(named=True)}
    return _Speed(seconds, Basis(int(chosen["answers"].sum()), tuple(chosen["machine"].unique().sort()), bool(len(here))))


def characters_per_token(log: AnswerLog, model: str) -> float:
    """Of prompts that a model has read, by a sample of the log; `CHARACTERS_PER_TOKEN` where it has read none."""
    frame = log.sample(model).filter(pl.col("prompt_tokens") > 0).head(SAMPLED)
    if not len(frame):
        return CHARACTERS_PER_TOKEN
    characters = frame.select(pl.col("system", "user").str.len_chars()).sum().sum_horizontal().item()
    return max(0.1, float(characters / frame["prompt_tokens"].sum()))


def _joined(found: Sequence[Basis]) -> Basis | None:
    """Of several, each counted once."""
    distinct = list(dict.fromkeys(found))
    machines = {machine for basis in distinct for machine in basis.machines}
    here = all(basis.here for basis in distinct)
    return Basis(sum(basis.answers for basis in distinct), tuple(sorted(machines)), here) if distinct else None
