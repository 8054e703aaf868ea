"""Questions that measure: of one part, form and model, with which of them is about which stock and date; asked through the answer log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8, UInt64

from massjax.agents.protocols.turns import Ask
from massjax.answers.ask import Tally, ask_open
from massjax.answers.log import ANSWERED, AnswerLog
from massjax.answers.plan import Batch, Plan as Asking, joined, plan
from massjax.hindsight.settings import Part
from massjax.models.failures import REASONS
from massjax.models.forms import Form
from massjax.models.identity import identity_digest
from massjax.models.loading import Models
from massjax.models.question import Prompt, Question, question_keys
from massjax.models.settings import ModelSettings
from massjax.progress import Tell

ASKING = "asking"
UNKNOWN_ANSWER = "not asked yet"


@dataclass(frozen=True, eq=False)
class Questions:
    """What a part asks one model in one form.

    Attributes:
        part: that it belongs to.
        model: its name in `models:`; empty for that of `scoring`.
        form: of the answers.
        prompts: all different.
        index: which of them is about each stock and date; −1 where none is.
        prior: the prompt without facts whose answer calibrates the others'; None where none does.
    """

    part: Part
    model: str
    form: Form
    prompts: Sequence[Prompt]
    index: Int[np.ndarray, "N T"]
    prior: Prompt | None = None

    @property
    def all_prompts(self) -> list[Prompt]:
        """With the one that calibrates at the end."""
        return [*self.prompts] if self.prior is None or not self.prompts else [*self.prompts, self.prior]

    def keys(self, models: Mapping[str, str]) -> UInt64[np.ndarray, "Q 2"]:
        """Of its questions, without the one that calibrates.

        Args:
            models: digests by name.
        """
        return question_keys(models[self.model], self.form, self.prompts)

    def questions(self, models: Mapping[str, str]) -> list[Question]:
        """All of them, the one that calibrates among them."""
        return [Question(models[self.model], prompt, self.form) for prompt in self.all_prompts]


def as_questions(part: Part, ask: Ask, model: str) -> Questions:
    """What a protocol asks, as questions of a part; for counting, where it is about no stock and date.

    Args:
        part: that it belongs to.
        ask: of one role.
        model: its name.
    """
    index = np.empty((0, 0), np.int64) if ask.index is None else ask.index
    return Questions(part, model, ask.form, ask.prompts, index, ask.prior)


def numbered(prompts: Iterable[tuple[int, int, Prompt]], shape: tuple[int, int]) -> tuple[list[Prompt], Int[np.ndarray, "N T"]]:
    """Distinct prompts, and which of them is about each stock and date, from (stock, date, prompt)."""
    numbers, index = dict[Prompt, int](), np.full(shape, -1, np.int64)
    for n, t, prompt in prompts:
        index[n, t] = numbers.setdefault(prompt, len(numbers))
    return list(numbers), index


class Planned(NamedTuple):
    """What asking some questions would take.

    Attributes:
        questions: different ones, answered ones among them.
        open: of them those without an answer, with tokens and seconds.
        cost: of the open ones, at the models' prices for a million prompt tokens; None where a model has no price.
    """

    questions: int
    open: Asking
    cost: float | None


def planned(
    asked: Sequence[Questions], log: AnswerLog, models: Mapping[str, str], settings: Mapping[str, ModelSettings], there: set[Question]
) -> Planned:
    """How many questions a part has that no part before it has, and what is open of them.

    Args:
        models: digests by name.
        settings: of the models, by name; their prices and speeds are taken.
        there: questions of the parts before; grows.
    """
    count, plans, cost, known = 0, list[Asking](), 0.0, log.models()
    for some in asked:
        new = [question for question in some.questions(models) if question not in there]
        there.update(new)
        count += len(new)
        model = models[some.model] if models[some.model] in known else None
        price, rate = settings[some.model].price_per_million_tokens, settings[some.model].prompts_per_second
        found = plan(log, [Batch(model, some.form, [question.prompt for question in new])])
        plans.append(found if rate is None else found._replace(seconds=found.open / rate))
        cost += plans[-1].prompt_tokens * (np.nan if price is None else price) / 1e6
    return Planned(count, joined(plans), None if np.isnan(cost) else cost)


def ask_questions(
    asked: Sequence[Questions],
    log: AnswerLog,
    at_hand: Models,
    models: Mapping[str, str],
    *,
    tell: Tell | None = None,
    starting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> tuple[dict[str, str], Tally]:
    """Ask what is open, one model after the other; stopped at any moment, what was answered is kept.

    Args:
        log: of questions and answers.
        at_hand: the models by name.
        models: their digests, as far as known before they are loaded.
        tell: of the progress.
        starting: a context within which a model is made.

    Returns:
        The digests of the models as they say that they are, and what was asked.

    Raises:
        ModelError: a model cannot answer at all.
        StoreError: the log cannot be written.
    """
    found, tally = dict(models), Tally()
    for name in at_hand:
        mine = [some for some in asked if some.model == name]
        if not _open(mine, log, found):
            continue
        with starting():
            model = at_hand.take(name)
        found[name] = identity_digest(model.identity())
        questions = _open(mine, log, found)
        told = None if tell is None else partial(_told, tell)
        tally.include(ask_open(log, model, questions, progress=told).document())
    return found, tally


def _open(asked: Sequence[Questions], log: AnswerLog, models: Mapping[str, str]) -> list[Question]:
    found = dict[Question, None]()
    for some in asked:
        if not some.prompts:
            continue
        questions = some.questions(models)
        open_ones = ~log.known(question_keys(models[some.model], some.form, some.all_prompts))
        found.update(dict.fromkeys(questions[row] for row in np.flatnonzero(open_ones).tolist()))
    return list(found)


def _told(tell: Tell, done: int, total: int) -> None:
    tell(ASKING, done, total)


def why_none(codes: UInt8[np.ndarray, " Q"]) -> str:
    """Why questions have no answer, counted by reason, in words; empty where all have one."""
    counts = Counter(codes[codes != ANSWERED].tolist())
    told = []
    for code, count in counts.most_common():
        reason = REASONS[code] if code < len(REASONS) else None
        told.append(f"{count:,} {UNKNOWN_ANSWER if reason is None else reason.value}")
    return ", ".join(told)
