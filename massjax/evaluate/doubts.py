"""What about scores and returns makes a run say less than it seems to: archetypes that are alike, scores and returns that do not differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from massjax.average_ranks import column_blocks
from massjax.evaluate.candidates import EvaluationData
from massjax.evaluate.controls import some_dates
from massjax.evaluate.result import UNIFORM, Strategy
from massjax.row_words import counted, first_few

FEW_STOCKS = 10
"""Stocks with a score on a date, below which a run warns, unless these are half of its members or more."""
MOSTLY = 0.5
"""Share of an archetype's dates on which it scores all stocks alike, from which a run warns."""


def doubts(data: EvaluationData, archetypes: Sequence[str], strategies: Sequence[Strategy]) -> tuple[str, ...]:
    """Sentences on scores, returns and history that limit what the figures of a run can say; none where nothing does.

    Args:
        data: what the strategies were judged on.
        archetypes: their names.
        strategies: with their evidence.
    """
    return (
        *_alike(data, archetypes),
        *_few_scored(data),
        *_constant_scores(data, archetypes),
        *_cancelling(data, strategies),
        *_constant_returns(data),
        *_short(strategies),
    )


def _alike(data: EvaluationData, archetypes: Sequence[str]) -> Iterator[str]:
    if len(archetypes) == 1:
        yield f"{archetypes[0]} is the only archetype: there is nothing to mix, and every strategy of archetypes is it"
    elif all(np.array_equal(data.scores[0], other, equal_nan=True) for other in data.scores[1:]):
        yield f"all {len(archetypes)} archetypes have the same scores: whatever their weights, the signal is the same"


def _few_scored(data: EvaluationData) -> Iterator[str]:
    """Dates on which so few of the members have a score that ranking them says little."""
    judged = data.evaluated & np.isfinite(data.forward_returns[data.settings.horizon]).any(axis=0)
    counts = np.zeros(data.member.shape[1], np.int64)
    for rows in column_blocks(len(data.scores) * len(data.member), data.member.shape[1]):
        counts[rows] = (np.isfinite(some_dates(data.scores, rows)).any(axis=1) & data.member.T[rows]).sum(axis=1)
    ranked = counts[judged & (counts > 1)]
    if not ranked.size:
        return
    scored, members = float(np.median(ranked)), float(np.median(data.member.sum(axis=0)[judged]))
    if scored < FEW_STOCKS and scored < members / 2:
        yield (
            f"of {members:g} members only {scored:g} have a score on half of the {counted(int(ranked.size), 'date')} that are judged: "
            "a RankIC of so few stocks is mostly noise; archetypes that see nothing but texts rank more where texts are shown for longer "
            "(market.texts.window), or where they see prices as well"
        )


def _constant_scores(data: EvaluationData, archetypes: Sequence[str]) -> Iterator[str]:
    scored, same = np.zeros((2, len(archetypes)), np.int64)
    for rows in column_blocks(len(archetypes) * len(data.member), data.member.shape[1]):
        known, differs = _scored_and_differing(some_dates(data.scores, rows), data.member.T[rows, None])
        scored += known.sum(axis=0)
        same += (known & ~differs).sum(axis=0)
    flat = [
        f"{name} ({alike:,} of {counted(int(dates), 'date')})"
        for name, alike, dates in zip(archetypes, same, scored, strict=True)
        if dates and alike >= MOSTLY * dates
    ]
    if flat:
        score = "scores" if len(flat) == 1 else "score"
        yield f"{counted(len(flat), 'archetype')} {score} all stocks alike on most dates, which then tell nothing: {first_few(flat, 5)}"


def _cancelling(data: EvaluationData, strategies: Sequence[Strategy]) -> Iterator[str]:
    """Dates on which equal weights leave no difference between stocks though single archetypes see one."""
    uniform = next((strategy for strategy in strategies if strategy.name == UNIFORM), None)
    if uniform is None:
        return
    judged = data.evaluated & np.isfinite(data.single_rank_ic).any(axis=0)
    lost = judged & ~np.isfinite(uniform.rank_ic[data.settings.horizon])
    if judged.any() and lost.sum() >= MOSTLY * judged.sum():
        yield (
            f"by the {data.settings.signal} signal equal weights tell no two stocks apart on {lost.sum():,} of "
            f"{counted(int(judged.sum()), 'date')}: archetypes cancel, as one and its mirror do, or never disagree, as one alone; there "
            "they have no RankIC, and no gain over them is defined"
        )


def _constant_returns(data: EvaluationData) -> Iterator[str]:
    horizon = data.settings.horizon
    known, differs = _scored_and_differing(data.forward_returns[horizon].T, data.member.T)
    same = known & ~differs
    if same.any():
        first = int(np.argmax(same))
        day = first if data.dates is None else data.dates[first]
        yield (
            f"on {counted(int(same.sum()), 'date')} (first {day}) all forward returns over {horizon} rows are equal: no correlation is "
            "defined there, and the dates are left out"
        )


def _short(strategies: Sequence[Strategy]) -> Iterator[str]:
    reasons = [s.evidence.reason for s in strategies if s.evidence and s.evidence.luck and s.evidence.luck.null == "stock permutations"]
    if reasons:
        yield f"p-values: {reasons[0]}"


def _scored_and_differing(
    values: Float[np.ndarray, "*B N"], member: Bool[np.ndarray, "*#B N"]
) -> tuple[Bool[np.ndarray, "*B"], Bool[np.ndarray, "*B"]]:
    """Whether two members or more have a value in each row, and whether two of the values differ."""
    known = np.isfinite(values) & member
    high, low = np.where(known, values, -np.inf).max(axis=-1), np.where(known, values, np.inf).min(axis=-1)
    return known.sum(axis=-1) > 1, high > low
