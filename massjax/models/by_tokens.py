"""Rates, decisions and picks of a model that takes token ids and tells the log-probability of any token as the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from massjax.errors import ModelError
from massjax.models.answer import Answer, unanswered
from massjax.models.chat import MOST_TOKENS, Chat
from massjax.models.failures import Failure, Reason
from massjax.models.forms import Decide, Pick, Rate
from massjax.models.picks import SEPARATOR, generator, taken
from massjax.models.question import Question
from massjax.models.scored import scored
from massjax.models.sequences import Pass, Spellings, Tokens, passes, sequence_logprobs
from massjax.models.thinking import thinks_first

ROOM_A_LABEL = 4
"""Tokens that a label with its separator takes at most."""


class Seen(NamedTuple):
    """What one pass told: the log-probability of each token wanted, and tokens read."""

    logprobs: dict[int, float]
    prompt_tokens: int = 0
    cached_tokens: int = 0


Forward: TypeAlias = Callable[[Sequence[tuple[list[int], Tokens]]], Sequence[Seen | Failure]]
"""Many passes at once: each the token ids of a prompt with what is said already, and the tokens wanted."""


class Plan(NamedTuple):
    """How a form is asked: the tokens of its choices or labels, what they replace of the prompt's, and the passes that they need."""

    dropped: int
    spellings: Spellings
    passes: tuple[Pass, ...]


def plan_of(chat: Chat, form: Rate | Decide | Pick) -> Plan:
    """How a form is asked of a model.

    Raises:
        ModelError: it cannot be asked of it.
    """
    choices = form.labels if isinstance(form, Pick) else form.choices
    spelled = (chat.labels if isinstance(form, Pick) else chat.spelled)(choices, form.prefill)
    plan = Plan(*spelled, passes(spelled.spellings))
    if max(len(one.wanted) for one in plan.passes) > MOST_TOKENS:
        raise ModelError(f"{list(choices)[:4]} ...: more than {MOST_TOKENS} tokens would have to be asked for at once")
    return plan


