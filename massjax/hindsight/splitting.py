"""Scores with facts and without before and after a model's cut-off, and year by year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from jaxtyping import Float

from massjax.hindsight.subject import Subject
from massjax.statistics.by_year import by_year
from massjax.statistics.clusters import Estimate, undefined
from massjax.statistics.correlation import daily_rank_ic
from massjax.statistics.intervals import Interval
from massjax.statistics.memory_probe import sides_of_cutoff
from massjax.statistics.series import SeriesSummary

BLANK = "blank answers"


@dataclass(frozen=True, eq=False)
class Split:
    """The RankIC of some scores on both sides of a cut-off.

    Attributes:
        name: of the archetype, or of the blank answers.
        model: whose cut-off counts.
        cutoff: None where it is not known.
        before, after: mean RankIC up to the cut-off and after it; None where no date lies there, or the cut-off is not known.
        difference: before − after, with the reason where there is none.
        years: RankIC by calendar year.
        reason: why there is no RankIC at all; empty where there is one.
    """

    name: str
    model: str
    cutoff: date | None
    before: Interval | None
    after: Interval | None
    difference: Estimate
    years: dict[int, SeriesSummary]
    reason: str = ""


def split(subject: Subject, name: str, model: str, score: Float[np.ndarray, "N T"]) -> Split:
    """RankIC of scores at the run's horizon, split at the cut-off of a model.

    Args:
        subject: whose returns count.
        name: whose scores they are.
        model: that gave them.
        score: NaN = none.
    """
    returns, horizon, cutoff = subject.forward_returns[subject.horizon], subject.horizon, subject.cutoff(model)
    daily = daily_rank_ic(score.astype(np.float64), returns, subject.panel.member)
    years = by_year(daily, subject.days, horizon)
    if not np.isfinite(daily).any():
        nothing = "no date has scores and returns"
        return Split(name, model, cutoff, None, None, undefined(nothing), years, nothing)
    if cutoff is None:
        where = "scoring" if not model else f"models.{model}"
        return Split(name, model, None, None, None, undefined(f"{where}.knowledge_cutoff is not set"), years)
    before = np.array([day <= cutoff for day in subject.days])
    return Split(name, model, cutoff, *sides_of_cutoff(daily, before, horizon), years)
