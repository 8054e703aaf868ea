"""Asking open questions: in the order that shares most, each once, and flushed to the log so often that a kill costs little."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, UInt64

from massjax.answers.files import Asked, keys_of, misfit
from massjax.answers.places import Place
from massjax.answers.speed import ModelRecord
from massjax.errors import ModelError
from massjax.machine import this_machine
from massjax.models.answer import Answer
from massjax.models.failures import Failure, Reason
from massjax.models.forms import Write, form_text
from massjax.models.identity import differences, identity_digest
from massjax.models.language_model import LanguageModel
from massjax.models.question import Question

MOST_UNFLUSHED = 4096
"""Answers that wait at most to be written."""
OLDEST_UNFLUSHED = 30.0
"""Seconds of the model that a kill costs at most; a call is made as large as half of that."""
LONGEST_CALL = 120.0
"""Seconds of a call whose answers come one by one: so often it is seen what other processes have answered."""
BUSY_PARTS = 8
"""A call of texts that come together has at least this part of the questions that keep the model busy: of a server, one a connection."""
GROWTH = 4
"""A call has at most so many times the questions of the one before: the first ones tell how long they take."""


class Log(Protocol):
    """What asking needs of a `massjax.answers.log.AnswerLog`."""

    place: Place

    def refresh(self) -> None:
        """See what others wrote."""
        ...

    def known(self, keys: UInt64[np.ndarray, "Q 2"]) -> Bool[np.ndarray, " Q"]:
        """Which questions have an answer."""
        ...

    def models(self) -> dict[str, ModelRecord]:
        """The models that answered."""
        ...

    def check_writable(self) -> None:
        """Raise where nothing can be written."""
        ...

    def keep(self, identity: Mapping[str, str], asked: Sequence[Asked], machine: str) -> None:
        """Write answers as one file."""
        ...


@dataclass
class Tally:
    """What asking did.

    Attributes:
        asked: questions given to the model; of these `answered` have an answer now.
        others: questions that another process answered meanwhile.
        prompt_tokens, cached_tokens, written_tokens: of those asked.
        seconds: the time that the model took.
        reasons: why questions have no answer, by the value of their `massjax.models.failures.Reason`; `words` has an example of each.
    """

    asked: int = 0
    answered: int = 0
    others: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)

    def count(self, answers: Sequence[Answer], seconds: float) -> None:
        """Add answers that have just come, and the time that they took."""
        self.asked += len(answers)
        self.seconds += seconds
        for answer in answers:
            self.prompt_tokens += answer.prompt_tokens
            self.cached_tokens += answer.cached_tokens
            self.written_tokens += answer.written_tokens
            if answer.failure is None:
                self.answered += 1
            else:
                self.reasons[answer.failure.reason.value] += 1
                self.words.setdefault(answer.failure.reason.value, answer.failure.words)

    def document(self) -> dict[str, Any]:
        """As plain values, which a worker sends."""
        return {**asdict(self), "reasons": dict(self.reasons)}

    def include(self, document: dict[str, Any]) -> None:
        """Add what another run or worker did, as its `document`."""
        for name, value in document.items():
            if name == "reasons":
                self.reasons.update(value)
            elif name == "words":
                self.words = {**value, **self.words}
            else:
                setattr(self, name, getattr(self, name) + value)

    @property
    def cached(self) -> float:
        """Share of prompt tokens that came from the prefix cache."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0


def sharing_order(questions: Sequence[Question]) -> list[Question]:
    """Each question once, so that neighbours share the longest beginnings; of one form after the other, as a text takes long."""
    return sorted(set(questions), key=lambda question: (question.form.kind, question.prompt, form_text(question.form)))


def ask_open(
    log: Log,
    model: LanguageModel,
    questions: Sequence[Question],
    *,
    progress: Callable[[int, int], None] | None = None,
    now: Callable[[], float] = time.monotonic,
) -> Tally:
    """Ask a model those of some questions that the log has no answer to, each once, and keep what comes back.

    Whatever ends it (an error, Ctrl-C, SIGTERM under `massjax.stopping.stoppable`), what has been answered is written first. A kill costs
    at most the answers of the last 30 seconds, or 4,096. A question that fails is kept as a failure, and not asked again by this call.

    Args:
        questions: all of this model.
        progress: called with (questions done, open questions).
        now: seconds of a clock.

    Raises:
        ModelError: the model is not the one of the questions, or cannot answer at all.
        StoreError: the log cannot be written; found out before anything is asked, where that can be.
    """
    waiting = sharing_order(questions)
    keys = keys_of(waiting)
    known = log.known(keys)
    waiting, keys = [question for question, there in zip(waiting, known.tolist(), strict=True) if not there], keys[~known]
    tally = Tally()
    if not waiting:
        return tally
    log.check_writable()
    model.load()
    identity = model.identity()
    _check_model(identity, waiting, log)
    asking, tell = _Asking(log, identity, str(this_machine()), now, tally), progress or (lambda done, total: None)
    done, size = 0, max(1, min(model.questions_at_once, MOST_UNFLUSHED))
    tell(0, len(waiting))
    try:
        while done < len(waiting):
            batch = slice(done, done + size)
            left = asking.unanswered(waiting[batch], keys[batch])
            done = min(done + size, len(waiting))
            tally.others += len(waiting[batch]) - len(left)
            if left:
                began, before = now(), done - len(left)
                singly = asking.ask(model, left, lambda came, before=before: tell(before + came, len(waiting)))
                size = _next_size(size, left, now() - began, model.questions_at_once, singly=singly)
            tell(done, len(waiting))
            asking.flush_if_due(size)
    finally:
        asking.flush()
    return tally