class ByTokens:
    """Asks by `forward`; a question that cannot be asked is a failure of its answer.

    Args:
        longest: tokens that a prompt and what is said may have together.
    """

    def __init__(self, chat: Chat, longest: int, forward: Forward) -> None:
        self.chat, self.longest, self.forward = chat, longest, forward
        self._plans: dict[tuple[str, tuple[str, ...], str], Plan | ModelError] = {}

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers to `rate`, `decide` and `pick`, in order: first passes of all, then what else choices of several tokens need, then the
        further passes of exact picks."""
        works = self._works(questions)
        open_works = [work for work in works if work.failure is None]
        self._run([(work, work.plan.passes[0]) for work in open_works])
        self._run([(work, one) for work in open_works if work.failure is None for one in work.plan.passes[1:]])
        for work in open_works:
            work.finish()
        self._pick_on([work for work in open_works if work.to_go])
        return [work.answer() for work in works]

    def plan(self, form: Rate | Decide | Pick) -> Plan:
        """How a form is asked.

        Raises:
            ModelError: it cannot be asked of this model.
        """
        name = (form.kind, form.labels if isinstance(form, Pick) else form.choices, form.prefill)
        if name not in self._plans:
            try:
                self._plans[name] = plan_of(self.chat, form)
            except ModelError as error:
                self._plans[name] = error
        found = self._plans[name]
        if isinstance(found, ModelError):
            raise found
        return found

    def _works(self, questions: Sequence[Question]) -> list[_Work]:
        """Each question with its token ids, or why it cannot be asked."""
        works = [_Work(question) for question in questions]
        by_prefill: dict[str, list[_Work]] = {}
        for work in works:
            try:
                work.plan = self.plan(work.form)
                by_prefill.setdefault(work.form.prefill, []).append(work)
            except ModelError as error:
                work.failure = Failure(Reason.UNASKABLE, str(error))
        for prefill, group in by_prefill.items():
            for work, ids in zip(group, self.chat.all_ids([work.question.prompt for work in group], prefill=prefill), strict=True):
                if isinstance(ids, str):
                    work.failure = Failure(Reason.CONTROL_TOKEN)
                elif len(ids) + work.room > self.longest - 1:
                    words = f"it has {len(ids)} tokens, with the answer more than {self.longest - 1} (max_model_len)"
                    work.failure = Failure(Reason.TOO_LONG, words)
                else:
                    work.ids = ids[: len(ids) - work.plan.dropped]
        return works

    def _run(self, wanted: Sequence[tuple[_Work, Pass]]) -> None:
        if not wanted:
            return
        marks = self.chat.marks_of_thinking
        asked = []
        for work, one in wanted:
            more = tuple(mark for mark in marks if mark not in one.wanted) if not one.after else ()
            asked.append((work.ids + list(one.after), (one.wanted + more)[:MOST_TOKENS]))
        for (work, one), (_, tokens), seen in zip(wanted, asked, self.forward(asked), strict=True):
            if isinstance(seen, Failure):
                work.failure = seen
            else:
                work.read(one.after, seen)
                work.failure = work.failure or (None if one.after else thinks_first(seen.logprobs[t] for t in tokens if t in marks))

    def _pick_on(self, works: list[_Work]) -> None:
        """Further passes of exact picks, each over the labels left after those already said."""
        while works:
            said = [self.chat.said(work.said, work.form.prefill, work.plan.dropped) for work in works]
            asked = [(work.ids + list(after), work.tokens_left()) for work, after in zip(works, said, strict=True)]
            for work, after, seen in zip(works, said, self.forward(asked), strict=True):
                if isinstance(seen, Failure):
                    work.failure = seen
                else:
                    work.read(after, seen)
                    work.pick_next(seen.logprobs)
            works = [work for work in works if work.failure is None and work.to_go]


class _Work:
    """One question on its way."""

    plan: Plan
    ids: list[int]

    def __init__(self, question: Question) -> None:
        assert isinstance(question.form, Rate | Decide | Pick)
        self.question, self.form = question, question.form
        self.failure: Failure | None = None
        self.found: dict[Tokens, dict[int, float]] = {}
        self.prompt_tokens = self.cached_tokens = 0
        self.random = generator(question.key)
        self.base: Answer | None = None
        self.places: list[int] = []

    @property
    def room(self) -> int:
        """Tokens that may stand between the prompt and the last token wanted."""
        labels = ROOM_A_LABEL * self.form.count if isinstance(self.form, Pick) and self.form.method == "exact" else 0
        return labels + max(len(one.after) for one in self.plan.passes)

    @property
    def to_go(self) -> bool:
        """Whether an exact pick has labels left to ask for."""
        exact = isinstance(self.form, Pick) and self.form.method == "exact" and self.base is not None and self.base.failure is None
        return exact and isinstance(self.form, Pick) and len(self.places) < self.form.count

    @property
    def said(self) -> str:
        """The labels picked so far, as the model would have said them, up to where the next one follows."""
        assert isinstance(self.form, Pick)
        return f"{SEPARATOR} ".join(self.form.labels[place] for place in self.places) + SEPARATOR

    def read(self, after: Tokens, seen: Seen) -> None:
        """Keep what a pass told."""
        self.found[after] = seen.logprobs
        self.prompt_tokens += seen.prompt_tokens
        self.cached_tokens += seen.cached_tokens

    def finish(self) -> None:
        """Make the answer of what the passes told; of an exact pick only the first label."""
        if self.failure is not None:
            return
        logprobs = sequence_logprobs(self.plan.spellings, self.found)
        if not (isinstance(self.form, Pick) and self.form.method == "exact"):
            self.base = scored(self.form, logprobs, self.random)
            return
        first = _one_of(self.form, logprobs, self.random)
        self.base = first
        if first.failure is None and first.picks is not None:
            self.places = [self.form.order.index(first.picks[0])]
            self._take_the_last()

    def left(self) -> list[int]:
        """Places of the labels not yet picked."""
        return [place for place in range(len(self.plan.spellings)) if place not in self.places]

    def tokens_left(self) -> Tokens:
        """The tokens that spell the labels left."""
        return tuple(dict.fromkeys(sequence[0] for place in self.left() for sequence in self.plan.spellings[place]))

    def pick_next(self, logprobs: dict[int, float]) -> None:
        """Take or draw one of the labels left."""
        assert isinstance(self.form, Pick)
        values = np.full(len(self.plan.spellings), -np.inf)
        for place in self.left():
            values[place] = np.logaddexp.reduce([logprobs[sequence[0]] for sequence in self.plan.spellings[place]])
        self.places += taken(values, 1, self.form.temperature, self.random, left=self.left())
        self._take_the_last()

    def _take_the_last(self) -> None:
        """The only label left needs no pass."""
        assert isinstance(self.form, Pick)
        left = self.left()
        if len(left) == 1 and len(self.places) + 1 == self.form.count:
            self.places += left

    def answer(self) -> Answer:
        """The answer, or why there is none."""
        if self.failure is not None or self.base is None:
            found = unanswered(*(self.failure or Failure(Reason.OTHER)))
        elif self.places and isinstance(self.form, Pick):
            found = self.base._replace(picks=tuple(self.form.order[place] for place in self.places))
        else:
            found = self.base
        return found._replace(prompt_tokens=self.prompt_tokens, cached_tokens=self.cached_tokens)


def _one_of(form: Pick, logprobs: np.ndarray, random: np.random.Generator) -> Answer:
    """The first label of an exact pick, with the probabilities of all."""
    whole = scored(form, logprobs, random)
    return whole if whole.picks is None else whole._replace(picks=whole.picks[:1])
