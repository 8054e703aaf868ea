"""What a protocol and whoever runs it hand each other: questions, what came back to them, and at last what opinions are read from.

A protocol is a pure generator. It is given an archetype, the facts that are known and who is a member; it yields questions, is sent what
came back to them, and returns how opinions are read from answers. It is run from the start as often as answers come, so the same answers
must make it ask the same questions.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, UInt8

from massjax.errors import ConfigError
from massjax.models.failures import REASONS, Failure
from massjax.models.forms import Familiar, Spoken
from massjax.models.question import Prompt

ANSWERED, UNASKED = 0, 255
"""Codes of `Replies`: there is an answer; the question was never asked. Those between are places in `massjax.models.failures.REASONS`."""
NOTHING = 254
"""In the place of a code where nothing is asked."""
UNDEFINED = 253
"""In the place of a code where all answers are there, and yet make no opinion."""
NO_DECISION = -128
"""In the place of a decision where there is none."""


class Part(NamedTuple):
    """Who an archetype asks, as far as its settings tell.

    Attributes:
        role: of the protocol; that of the last question of `single` and `staged` is `score`.
        model: entry of `models`; None for that of `scoring`.
        form: of the answer; None where it is not known before.
    """

    role: str
    model: str | None
    form: Spoken | None


@dataclass(frozen=True, eq=False)
class Ask:
    """Questions of one role and form to one model.

    Attributes:
        role: who is asked.
        form: of the answers.
        prompts: of the Q questions.
        index: which of them is about each stock and date, -1 where none is; None for one question about all of them.
        model: entry of `models`; None for that of `scoring`.
        prior: the question without facts whose answer calibrates the others'; None where none does.
        kind: what the role is called in words.
    """

    role: str
    form: Spoken
    prompts: Sequence[Prompt]
    index: Int[np.ndarray, "N T"] | None
    model: str | None = None
    prior: Prompt | None = None
    kind: Literal["role", "stage", ""] = "role"

    def __post_init__(self) -> None:
        if isinstance(self.form, Familiar):
            raise ConfigError(f"{self.title}: a protocol's question must have something said; how familiar a prompt is makes no opinion")

    @property
    def title(self) -> str:
        """The role in words."""
        return f"{self.kind} {self.role}".strip()


@dataclass(frozen=True, eq=False)
class Replies:
    """What came back to the Q questions of an `Ask`.

    Attributes:
        codes: `ANSWERED`, `UNASKED`, or the place in `REASONS` of why there is no answer.
        texts: of the form `write`; None where there is none.
        probability: of each choice, calibrated where the `Ask` has a prior; NaN without an answer. Without choices [Q, 0].
        mass: probability on all choices before renormalising.
        picks: of the form `pick`, the numbers of the items picked, the first first; -1 without an answer.
    """

    codes: UInt8[np.ndarray, " Q"]
    texts: Sequence[str | None] = ()
    probability: Float[np.ndarray, "Q C"] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    mass: Float[np.ndarray, " Q"] = field(default_factory=lambda: np.empty(0, np.float32))
    picks: Int[np.ndarray, "Q P"] = field(default_factory=lambda: np.empty((0, 0), np.int16))


class Opinion(NamedTuple):
    """What a protocol thinks of each stock and date.

    Attributes:
        score: in [0, 1]; NaN where there is none.
        decision: 1 long, 0 neither, -1 short; `NO_DECISION` where there is none. None of a protocol that does not decide.
        done: where memory is taken out of scores, values of `massjax.scores.hindsight.ViewCode`; None where it is not.
        strengths: how much was taken out, on average over the stocks and dates where it was, by the symbol that it has in the formula.
    """

    score: Float[np.ndarray, "N T"]
    decision: Int8[np.ndarray, "N T"] | None = None
    done: UInt8[np.ndarray, "N T"] | None = None
    strengths: Mapping[str, float] = MappingProxyType({})


class Vote(NamedTuple):
    """Questions that opinions are read from.

    Attributes:
        ask: them; each stock and date has one of its own, or none.
        values: of probabilities [Q, C], calibrated, the V numbers that count of each answer, [Q, V].
        needed: stocks and dates that have no opinion without an answer; None = all.
        prior_too: whether the C choice probabilities that answers are calibrated by follow the numbers of each answer.
    """

    ask: Ask
    values: Callable[[Float[np.ndarray, "Q C"]], Float[np.ndarray, "Q V"]]
    needed: Bool[np.ndarray, "N T"] | None = None
    prior_too: bool = False


@dataclass(frozen=True, eq=False)
class Last:
    """How the opinions of an archetype are read from answers, once all that its prompts depend on is there.

    Attributes:
        votes: questions, asked before or to be asked now.
        opinion: of the numbers of each vote, [N, T, V], NaN where there is no answer.
        lost: where an answer that could not be had leaves nothing to ask, by the place of its reason in `REASONS`; 0 elsewhere.
        apart: whether each stock and date has one vote at most, in place of one of each: `lost` then also has why an answer is none, and
            `NOTHING` where nothing is asked.
        told: what readers of the scores are told of how the archetype came to them, in words by name.
    """

    votes: tuple[Vote, ...]
    opinion: Callable[[Sequence[Float[np.ndarray, "N T V"]]], Opinion]
    lost: UInt8[np.ndarray, "N T"]
    apart: bool = False
    told: Mapping[str, str] = field(default_factory=dict)


Steps: TypeAlias = Generator[tuple[Ask, ...], tuple[Replies, ...], Last]
"""A protocol at work: yields questions that can be asked at once, is sent what came back to each, returns how opinions are read."""


class Played(NamedTuple):
    """How far a protocol comes with the answers that are there.

    Attributes:
        before: what it asked, and must be answered before it comes to its end, in the order of asking.
        waiting: those of them without which it cannot go on: some of their questions were never asked. Empty at its end.
        last: its end; None where it waits.
    """

    before: tuple[Ask, ...]
    waiting: tuple[Ask, ...]
    last: Last | None

    @property
    def at_the_end(self) -> tuple[Ask, ...]:
        """Questions that opinions are read from and nothing waits for."""
        votes = () if self.last is None else self.last.votes
        return tuple(vote.ask for vote in votes if not any(vote.ask is ask for ask in self.before))

    @property
    def asked(self) -> tuple[Ask, ...]:
        """All questions that it has come to, in the order of asking."""
        return self.before + self.at_the_end


def play(steps: Steps, replies: Callable[[Ask], Replies]) -> Played:
    """Run a protocol up to questions that were never asked, or to its end.

    Args:
        steps: of it, from the start.
        replies: looks up what came back.
    """
    asked = list[Ask]()
    try:
        wanted = next(steps)
        while True:
            asked += wanted
            found = tuple(replies(ask) for ask in wanted)
            waiting = tuple(ask for ask, some in zip(wanted, found, strict=True) if (some.codes == UNASKED).any())
            if waiting:
                return Played(tuple(asked), waiting, None)
            wanted = steps.send(found)
    except StopIteration as stopped:
        return Played(tuple(asked), (), stopped.value)


def text_replies(found: Sequence[str | Failure | None]) -> Replies:
    """Texts, why one could not be had, or None where it was not asked for, as replies."""
    codes = [UNASKED if one is None else REASONS.index(one.reason) if isinstance(one, Failure) else ANSWERED for one in found]
    return Replies(np.array(codes, np.uint8), [one if isinstance(one, str) else None for one in found])


def at_cells(values: np.ndarray, index: Int[np.ndarray, "N T"], fill: float) -> np.ndarray:
    """A number, or several, of each question at the stocks and dates that it is about; `fill` where none is asked."""
    return np.concatenate([values, np.full((1, *values.shape[1:]), fill, values.dtype)])[index]
