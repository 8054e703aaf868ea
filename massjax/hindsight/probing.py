"""The memory probe: every stock and date asked about by name, without facts, and what that tells of the returns that followed."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from jaxtyping import Bool, Float

from massjax.agents.hindsight import HindsightSettings
from massjax.agents.protocols.blank import blank_ask
from massjax.hindsight.controls import Controls, with_fame
from massjax.hindsight.questions import Questions, why_none
from massjax.hindsight.sampling import share_of_dates
from massjax.hindsight.settings import MeasureSettings
from massjax.hindsight.subject import Subject
from massjax.models.failures import REASONS, Reason
from massjax.models.probabilities import calibrated, expected_score
from massjax.row_words import counted
from massjax.statistics.memory_probe import MemoryProbe, Period, ProbedPeriod, memory_probe
from massjax.statistics.probe_power import ProbePower, probe_power

LOW_COVERAGE = REASONS.index(Reason.LOW_COVERAGE)
FEWEST_FOR_SPREAD = 10
"""Dates with a partial RankIC under which their spread says too little; from ten on it is within a half of the true one."""


@dataclass(frozen=True, eq=False)
class Probed:
    """What a model's blank answers come to.

    Attributes:
        model: its name; empty for that of `scoring`.
        blank: scores of the blank answers; NaN = not asked, or no answer.
        cells, dates: stocks and dates, and dates, that were asked about.
        horizons: the probe by horizon.
        power: of the run's horizon; None where it is undefined, `no_power` then says why.
        controls: what was held fixed at the run's horizon.
        why_none: why questions have no answer, counted; empty where all have one.
        mass: probability on the choices, on average over the answers; NaN without one.
    """

    model: str
    blank: Float[np.ndarray, "N T"]
    cells: int
    dates: int
    horizons: dict[int, MemoryProbe]
    power: ProbePower | None
    no_power: str
    controls: Controls
    why_none: str
    mass: float = np.nan

    def judged(self, horizon: int) -> tuple[Period, ProbedPeriod]:
        """The period that tells of memory: up to the cut-off; all dates where it is not known; those after it where there are no others."""
        found = self.horizons[horizon].periods
        kinds: tuple[Period, ...] = ("up to the cut-off", "after the cut-off", "all dates")
        name = next(one for one in kinds if one in found)
        return name, found[name]


def sampled_dates(subject: Subject, settings: MeasureSettings) -> Bool[np.ndarray, " T"]:
    """The dates that the probe asks about."""
    return share_of_dates(subject.dates, settings.sample)


def probe_questions(subject: Subject, settings: MeasureSettings) -> list[Questions]:
    """The blank questions to each model: at most one for each stock and date, whatever the archetypes."""
    dates, found = sampled_dates(subject, settings), list[Questions]()
    for model in subject.inputs.models():
        blank = subject.inputs.config.agents.hindsight or HindsightSettings()
        ask = blank_ask(subject.identity, subject.panel.member & dates, blank, subject.form, model or None)
        if ask.prompts:
            assert ask.index is not None
            found.append(Questions("probe", model, ask.form, list(ask.prompts), ask.index))
    return found


def blank_scores(subject: Subject, asked: Questions) -> tuple[Float[np.ndarray, "N T"], str, float]:
    """Scores of the blank answers, NaN where there is none; why, counted by reason; and the mean mass on the choices of those answered."""
    choices = subject.form.choices
    probability, mass, codes = subject.log.choices(asked.keys(subject.models), len(choices))
    answered = codes == 0
    average = float(mass[answered].astype(np.float64).mean()) if answered.any() else np.nan
    codes = np.where((codes == 0) & (mass < subject.inputs.config.scoring.minimum_coverage), np.uint8(LOW_COVERAGE), codes)
    values = np.where(codes == 0, expected_score(calibrated(probability, None)).astype(np.float64), np.nan)
    return np.where(asked.index >= 0, np.append(values, np.nan)[asked.index], np.nan), why_none(codes), average


def probed(subject: Subject, settings: MeasureSettings, asked: Questions, controls: Controls) -> Probed:
    """The memory probe of a model at every horizon of the market data.

    Args:
        subject: whose returns are judged.
        settings: what share of the dates was asked about.
        asked: the blank questions to the model.
        controls: size and momentum; fame is added, at each horizon from answers that are old enough.
    """
    blank, why, mass = blank_scores(subject, asked)
    panel, lag = subject.panel, subject.inputs.config.market.execution_lag
    probes, at_horizon = dict[int, MemoryProbe](), controls
    for horizon, returns in subject.forward_returns.items():
        held = with_fame(controls, blank, panel.member, horizon + lag)
        at_horizon = held if horizon == subject.horizon else at_horizon
        probes[horizon] = memory_probe(
            blank, returns, held.values, panel.member, subject.days, horizon, execution_lag=lag, cutoff=subject.cutoff(asked.model)
        )
    dates, cells = int((asked.index >= 0).any(axis=0).sum()), int((asked.index >= 0).sum())
    found = Probed(asked.model, blank, cells, dates, probes, None, "", at_horizon, why)
    power, no_power = power_of(subject, settings, cells / max(dates, 1), len(at_horizon.names), found.judged(subject.horizon)[1])
    return Probed(asked.model, blank, cells, dates, probes, power, no_power, at_horizon, why, mass)


def power_of(
    subject: Subject, settings: MeasureSettings, stocks: float, controls: int, found: ProbedPeriod | None = None
) -> tuple[ProbePower | None, str]:
    """What the probe can find at the run's horizon; or why that is undefined.

    Args:
        stocks: that are asked about on a date, on average.
        controls: held fixed.
        found: the period that is judged, whose spread is taken, or with fewer than `FEWEST_FOR_SPREAD` dates that of stocks which move
            apart; None before anything is asked.
    """
    dates, spread = subject.panel.dates.size, None
    if found is not None:
        known = found.daily[np.isfinite(found.daily)]
        dates = ceil(known.size / settings.sample)
        if known.size < 2:
            return None, f"{counted(known.size, 'date')} with a partial RankIC, too few to tell"
        spread = float(known.std(ddof=1))
        if spread == 0:
            return None, "the partial RankIC is the same on every date"
        spread = spread if known.size >= FEWEST_FOR_SPREAD else None
    try:
        return probe_power(
            settings.rank_ic,
            round(stocks),
            dates,
            subject.horizon,
            share=settings.sample,
            controls=controls,
            spread=spread,
            level=settings.level,
        ), ""
    except ValueError as error:
        return None, str(error)
