"""Asking for what is missing: unit by unit, every distinct prompt once, each unit written before the next is asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from jaxtyping import Float

from massjax.agents import Prompt
from massjax.config import Archetype
from massjax.errors import ModelError
from massjax.scoring.choice import SMALLEST_PRIOR, Choices, calibrated, choices_of, expected_score
from massjax.scoring.engine import Engine
from massjax.scoring.placing import archetype_of, cells, unit_keys
from massjax.scoring.work import Work
from massjax.store import ScoreStore, Status, Unit, UnitScores

Progress = Callable[[int, int], None]
"""Called with the cells finished and the cells wanted."""


@dataclass(frozen=True)
class Cost:
    """What one unit took: prompts asked, cells answered by a prompt asked before, tokens, seconds, and why cells have no score."""

    prompts: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass
class Tally:
    """What a run of asking did, all units together; fields as in `Cost`."""

    units: int = 0
    cells: int = 0
    prompts: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, cost: Cost) -> None:
        """Count one more unit's cost."""
        self.prompts += cost.prompts
        self.reused += cost.reused
        self.prompt_tokens += cost.prompt_tokens
        self.cached_tokens += cost.cached_tokens
        self.seconds += cost.seconds
        self.reasons.update(cost.reasons)


class Answered(dict[int, tuple[np.ndarray, float]]):
    """Answers by prompt fingerprint: raw choice probabilities (float16) and coverage."""


def ask_missing(work: Work, store: ScoreStore, engine: Engine, progress: Progress | None = None) -> Tally:
    """Ask the engine for every unit that the store lacks, and write each as soon as it is answered.

    A prompt that has been answered, now or in an earlier run, is not asked again. Stopped at any moment, the store keeps all
    finished units.
    """
    keys = unit_keys(work, store)
    missing = sorted(store.missing_units(keys, retry_failed=True), key=lambda unit: (store.layout.block(unit), unit.archetype, unit.first))
    if not missing:
        return Tally()
    current = [unit for unit, entry in store.entries().items() if entry.key == keys[unit]]
    answered = stored_answers(work, store, current)
    priors = stored_priors(store, current)
    tally, wanted, block = Tally(), sum(unit.shape[0] * unit.shape[1] for unit in missing), -1
    for unit in missing:
        if store.layout.block(unit) != block:
            store.compact()
            block = store.layout.block(unit)
        archetype = archetype_of(work, store, unit)
        if archetype.kind == "rule":
            store.write_unit(unit, _rule_unit(work, store, unit, archetype), key=keys[unit])
        else:
            if archetype.name not in priors:
                priors[archetype.name] = _prior(work, archetype, engine)
            scores, cost = _ask_unit(work, store, unit, archetype, engine, answered, priors[archetype.name])
            store.write_unit(unit, scores, key=keys[unit], stats=asdict(cost))
            tally.add(cost)
        tally.units += 1
        tally.cells += unit.shape[0] * unit.shape[1]
        if progress is not None:
            progress(tally.cells, wanted)
    store.compact()
    return tally


def stored_answers(work: Work, store: ScoreStore, units: Sequence[Unit]) -> Answered:
    """What the given units of the store say about the prompts of this run, by prompt fingerprint."""
    answered = Answered()
    for unit in units:
        archetype = archetype_of(work, store, unit)
        if archetype.kind == "rule":
            continue
        where = {"dates": unit.dates, "archetypes": [archetype.name], "stocks": list(store.stocks[unit.stocks])}
        probability = store.probabilities(**where, calibrated=False)[0].astype(np.float16)
        coverage = store.coverage(**where)[0]
        digests = cells(work, store, unit, work.digests[archetype.name]).T
        for row, column in zip(*np.nonzero(np.isfinite(coverage)), strict=True):
            answered[int(digests[row, column])] = (probability[row, column], float(coverage[row, column]))
    return answered


def stored_priors(store: ScoreStore, units: Sequence[Unit]) -> dict[str, Float[np.ndarray, " C"] | None]:
    """Answers to the content-free prompts that the given units were calibrated with, by archetype."""
    entries = store.entries()
    found = {store.archetypes[unit.archetype]: entries[unit].calibration for unit in units}
    return {name: np.array(prior, dtype=np.float32) for name, prior in found.items() if prior is not None}


