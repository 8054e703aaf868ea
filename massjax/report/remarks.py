"""What a reader of a run should know before its figures: too few dates, dates left out, scores that lack, remembered, doubts about data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Shaped

from massjax.config import RunConfig
from massjax.evaluate.result import PERMUTED, Strategy
from massjax.market.panel import Panel
from massjax.report.run import ArchetypeFacts
from massjax.row_words import counted, first_few, row_unit
from massjax.timing import telling_dates

LITTLE_COVERAGE = 0.9
"""Share of members with a score under which a run warns."""


def remarks(
    config: RunConfig,
    panel: Panel,
    evaluated: Bool[np.ndarray, " T"],
    first: int,
    facts: Sequence[ArchetypeFacts],
    strategies: Sequence[Strategy],
    remembered: Sequence[str],
) -> tuple[str, ...]:
    """Sentences on what the figures of a run cannot say, the remarks on its data last.

    Args:
        config: of the run.
        panel: its data.
        evaluated: True on the dates that the run is about.
        first: index of the first date with a full look-back behind it.
        facts: of the archetypes.
        strategies: as they were judged.
        remembered: what the model that was asked may remember of the dates.
    """
    found = []
    skipped, horizon = int(evaluated.size - first - evaluated.sum()), config.evaluate.horizon
    known, wanted = max(strategy.metrics[horizon].rank_ic.dates for strategy in strategies), telling_dates(horizon)
    if known < wanted:
        found.append(
            f"only {counted(known, 'date')} can be judged; with returns over {counted(horizon, row_unit(panel.periods_per_year))} "
            f"fewer than {wanted} are too few to conclude anything"
        )
    if skipped:
        found.append(
            f"{counted(skipped, 'date')} with a full look-back {'is' if skipped == 1 else 'are'} left out, because no search had a rank "
            "correlation in the window"
        )
    found += left_out_warnings(strategies, evaluated, panel.dates)
    if PERMUTED in config.evaluate.controls and config.search and not any(strategy.name == PERMUTED for strategy in strategies):
        found.append(
            f"the control {PERMUTED} is not there: it is what an estimator, such as posterior, makes of the scores of other stocks, and no "
            "estimator is among the searches"
        )
    gappy = [f"{fact.archetype.name} ({fact.coverage:.1%})" for fact in facts if fact.coverage < LITTLE_COVERAGE]
    if gappy:
        score = "scores" if len(gappy) == 1 else "score"
        found.append(f"{counted(len(gappy), 'archetype')} {score} less than {LITTLE_COVERAGE:.0%} of the members: {first_few(gappy, 5)}")
    return (*found, *remembered, *panel.warnings)


def left_out_warnings(
    strategies: Sequence[Strategy], evaluated: Bool[np.ndarray, " T"], dates: Shaped[np.ndarray, " T"]
) -> tuple[str, ...]:
    """A sentence for each strategy that is judged on fewer dates than the run is about.

    Args:
        strategies: each with its own `evaluated`.
        evaluated: True on the dates that the run is about.
        dates: datetime64[D], by column.
    """
    found = []
    for strategy in strategies:
        lacking = evaluated & ~strategy.evaluated
        if lacking.any():
            found.append(
                f"{strategy.label} has no weights of its own on {lacking.sum():,} of {counted(int(evaluated.sum()), 'evaluated date')} "
                f"(first {dates[lacking][0]}), whose look-back windows allowed it no rank correlation: its correlations leave them out, "
                "its portfolio ranks by equal weights there"
            )
    return tuple(found)
