"""Asking for what is missing: every distinct prompt once, in calls that keep the model busy, each unit written as soon as it is whole.

What a call of the model has answered is in the store, or in its log, before the next one begins: a run that is killed asks at most one call
again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from massjax.agents.archetype import Archetype
from massjax.answers.cost import Cost, Tally
from massjax.errors import ModelError
from massjax.models.failures import Failure, Reason
from massjax.models.language_model import LanguageModel
from massjax.models.probabilities import SMALLEST_PRIOR, calibrated, choice_probabilities, expected_score, impossible
from massjax.models.question import Prompt
from massjax.scoring.answers import Answered, answer_log, log_answers, logged_answers, stored_answers, stored_priors
from massjax.scoring.placing import archetype_of, asked_together, cells, unit_keys
from massjax.scoring.work import Work
from massjax.store import ClaimedError, ScoreStore, Status, Unit, UnitScores
from massjax.store.log import Log

Progress = Callable[[int, int], None]
"""Called with the prompts answered and the prompts to ask."""

CALLS_AT_ONCE = 4
"""A model is given at most this many times `prompts_at_once` prompts in one call: what a kill can lose."""


@dataclass
class _Pending:
    """A unit whose prompts are asked or wait to be asked."""

    unit: Unit
    key: str
    archetype: Archetype
    digests: np.ndarray
    asked: np.ndarray
    claim: ExitStack
    upto: int = 0
    cost: Cost = field(default_factory=Cost)


class _Waiting(NamedTuple):
    """A prompt that waits to be asked, its fingerprint, and the unit that it is asked for."""

    prompt: Prompt
    digest: int
    pending: _Pending


def ask_missing(
    work: Work,
    store: ScoreStore,
    model: LanguageModel,
    progress: Progress | None = None,
    *,
    units: Collection[Unit] | None = None,
    claim: bool = True,
) -> Tally:
    """Ask the model for every unit that the store lacks, and write each when its prompts are answered.

    A prompt that has been answered, now or in an earlier run, is not asked again. Stopped at any moment, the store keeps all
    finished units. A unit at which another process is at work is left to it.

    Args:
        units: only these, where given.
        claim: tell other processes which units are at work here; not needed where a coordinator keeps them apart.

    Raises:
        ModelError: the model cannot answer at all, or leaves a content-free prompt unanswered.
        StoreError: the store cannot be written.
    """
    keys = unit_keys(work, store)
    missing = [unit for unit in store.missing_units(keys, retry_failed=True) if units is None or unit in units]
    if not missing:
        return Tally()
    current = [unit for unit, entry in store.entries().items() if entry.key == keys.get(unit)]
    log, answered = answer_log(store), Answered(len(store.choices))
    wanted = wanted_digests(work, store, missing)
    stored_answers(work, store, current, answered, wanted)
    not_stored = {digest for digest in wanted if digest not in answered}
    logged_answers(log, answered, wanted)
    to_ask = sum(digest not in answered for digest in wanted)
    unrecorded = {digest for digest in not_stored if digest in answered}
    asking = _Asking(work, store, model, keys, answered, log, progress, to_ask, claim, unrecorded)
    with asking.claims:
        asking.calibrate([archetype_of(work, store, unit) for unit in missing], stored_priors(store, current))
        for together in asked_together(store, missing, work.order.layout):
            asking.take(together)
        asking.ask_waiting(everything=True)
    asking.tally.distinct = len(_digests(work, store, keys if units is None else units))
    store.compact()
    if len(keys) == len(store.units()) and not store.missing_units(keys):
        log.clear()
    return asking.tally


def _digests(work: Work, store: ScoreStore, units: Iterable[Unit]) -> set[int]:
    """Fingerprints of all prompts of the given units, those that calibrate aside."""
    found: set[int] = set()
    for unit in units:
        digests = work.digests.get(store.archetypes[unit.archetype])
        if digests is not None:
            found.update(np.unique(cells(work, store, unit, digests)).tolist())
    return found - {0}


def wanted_digests(work: Work, store: ScoreStore, units: Iterable[Unit]) -> set[int]:
    """Fingerprints of all prompts of the given units, and of the content-free prompts that calibrate them."""
    llm = {unit: archetype for unit in units if (archetype := archetype_of(work, store, unit)).kind == "llm"}
    return _digests(work, store, llm) | {work.content_free(archetype).digest() for archetype in llm.values()}


@dataclass
class _Asking:
    work: Work
    store: ScoreStore
    model: LanguageModel
    keys: Mapping[Unit, str]
    answered: Answered
    log: Log
    progress: Progress | None
    to_ask: int
    claim: bool
    unrecorded: set[int]
    tally: Tally = field(default_factory=Tally)
    claims: ExitStack = field(default_factory=ExitStack)
    priors: dict[str, Float[np.ndarray, " C"] | None] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    waiting: list[_Waiting] = field(default_factory=list)
    pending: list[_Pending] = field(default_factory=list)
    queued: set[int] = field(default_factory=set)
    asked: int = 0
    told: int = 0
    block: int = -1

    def calibrate(self, archetypes: Iterable[Archetype], known: Mapping[str, Float[np.ndarray, " C"]]) -> None:
        """Ask the content-free prompts of all archetypes that need one, in one call."""
        llm = {a.name: a for a in archetypes if a.kind == "llm"}
        if not self.work.config.scoring.calibrate:
            self.priors = dict.fromkeys(llm)
            return
        prompts = {name: self.work.content_free(a) for name, a in llm.items() if name not in known}
        new = {prompt.digest(): prompt for prompt in prompts.values() if prompt.digest() not in self.answered}
        if new:
            digests = list(new)
            probability, mass, answered = self._ask(list(new.values()), digests)
            rows = np.flatnonzero(answered).tolist()
            log_answers(self.log, [digests[row] for row in rows], probability[rows], mass[rows])
            self.tally.content_free = len(new)
        self.priors = {**known}
        for name, prompt in prompts.items():
            if prompt.digest() in self.failures:
                raise ModelError(
                    f"archetype {name!r}: the content-free prompt that calibrates its scores was not answered "
                    f"({self.failures[prompt.digest()]})"
                )
            prior = self.answered.look_up(np.array([[prompt.digest()]], dtype=np.uint64))[0][0, 0]
            self.priors[name] = np.maximum(prior.astype(np.float32), np.float32(SMALLEST_PRIOR))

    def take(self, together: Sequence[Unit]) -> None:
        """Queue the new prompts of units that are asked together, sorted so that prompts that begin alike are neighbours."""
        new: list[_Waiting] = []
        taken: list[_Pending] = []
        for unit in together:
            archetype, claim = archetype_of(self.work, self.store, unit), self.claims.enter_context(ExitStack())
            try:
                if self.claim:
                    claim.enter_context(self.store.claim(unit, key=self.keys[unit]))
            except ClaimedError:
                self.tally.others += 1
                continue
            if archetype.kind == "rule":
                self._write(unit, _rule_unit(self.work, self.store, unit, archetype), claim, None)
                continue
            prompts = self.work.prompts[archetype.name]
            digests = cells(self.work, self.store, unit, self.work.digests[archetype.name])
            index = cells(self.work, self.store, unit, prompts.index)
            pending = _Pending(unit, self.keys[unit], archetype, digests, index >= 0, claim)
            distinct, first = np.unique(digests, return_index=True)
            for digest, place in zip(distinct.tolist(), index.reshape(-1)[first], strict=True):
                if place >= 0 and digest in self.unrecorded:
                    self.unrecorded.discard(digest)
                    pending.cost.recovered += 1
                if place >= 0 and digest not in self.queued and digest not in self.answered and digest not in self.failures:
                    self.queued.add(digest)
                    new.append(_Waiting(prompts.prompts[place], digest, pending))
            taken.append(pending)
        self.waiting += sorted(new, key=lambda waiting: waiting.prompt)
        for pending in taken:
            pending.upto = self.asked + len(self.waiting)
        self.pending += taken
        self.ask_waiting()

    def ask_waiting(self, *, everything: bool = False) -> None:
        """Ask as many whole calls as wait (or all), and write the units that are whole after each."""
        size = max(1, self.model.prompts_at_once)
        while self.waiting and (everything or len(self.waiting) >= size):
            whole = len(self.waiting) if everything else len(self.waiting) // size * size
            batch = self.waiting[: min(whole, CALLS_AT_ONCE * size)]
            probability, mass, answered = self._ask([w.prompt for w in batch], [w.digest for w in batch], [w.pending for w in batch])
            del self.waiting[: len(batch)]
            self.queued.difference_update(w.digest for w in batch)
            self.asked += len(batch)
            late = [row for row, w in enumerate(batch) if answered[row] and w.pending.upto > self.asked]
            log_answers(self.log, [batch[row].digest for row in late], probability[late], mass[late])
            self._write_finished()
        self._write_finished()

    def _ask(
        self, prompts: list[Prompt], digests: list[int], units: Sequence[_Pending] = ()
    ) -> tuple[Float[np.ndarray, "B C"], Float[np.ndarray, " B"], np.ndarray]:
        self.model.load()
        if self.progress is not None and not self.told:
            self.progress(0, self.to_ask)
        began = time.monotonic()
        answers = self.model.ask(prompts)
        seconds = time.monotonic() - began
        said = choice_probabilities(answers.logprobs)
        answered = np.isfinite(said.probability).all(axis=1)
        rows = np.flatnonzero(answered)
        self.answered.add([digests[row] for row in rows], said.probability[rows], said.mass[rows])
        for row in np.flatnonzero(~answered).tolist():
            self.failures[digests[row]] = answers.failures.get(row) or _unsaid(answers.logprobs[row])
        for row, pending in enumerate(units):
            pending.cost.prompts += 1
            pending.cost.prompt_tokens += int(answers.prompt_tokens[row])
            pending.cost.cached_tokens += int(answers.cached_tokens[row])
            pending.cost.seconds += seconds / len(prompts)
        self.told += len(prompts)
        if self.progress is not None:
            self.progress(self.told, self.to_ask)
        return said.probability, said.mass, answered

    def _write_finished(self) -> None:
        while self.pending and self.pending[0].upto <= self.asked:
            pending = self.pending.pop(0)
            scores = self._scores(pending)
            self._write(pending.unit, scores, pending.claim, pending.cost)

    def _scores(self, pending: _Pending) -> UnitScores:
        probability, mass = self.answered.look_up(pending.digests)
        probability[~pending.asked], mass[~pending.asked] = np.nan, np.nan
        answered = pending.asked & np.isfinite(mass)
        failed = pending.asked & ~answered
        status = np.full(pending.digests.shape, Status.NOT_APPLICABLE, dtype=np.uint8)
        status[failed] = Status.FAILED
        status[answered] = Status.INVALID
        with np.errstate(invalid="ignore"):
            status[answered & (mass >= self.work.config.scoring.minimum_coverage)] = Status.SCORED
        prior = self.priors[pending.archetype.name]
        score = expected_score(calibrated(probability, prior))
        score[status != Status.SCORED] = np.nan
        why = [self.failures[int(digest)] for digest in pending.digests[failed]]
        for failure in why:
            self.tally.words.setdefault(failure.reason, failure.words)
        reasons = Counter(str(failure.reason.value) for failure in why)
        if (status == Status.INVALID).any():
            reasons[Reason.LOW_COVERAGE.value] = int((status == Status.INVALID).sum())
        pending.cost.reused = int(pending.asked.sum()) - pending.cost.prompts - pending.cost.recovered
        pending.cost.seconds = round(pending.cost.seconds, 3)
        pending.cost.reasons = dict(reasons)
        return UnitScores(status, score, probability, mass, prior)

    def _write(self, unit: Unit, scores: UnitScores, claim: ExitStack, cost: Cost | None) -> None:
        self.store.write_unit(unit, scores, key=self.keys[unit], stats=None if cost is None else cost.recorded())
        claim.close()
        if self.block not in (-1, self.store.layout.block(unit)):
            self.store.compact()
        self.block = self.store.layout.block(unit)
        if cost is not None:
            self.tally.add(cost)
        self.tally.units += 1
        self.tally.cells += unit.shape[0] * unit.shape[1]
        self.tally.scores += int((scores.status == Status.SCORED).sum())
        self.tally.rule_scores += int((scores.status == Status.RULE).sum())
        self.tally.empty += int((scores.status == Status.NOT_APPLICABLE).sum())


def _unsaid(logprobs: Float[np.ndarray, " C"]) -> Failure:
    """Why an answer cannot be used of which its model says nothing."""
    if np.isnan(logprobs).all():
        return Failure(Reason.OTHER, "the engine gave no log-probabilities and no reason")
    if impossible(logprobs[None, :])[0]:
        return Failure(Reason.IMPOSSIBLE, ", ".join(f"{value:g}" for value in logprobs))
    return Failure(Reason.NO_CHOICE)


def _rule_unit(work: Work, store: ScoreStore, unit: Unit, archetype: Archetype) -> UnitScores:
    score = cells(work, store, unit, work.rule_scores[archetype.name])
    status = np.where(np.isfinite(score), Status.RULE, Status.NOT_APPLICABLE).astype(np.uint8)
    return UnitScores(status, score)