def _prior(work: Work, archetype: Archetype, engine: Engine) -> Float[np.ndarray, " C"] | None:
    """The engine's answer to the archetype's content-free prompt; None where scores are not calibrated.

    Raises:
        ModelError: the engine gave no answer.
    """
    if not work.config.scoring.calibrate:
        return None
    answers = engine.ask([work.content_free(archetype)])
    prior = choices_of(answers.logprobs).probability[0].astype(np.float32)
    if not np.isfinite(prior).all():
        reason = answers.failures.get(0, "no finite log-probabilities")
        raise ModelError(f"archetype {archetype.name!r}: the content-free prompt that calibrates its scores was not answered ({reason})")
    return np.maximum(prior, np.float32(SMALLEST_PRIOR))


def _ask_unit(
    work: Work,
    store: ScoreStore,
    unit: Unit,
    archetype: Archetype,
    engine: Engine,
    answered: Answered,
    prior: Float[np.ndarray, " C"] | None,
) -> tuple[UnitScores, Cost]:
    prompts = work.prompts[archetype.name]
    digests = cells(work, store, unit, work.digests[archetype.name])
    index = cells(work, store, unit, prompts.index)
    wanted = {int(digests[cell]): prompts.prompts[index[cell]] for cell in zip(*np.nonzero(index >= 0), strict=True)}
    to_ask = sorted((prompt, digest) for digest, prompt in wanted.items() if digest not in answered)
    failures, cost = _ask(engine, to_ask, answered)
    choices, status = _collect(work, digests, index, answered, failures)
    score = expected_score(calibrated(choices.probability, prior))
    score[status != Status.SCORED] = np.nan
    reasons = Counter(failures[int(d)] for d in digests[status == Status.FAILED])
    if (status == Status.INVALID).any():
        reasons["coverage below scoring.minimum_coverage"] = int((status == Status.INVALID).sum())
    cost = replace(cost, reused=int((index >= 0).sum()) - len(to_ask), reasons=dict(reasons))
    return UnitScores(status, score, choices.probability, choices.coverage, prior), cost


def _ask(engine: Engine, to_ask: list[tuple[Prompt, int]], answered: Answered) -> tuple[dict[int, str], Cost]:
    """Ask in the order given, so that prompts that begin alike are neighbours; returns the reasons of those that failed."""
    if not to_ask:
        return {}, Cost()
    started = time.monotonic()
    answers = engine.ask([prompt for prompt, _ in to_ask])
    seconds = round(time.monotonic() - started, 3)
    choices = choices_of(answers.logprobs)
    failures = {}
    for row, (_, digest) in enumerate(to_ask):
        if np.isfinite(choices.probability[row]).all():
            answered[digest] = (choices.probability[row], float(choices.coverage[row]))
        else:
            failures[digest] = answers.failures.get(row, "the engine gave no finite log-probabilities")
    return failures, Cost(len(to_ask), 0, answers.prompt_tokens, answers.cached_tokens, seconds)


def _collect(
    work: Work, digests: np.ndarray, index: np.ndarray, answered: Answered, failures: Mapping[int, str]
) -> tuple[Choices, np.ndarray]:
    count = len(work.config.scoring.choices)
    probability = np.full((*digests.shape, count), np.nan, dtype=np.float16)
    coverage = np.full(digests.shape, np.nan, dtype=np.float16)
    status = np.full(digests.shape, Status.NOT_APPLICABLE, dtype=np.uint8)
    for cell in zip(*np.nonzero(index >= 0), strict=True):
        digest = int(digests[cell])
        if digest in failures:
            status[cell] = Status.FAILED
            continue
        probability[cell], coverage[cell] = answered[digest]
        status[cell] = Status.SCORED if coverage[cell] >= work.config.scoring.minimum_coverage else Status.INVALID
    return Choices(probability, coverage), status


def _rule_unit(work: Work, store: ScoreStore, unit: Unit, archetype: Archetype) -> UnitScores:
    score = cells(work, store, unit, work.rule_scores[archetype.name])
    status = np.where(np.isfinite(score), Status.RULE, Status.NOT_APPLICABLE).astype(np.uint8)
    return UnitScores(status, score)
