"""From answers to scores: what archetypes ask, what of it is open, and what the answers that are there come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float16, Float32, Int, UInt8, UInt64

from massjax.agents import PromptTemplate
from massjax.agents.archetype import Archetype
from massjax.agents.protocols.single import Asking, single
from massjax.agents.protocols.staged import Staged, Wanted, apply_stages, form_of_stage
from massjax.agents.settings import Stage
from massjax.answers.files import keys_of
from massjax.answers.log import ANSWERED, UNKNOWN, AnswerLog
from massjax.errors import StoreError
from massjax.models.failures import REASONS, Failure, Reason
from massjax.models.forms import Form, Rate, Write
from massjax.models.probabilities import SMALLEST_PRIOR, calibrated, expected_score
from massjax.models.question import Prompt, Question, question_keys
from massjax.row_words import counted
from massjax.scores.inputs import Inputs
from massjax.scores.status import Status


@dataclass(frozen=True, eq=False)
class Asks:
    """What an archetype asks for its scores.

    Attributes:
        keys: of its Q questions.
        index: which of them is asked about each stock and date; -1 where there is nothing to ask.
        prior: key of the content-free question that its answers are calibrated by; None where they are not.
        lost: where a text that could not be had leaves nothing to ask, by the place of the reason in `REASONS`; 0 elsewhere.
        missing: names of models, and keys of the texts that they were asked for and that could not be had.
    """

    keys: UInt64[np.ndarray, "Q 2"]
    index: Int[np.ndarray, "N T"]
    prior: UInt64[np.ndarray, "1 2"] | None
    lost: UInt8[np.ndarray, "N T"]
    missing: tuple[tuple[str, UInt64[np.ndarray, "M 2"]], ...] = ()

    @property
    def all_keys(self) -> UInt64[np.ndarray, "R 2"]:
        """Of its questions, and of the one that calibrates, if there is one, at the end."""
        return self.keys if self.prior is None else np.concatenate([self.keys, self.prior])


class Open(NamedTuple):
    """Questions to one model that the log does not answer.

    Attributes:
        model: its name.
        questions: each once.
        stage: whose texts are asked for; None for scores.
    """

    model: str
    questions: tuple[Question, ...]
    stage: str | None = None


class Turn(NamedTuple):
    """One turn of an archetype's protocol: what it asks for its scores, or which texts it must have before, and what of it is open.

    Attributes:
        asks: None where texts have to be asked for before.
        open: what the log does not answer, texts first; of these some may have failed before.
        prompts: of all questions of this turn, answered ones and the one that calibrates among them.
    """

    asks: Asks | None
    open: tuple[Open, ...]
    prompts: Sequence[Prompt]

    @property
    def questions(self) -> tuple[Question, ...]:
        """All that are open."""
        return tuple(question for some in self.open for question in some.questions)

    @property
    def stage(self) -> str | None:
        """The stage whose texts have to be asked for before the archetype can go on, if any."""
        return self.open[-1].stage if self.asks is None else None


@dataclass(frozen=True)
class Resolver:
    """Runs the protocols of archetypes against a log of answers.

    Attributes:
        inputs: what is wanted.
        template: of the prompts for scores.
        log: of questions and answers.
        models: digest of the identity of each model, by its name.
    """

    inputs: Inputs
    template: PromptTemplate
    log: AnswerLog
    models: Mapping[str, str]
    _kept: dict[str, Asks] = field(default_factory=dict)

    def turn(self, archetype: Archetype, dates: slice | None = None) -> Turn:
        """The next turn of an archetype.

        Args:
            archetype: one that asks a model.
            dates: of these alone; None = of all.
        """
        inputs = self.inputs if dates is None else self.inputs.on(dates)
        found = self._staged(archetype, inputs)
        texts = tuple(self._texts_to_ask(archetype, wanted) for wanted in found.missing)
        if found.stopped:
            return Turn(None, texts, found.missing[-1].prompts)
        name, form = self.inputs.model_name(archetype), self._form
        asked = self._single(found, inputs)
        prompts = asked.prompts if asked.content_free is None else [*asked.prompts, asked.content_free]
        keys = question_keys(self.models[name], form, prompts)
        open_rows = np.flatnonzero(~self.log.known(keys)).tolist()
        scores = (Open(name, tuple(Question(self.models[name], prompts[row], form) for row in open_rows)),) if open_rows else ()
        prior = None if asked.content_free is None else keys[-1:]
        missing = tuple((some.model, keys_of(some.questions)) for some in texts)
        asks = Asks(keys if prior is None else keys[:-1], asked.index, prior, found.lost, missing)
        if dates is None:
            self._kept[archetype.name] = asks
        return Turn(asks, (*texts, *scores), prompts)

    def open_keys(self, archetype: Archetype) -> Iterator[tuple[str, UInt64[np.ndarray, "Q 2"]]]:
        """What is open of an archetype's next turn: names of models, and keys of what they would be asked.

        Prompts are rendered only where the keys of its scores are not known yet: these do not change as the log grows.
        """
        kept = self._kept_asks(archetype)
        if kept is None:
            yield from ((some.model, keys_of(some.questions)) for some in self.turn(archetype).open)
            return
        yield from kept.missing
        yield self.inputs.model_name(archetype), kept.all_keys[~self.log.known(kept.all_keys)]

    def asks(self, archetype: Archetype) -> Asks:
        """What an archetype asks for its scores, on all dates.

        Raises:
            StoreError: texts of a stage were not asked for yet.
        """
        kept = self._kept_asks(archetype)
        if kept is None:
            turn = self.turn(archetype)
            if turn.asks is None:
                raise StoreError(self.lacking(archetype, turn))
            kept = turn.asks
        return kept

    def _kept_asks(self, archetype: Archetype) -> Asks | None:
        """What was found before, unless a text has come since that could not be had then."""
        kept = self._kept.get(archetype.name)
        return None if kept is None or any(self.log.known(keys).any() for _, keys in kept.missing) else kept

    def lacking(self, archetype: Archetype, turn: Turn) -> str:
        """Which texts an archetype has to have before it can go on, and what to do."""
        count = len(turn.open[-1].questions)
        lacks = f"archetype {archetype.name!r}: stage {turn.stage!r} lacks {counted(count, 'text')}"
        return f"{lacks}; run python -m massjax.precompute with this config to ask for {'it' if count == 1 else 'them'}"

    def conversation(self, archetype: Archetype, stock: int, date: int) -> list[tuple[str, Question]]:
        """All questions that a cell's score comes from, in the order of asking, each with what it is for.

        Args:
            archetype: one that asks a model.
            stock: its place in the panel.
            date: likewise.
        """
        inputs = self.inputs.on(slice(date, date + 1))
        found = self._staged(archetype, inputs)
        asked = []
        for passed in found.passed:
            row = 0 if passed.index is None else int(passed.index[stock, 0])
            if row >= 0:
                model = self.models[self.inputs.model_name(archetype, passed.stage)]
                asked.append((f"stage {passed.stage.name}", Question(model, passed.prompts[row], passed.form)))
        if found.stopped:
            some = self._texts_to_ask(archetype, found.missing[-1])
            return [*asked, (f"stage {some.stage} (its texts are not there yet)", some.questions[0])]
        last = self._single(found, inputs)
        model, form = self.models[self.inputs.model_name(archetype)], self._form
        if last.index[stock, 0] >= 0:
            asked.append(("score", Question(model, last.prompts[last.index[stock, 0]], form)))
        if last.content_free is not None:
            asked.append(("calibration: the same without facts", Question(model, last.content_free, form)))
        return asked

    @property
    def _form(self) -> Rate:
        scoring = self.inputs.config.scoring
        return Rate(scoring.choices, scoring.prefill)

    def _staged(self, archetype: Archetype, inputs: Inputs) -> Staged:
        """An archetype after the stages whose texts are in the log."""
        stages, choices = inputs.config.agents.stages, inputs.config.scoring.choices
        return apply_stages(archetype, stages, inputs.facts, inputs.member, choices, partial(self._texts, archetype))

    def _single(self, found: Staged, inputs: Inputs) -> Asking:
        """What an archetype that has passed its stages is asked, where no text that it needs is lost."""
        scoring, member = inputs.config.scoring, inputs.member & (found.lost == 0)
        return single(found.archetype, found.facts, member, self.template, scoring.choices, calibrate=scoring.calibrate)

    def _texts_to_ask(self, archetype: Archetype, wanted: Wanted) -> Open:
        name = self.inputs.model_name(archetype, wanted.stage)
        questions = (Question(self.models[name], prompt, wanted.form) for prompt in dict.fromkeys(wanted.prompts))
        return Open(name, tuple(questions), wanted.stage.name)

    def _texts(self, archetype: Archetype, stage: Stage, prompts: Sequence[Prompt], form: Write) -> list[str | Failure | None]:
        keys = question_keys(self.models[self.inputs.model_name(archetype, stage)], form, prompts)
        return [None if answer is None else answer.failure or answer.text for answer in self.log.answers(keys)]


def forms_of(inputs: Inputs, model: str) -> tuple[Form, ...]:
    """The forms of all answers that a model is asked for."""
    scoring, forms = inputs.config.scoring, dict[Form, None]()
    for archetype in inputs.asking:
        forms.update(
            {form_of_stage(stage, archetype): None for stage in inputs.stages_of(archetype) if inputs.model_name(archetype, stage) == model}
        )
        if inputs.model_name(archetype) == model:
            forms[Rate(scoring.choices, scoring.prefill)] = None
    return tuple(forms)


class Opinions(NamedTuple):
    """What the answers to an archetype's questions come to, by cell.

    Attributes:
        score: expected choice in [0, 1], calibrated; NaN where there is none.
        mass: raw probability on the choices; NaN where not answered.
        status: values of `Status`.
        reasons: cells without a score, by the value of their `Reason`.
        probability: of each choice, as answered.
    """

    score: Float32[np.ndarray, "N T"]
    mass: Float16[np.ndarray, "N T"]
    status: UInt8[np.ndarray, "N T"]
    reasons: Counter[str]
    probability: Float16[np.ndarray, "N T C"] | None = None


def opinions(asks: Asks, log: AnswerLog, choices: int, minimum_coverage: float, *, probabilities: bool = False) -> Opinions:
    """Scores of an archetype from the answers to its questions.

    Args:
        asks: its questions.
        log: with their answers; where the one that calibrates has none, no cell has a score, for that one's reason.
        choices: C.
        minimum_coverage: an answer with less mass than this is invalid, and has no score.
        probabilities: also give the choice probabilities of every cell.

    """
    probability, mass, codes = log.choices(asks.keys, choices)
    prior, why_none = _prior(asks, log, choices)
    codes = np.where(codes == ANSWERED, why_none, codes)
    answered = codes == ANSWERED
    valid = answered & (mass >= minimum_coverage)
    score = np.where(valid, expected_score(calibrated(probability, prior)), np.nan).astype(np.float32)
    kinds = (Status.SCORED, Status.INVALID, Status.NOT_ASKED)
    status = np.select([valid, answered, codes == UNKNOWN], kinds, Status.FAILED).astype(np.uint8)
    counts = np.bincount(asks.index[asks.index >= 0], minlength=len(status))
    failed = np.bincount(codes[status == Status.FAILED], counts[status == Status.FAILED], minlength=len(REASONS))
    failed += np.bincount(asks.lost[asks.lost > 0], minlength=len(REASONS))
    why = Counter({reason.value: int(count) for reason, count in zip(REASONS, failed, strict=False) if reason is not None and count})
    if (status == Status.INVALID).any():
        why[Reason.LOW_COVERAGE.value] += int(counts[status == Status.INVALID].sum())
    kept = (
        np.concatenate([probability.astype(np.float16), np.full((1, choices), np.nan, np.float16)])[asks.index] if probabilities else None
    )
    return Opinions(
        np.concatenate([score, np.array([np.nan], np.float32)])[asks.index],
        np.concatenate([mass.astype(np.float16), np.array([np.nan], np.float16)])[asks.index],
        np.where(asks.lost > 0, np.uint8(Status.FAILED), np.concatenate([status, np.array([Status.NOT_APPLICABLE], np.uint8)])[asks.index]),
        why,
        kept,
    )


def _prior(asks: Asks, log: AnswerLog, choices: int) -> tuple[Float32[np.ndarray, " C"] | None, np.uint8]:
    """What calibrates an archetype's answers, and a code like those of `AnswerLog.choices` of whether it is there."""
    if asks.prior is None:
        return None, np.uint8(ANSWERED)
    probability, _, codes = log.choices(asks.prior, choices)
    return np.maximum(np.nan_to_num(probability[0].astype(np.float32), nan=1.0), np.float32(SMALLEST_PRIOR)), codes[0]


def date_blocks(dates: int, together: int) -> Iterator[slice]:
    """Successive dates, `together` at a time."""
    return (slice(start, min(start + together, dates)) for start in range(0, dates, together))