def _check_model(identity: dict[str, str], questions: Sequence[Question], log: Log) -> None:
    digest = identity_digest(identity)
    for other in {question.model for question in questions} - {digest}:
        record = log.models().get(other)
        told = f": {'; '.join(differences(record.identity, identity))}" if record is not None else ""
        raise ModelError(f"the questions are of another model ({other}) than the one that would answer them ({digest}){told}")


def _fitting(question: Question, answer: Answer) -> Answer:
    """An answer; a failure in the place of one that cannot be an answer to its question."""
    fault = misfit(question, answer)
    return answer if fault is None else answer._replace(probability=None, picks=None, text=None, failure=Failure(Reason.IMPOSSIBLE, fault))


def _next_size(size: int, asked: Sequence[Question], seconds: float, at_once: int, *, singly: bool = False) -> int:
    """As many questions as take half of the time that an answer may wait; whole rounds of the model where more than one fits.

    Texts written a few at a time take as long as many, so that smaller and smaller calls would gain nothing: of them a call has what keeps
    the model busy, where each is kept as it comes, and at least a part of that, where they come together.

    Args:
        size: questions that the last call was to have.
        asked: questions that it had.
        seconds: that it took.
        at_once: questions that keep the model busy.
        singly: whether answers come one by one, none of which waits for the end of a call.
    """
    fewest = at_once if singly else at_once // BUSY_PARTS if isinstance(asked[-1].form, Write) else 1
    most = LONGEST_CALL if singly else OLDEST_UNFLUSHED / 2
    fit = int(most * len(asked) / seconds) if seconds > 0 else MOST_UNFLUSHED
    fit = max(1, fewest, min(fit, GROWTH * size, MOST_UNFLUSHED))
    return fit // at_once * at_once if fit >= at_once else fit


class _Asking:
    """Answers on their way to the log."""

    def __init__(self, log: Log, identity: dict[str, str], machine: str, now: Callable[[], float], tally: Tally) -> None:
        self.log, self.identity, self.machine, self.now, self.tally = log, identity, machine, now, tally
        self.unflushed: list[Asked] = []
        self.since = self.refreshed = now()

    def unanswered(self, batch: list[Question], keys: UInt64[np.ndarray, "Q 2"]) -> list[Question]:
        """Those of a batch that no other process has answered by now."""
        if self.now() - self.refreshed >= self.log.place.patience:
            self.log.refresh()
            self.refreshed = self.now()
        return [question for question, known in zip(batch, self.log.known(keys).tolist(), strict=True) if not known]

    def ask(self, model: LanguageModel, questions: list[Question], tell: Callable[[int], None]) -> bool:
        """Ask some questions and keep what comes back; where it comes one by one, write it whenever that is due.

        Args:
            model: whom.
            questions: without an answer.
            tell: called with the number of answers that have come, where they come one by one.

        Returns:
            Whether they do.
        """
        began = self.now()
        answers = model.answer(questions)
        if isinstance(answers, list):
            self.take(questions, answers, since=began, took=self.now() - began)
            return False
        for came, (question, answer) in enumerate(zip(questions, answers, strict=True), start=1):
            self.take([question], [answer], since=self.now(), took=self.now() - began)
            began = self.now()
            self.flush_if_due(1)
            tell(came)
        return True

    def take(self, questions: Sequence[Question], answers: Sequence[Answer], *, since: float, took: float) -> None:
        """Keep answers that have just come.

        Args:
            questions, answers: as many.
            since: when the first of them may have been there.
            took: seconds of the model.
        """
        if not self.unflushed:
            self.since = since
        at, fitting = datetime.now(UTC), list(map(_fitting, questions, answers))
        self.tally.count(fitting, took)
        self.unflushed += [Asked(question, answer, at) for question, answer in zip(questions, fitting, strict=True)]

    def flush_if_due(self, coming: int) -> None:
        """Write, where a kill during another call, of `coming` questions, would cost too many answers or too much time."""
        if len(self.unflushed) + coming > MOST_UNFLUSHED or self.now() - self.since >= OLDEST_UNFLUSHED / 2:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self.log.keep(self.identity, self.unflushed, self.machine)
        self.unflushed = []
