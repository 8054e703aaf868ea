"""What an archetype asks: the questions that its scores are read from, those that are open, and one turn of its protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt64

from massjax.agents.protocols.turns import Ask, Opinion
from massjax.models.forms import Pick, Spoken, Write
from massjax.models.question import Prompt, Question
from massjax.scores.views import View


@dataclass(frozen=True, eq=False)
class Read:
    """Questions that scores are read from.

    Attributes:
        role: who is asked.
        model: name of the model.
        keys: of its Q questions.
        index: which of them is about each place of the view; -1 where none is.
        prior: key of the content-free question that its answers are calibrated by; None where they are not.
        form: of the answers.
        values: of probabilities [Q, C] the numbers that count, [Q, V].
        needed: places that have no score without an answer; None = all.
        prior_too: whether the C choice probabilities that answers are calibrated by follow the numbers of each answer.
    """

    role: str
    model: str
    keys: UInt64[np.ndarray, "Q 2"]
    index: Int[np.ndarray, "N T"]
    prior: UInt64[np.ndarray, "1 2"] | None
    form: Spoken
    values: Callable[[Float[np.ndarray, "Q C"]], Float[np.ndarray, "Q V"]]
    needed: Bool[np.ndarray, "N T"] | None = None
    prior_too: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """What an answer gives the probabilities of."""
        assert not isinstance(self.form, Write)
        return self.form.items if isinstance(self.form, Pick) else self.form.choices

    @property
    def all_keys(self) -> UInt64[np.ndarray, "R 2"]:
        """Of its questions, and of the one that calibrates, if there is one, at the end."""
        return self.keys if self.prior is None else np.concatenate([self.keys, self.prior])


@dataclass(frozen=True, eq=False)
class Asks:
    """What an archetype asks for its scores.

    Attributes:
        reads: the questions, by role.
        opinion: what the numbers of all of them come to.
        lost: where an answer that could not be had leaves nothing to ask, by the place of the reason in `REASONS`; 0 elsewhere.
        view: what the questions are about.
        missing: names of models, and keys of the questions before the last that they were asked and did not answer.
        apart: whether each place is asked about by one role at most; `lost` then has why there is no answer, too.
        told: what readers of the scores are told of how the archetype came to them.
    """

    reads: tuple[Read, ...]
    opinion: Callable[[Sequence[Float[np.ndarray, "N T V"]]], Opinion]
    lost: UInt8[np.ndarray, "N T"]
    view: View
    missing: tuple[tuple[str, UInt64[np.ndarray, "M 2"]], ...] = ()
    apart: bool = False
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> UInt64[np.ndarray, "Q 2"]:
        """Of all questions but those that calibrate."""
        return np.concatenate([read.keys for read in self.reads])

    @property
    def all_keys(self) -> UInt64[np.ndarray, "R 2"]:
        """Of all questions, each role's followed by the one that calibrates, if there is one."""
        return np.concatenate([read.all_keys for read in self.reads])

    @property
    def index(self) -> Int[np.ndarray, "N T"]:
        """Which question of the role that is asked last is about each place of the view."""
        return self.reads[-1].index

    @property
    def situations(self) -> Int[np.ndarray, "N T"]:
        """A number for each stock and date, the same where all that scores are read from is the same; -1 where nothing is asked.

        Stocks and dates with one number share their answers: they are one observation, not many.
        """
        rows = np.stack([read.index.reshape(-1) for read in self.reads], axis=1)
        numbers = np.unique(rows, axis=0, return_inverse=True)[1].reshape(self.index.shape)
        return self.view.situations(np.where(self.wanted, numbers, -1))

    @property
    def wanted(self) -> Bool[np.ndarray, "N T"]:
        """Places of the view that all roles are asked about; where each is asked about by one alone, those that one is."""
        asked = [(read.index >= 0) | (False if read.needed is None else ~read.needed) for read in self.reads]
        return np.any(asked, axis=0) if self.apart else np.all(asked, axis=0)

    def answered(self, known: Sequence[Bool[np.ndarray, " Q"]]) -> int:
        """How many places have all answers that they need.

        Args:
            known: of each role's questions, whether they have an answer.
        """
        if self.apart:
            return sum(int(some[read.index[read.index >= 0]].sum()) for some, read in zip(known, self.reads, strict=True))
        cells = self.wanted
        there = [np.append(some, True)[read.index[cells]] for some, read in zip(known, self.reads, strict=True)]
        return int(np.all(there, axis=0).sum())


class Open(NamedTuple):
    """Questions of one role to one model that the log does not answer.

    Attributes:
        model: its name.
        questions: each once.
        ask: that they are of.
        last: whether scores are read from them, and nothing else waits for them.
    """

    model: str
    questions: tuple[Question, ...]
    ask: Ask
    last: bool


class Turn(NamedTuple):
    """One turn of an archetype's protocol: what it asks for its scores, or whose answers it must have before, and what of it is open.

    Attributes:
        asks: None where answers have to be had before.
        open: what the log does not answer, in the order of asking; of these some may have failed before.
        asked: all questions that the protocol has come to.
        waiting: those of them without which it cannot go on.
        view: what they are about.
    """

    asks: Asks | None
    open: tuple[Open, ...]
    asked: tuple[Ask, ...]
    waiting: tuple[Ask, ...]
    view: View

    @property
    def prompts(self) -> Sequence[Prompt]:
        """Of the questions asked last, answered ones and the one that calibrates among them."""
        last = self.asked[-1]
        return last.prompts if last.prior is None else [*last.prompts, last.prior]

    @property
    def questions(self) -> tuple[Question, ...]:
        """All that are open."""
        return tuple(question for some in self.open for question in some.questions)

    @property
    def stage(self) -> str | None:
        """The roles that have to answer before the archetype can go on, if any."""
        return ", ".join(dict.fromkeys(ask.role for ask in self.waiting)) or None
