"""Why a prompt has no answer that can be used: a closed set, so that reasons can be counted whatever numbers a server's words hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Every reason for which a prompt has no usable answer; its value is what is printed and stored."""

    TOO_LONG = "the prompt is longer than the model's context"
    CONTROL_TOKEN = "the prompt holds a control token of the model's chat"
    REFUSED = "refused by the server"
    TIMED_OUT = "no answer in time"
    UNAVAILABLE = "the server failed, was busy or was not reached"
    MALFORMED = "a reply that is not understood"
    NO_LOGPROBS = "no log-probabilities in the reply"
    IMPOSSIBLE = "log-probabilities that cannot be"
    THINKING = "the model thinks before it answers"
    DECLINED = "the model or its filter would not answer"
    NO_CHOICE = "no choice among the likeliest tokens"
    NO_TEXT = "an empty text"
    LOW_COVERAGE = "coverage below scoring.minimum_coverage"
    LITTLE_LISTED = "the likeliest tokens that the server lists hold too little of the choices"
    UNFIT = "a text that does not fit its schema"
    UNASKABLE = "a form of answer that this model cannot be asked for"
    OTHER = "another reason"


REASONS: tuple[Reason | None, ...] = (None, *Reason)
"""Every reason by a small number; 0 stands for none."""


class Failure(NamedTuple):
    """Why one prompt has no answer: the kind, which is counted, and the words of the server or model, of which one is shown."""

    reason: Reason
    words: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.words}" if self.words else str(self.reason)


def reason_of(text: str) -> Reason:
    """The reason of a stored text; one of a later massjax is another reason."""
    try:
        return Reason(text)
    except ValueError:
        return Reason.OTHER


def by_kind(counts: Mapping[str, float]) -> dict[Reason, int]:
    """Counts of stored reasons added up by kind, the most frequent first."""
    kinds: Counter[Reason] = Counter()
    for text, count in counts.items():
        kinds[reason_of(text)] += int(count)
    return dict(kinds.most_common())
