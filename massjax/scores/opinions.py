"""Opinions read from answers: scores, decisions, and why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float16, Float32, Int8, UInt8

from massjax.agents.protocols.opinion import UNDECIDED, likeliest
from massjax.agents.protocols.turns import NO_DECISION, UNDEFINED, at_cells
from massjax.answers.log import ANSWERED, UNKNOWN, AnswerLog
from massjax.models.failures import REASONS, Reason
from massjax.models.probabilities import SMALLEST_PRIOR, calibrated
from massjax.scores.asks import Asks, Read
from massjax.scores.status import Status
from massjax.scores.views import NOTHING, Found
from massjax.scores.without_memory import what_was_done

LOW_COVERAGE = REASONS.index(Reason.LOW_COVERAGE)


class Opinions(NamedTuple):
    """What the answers to an archetype's questions come to, by stock and date.

    Attributes:
        score: in [0, 1]; NaN where there is none.
        mass: raw probability on the choices, the least of all answers that a score comes from; NaN where not answered.
        status: values of `Status`.
        reasons: cells without a score, by the value of their `Reason`.
        decision: 1 long, 0 neither, -1 short, `NO_DECISION` where there is none; None of a protocol that does not decide.
        probability: of each choice of the role that is asked last, as answered.
        memory: where memory is taken out of scores, how many members and dates each thing was done about, in words.
        strengths: there, how much was taken out on average, by symbol.
    """

    score: Float32[np.ndarray, "N T"]
    mass: Float16[np.ndarray, "N T"]
    status: UInt8[np.ndarray, "N T"]
    reasons: Counter[str]
    decision: Int8[np.ndarray, "N T"] | None = None
    probability: Float16[np.ndarray, "N T C"] | None = None
    memory: Mapping[str, int] = MappingProxyType({})
    strengths: Mapping[str, float] = MappingProxyType({})


def opinions(asks: Asks, log: AnswerLog, minimum_coverage: float, *, probabilities: bool = False) -> Opinions:
    """Scores of an archetype from the answers to its questions.

    Args:
        asks: its questions.
        log: with their answers; where the one that calibrates has none, no cell has a score, for that one's reason.
        minimum_coverage: an answer with less mass than this is invalid, and has no score.
        probabilities: also give the choice probabilities of every cell; for protocols about stocks and dates.
    """
    kept, numbers, code = None, list[np.ndarray](), asks.lost.copy()
    codes_of_reads = list[np.ndarray]()
    mass = np.full(asks.lost.shape, np.inf, np.float16)
    for read in asks.reads:
        probability, on_choices, codes = log.choices(read.keys, len(read.choices))
        kept = at_cells(probability.astype(np.float16), read.index, np.nan) if probabilities else None
        prior, why_none = prior_of(read, log)
        codes = np.where(codes == ANSWERED, why_none, codes)
        codes = np.where((codes == ANSWERED) & (on_choices < minimum_coverage), np.uint8(LOW_COVERAGE), codes)
        values = read.values(calibrated(probability, prior)).astype(np.float32)
        if read.prior_too and prior is not None:
            values = np.concatenate([values, np.broadcast_to(prior, probability.shape)], axis=1)
        values[codes != ANSWERED] = np.nan
        numbers.append(at_cells(values, read.index, np.nan))
        least = np.fmin if asks.apart else np.minimum
        codes_of_reads.append(at_cells(codes, read.index, NOTHING))
        needed = True if read.needed is None else read.needed
        mass = np.where(needed, least(mass, at_cells(on_choices.astype(np.float16), read.index, np.nan)), mass)
        if not asks.apart:
            code = np.where((code == 0) & needed, codes_of_reads[-1], code)
    opinion = asks.opinion(numbers)
    memory = dict[str, int]()
    if opinion.done is not None:
        blank_code, own_code = codes_of_reads
        memory = what_was_done(opinion.done, own_code, blank_code, LOW_COVERAGE, NOTHING)
        code = np.where((code == ANSWERED) & np.isnan(opinion.score), np.uint8(UNDEFINED), code)
    good = code == ANSWERED
    score = np.where(good, opinion.score, np.float32(np.nan)).astype(np.float32)
    decision = None if opinion.decision is None else np.where(good, opinion.decision, np.int8(NO_DECISION)).astype(np.int8)
    found = asks.view.at_cells(Found(score, mass, code, decision))
    status, reasons = _status(found.code), _reasons(found.code)
    return Opinions(found.score, found.mass, status, reasons, found.decision, kept, memory, opinion.strengths)


class RoleAnswers(NamedTuple):
    """What one role said about each place of a view: a stock and date, or a text.

    Attributes:
        choices: C of them.
        probability: of each, calibrated where the role's answers are; NaN without an answer.
        choice: the number of the likeliest; -1 where several are, or there is no answer.
        mass: raw probability on all choices.
    """

    choices: tuple[str, ...]
    probability: Float32[np.ndarray, "N T C"]
    choice: Int8[np.ndarray, "N T"]
    mass: Float16[np.ndarray, "N T"]


def answers_of_roles(asks: Asks, log: AnswerLog) -> dict[str, RoleAnswers]:
    """What each role said that an archetype's scores are read from, by its name: how often a head follows, and what traders decide.

    Args:
        asks: the archetype's questions.
        log: with their answers.
    """
    found = dict[str, RoleAnswers]()
    for read in asks.reads:
        raw, mass, codes = log.choices(read.keys, len(read.choices))
        prior, _ = prior_of(read, log)
        probability = calibrated(raw, prior).astype(np.float32)
        probability[codes != ANSWERED] = np.nan
        filled = ((probability, np.nan), (likeliest(probability).astype(np.int8), UNDECIDED), (mass.astype(np.float16), np.nan))
        found[read.role] = RoleAnswers(read.choices, *(at_cells(values, read.index, fill) for values, fill in filled))
    return found


def _status(code: UInt8[np.ndarray, "N T"]) -> UInt8[np.ndarray, "N T"]:
    kinds = (
        *((ANSWERED, Status.SCORED), (LOW_COVERAGE, Status.INVALID), (UNKNOWN, Status.NOT_ASKED)),
        *((NOTHING, Status.NOT_APPLICABLE), (UNDEFINED, Status.UNDEFINED)),
    )
    return np.select([code == one for one, _ in kinds], [status for _, status in kinds], Status.FAILED).astype(np.uint8)


def _reasons(code: UInt8[np.ndarray, "N T"]) -> Counter[str]:
    counts = np.bincount(code.reshape(-1), minlength=len(REASONS)).tolist()
    return Counter({reason.value: count for reason, count in zip(REASONS, counts, strict=False) if reason is not None and count})


def prior_of(read: Read, log: AnswerLog) -> tuple[Float32[np.ndarray, " C"] | None, np.uint8]:
    """What calibrates the answers of a role, and a code like those of `AnswerLog.choices` of whether it is there."""
    if read.prior is None:
        return None, np.uint8(ANSWERED)
    probability, _, codes = log.choices(read.prior, len(read.choices))
    return np.maximum(np.nan_to_num(probability[0].astype(np.float32), nan=1.0), np.float32(SMALLEST_PRIOR)), codes[0]
