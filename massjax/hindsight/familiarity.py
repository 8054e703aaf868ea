"""Whether an archetype's scores foretell more where its prompts are familiar to the model: Min-K % of the prompts, and the test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from massjax.agents.archetype import Archetype
from massjax.agents.protocols.blank import BLANK
from massjax.answers.familiarities import familiarities
from massjax.hindsight.controls import Controls
from massjax.hindsight.questions import Questions, why_none
from massjax.hindsight.sampling import share_of_dates
from massjax.hindsight.settings import MeasureSettings
from massjax.hindsight.subject import Subject
from massjax.models.forms import Familiar
from massjax.statistics.familiarity import FamiliarityTest, beyond_facts, familiarity_test

PERCENT = 20.0
"""Of Min-K % that is tested; that of lookahead propensity (arXiv 2512.23847)."""
NEEDED = "which only an engine tells that gives log-probabilities of the prompt: vLLM, in this process or behind api: completions"
NO_SCORES = "no score of it is in the log; run python -m massjax.precompute with this config first"


@dataclass(frozen=True, eq=False)
class FamiliarScores:
    """The familiarity test of one archetype.

    Attributes:
        archetype: its name.
        asked: stocks and dates whose prompts were asked about.
        test: None where it cannot be made; `reason` then says why.
        beyond: the test of what the score has beyond the facts that its prompts show (`massjax.statistics.familiarity.beyond_facts`); None
            where there is none, or prompts show no number about a stock.
        mean: Min-K % on average over the prompts that have one; NaN without any.
        of_user: whether tokens of the user message alone were counted, for all prompts.
        why_none: why prompts have no familiarity, counted; empty where all have one.
    """

    archetype: str
    asked: int
    test: FamiliarityTest | None
    mean: float
    of_user: bool
    reason: str = ""
    why_none: str = ""
    beyond: FamiliarityTest | None = None


def familiarity_questions(subject: Subject, settings: MeasureSettings) -> dict[str, Questions | str]:
    """By archetype the prompts of its scores on sampled dates, asked how familiar they are; or why there are none."""
    dates = share_of_dates(subject.dates, settings.sample)
    return {one.name: _of_archetype(subject, one, dates) for one in subject.inputs.asking}


def _of_archetype(subject: Subject, archetype: Archetype, dates: np.ndarray) -> Questions | str:
    asks = subject.asks(archetype)
    if isinstance(asks, str):
        return asks
    turn = subject.resolver.turn(archetype)
    role = next(read.role for read in reversed(asks.reads) if read.role != BLANK)
    ask = next(one for one in turn.asked if one.role == role)
    assert ask.index is not None
    index = np.where(dates & asks.wanted, ask.index, -1)
    rows, numbers = np.unique(index[index >= 0], return_inverse=True)
    kept = np.full(index.shape, -1, np.int64)
    kept[index >= 0] = numbers
    return Questions("familiarity", subject.inputs.model_named(ask.model), Familiar(), [ask.prompts[row] for row in rows.tolist()], kept)


def familiar_scores(subject: Subject, name: str, asked: Questions | str, controls: Controls, refused: str = "") -> FamiliarScores:
    """The interaction of an archetype's scores with how familiar its prompts are, at the run's horizon.

    Args:
        subject: whose log has the scores.
        name: of the archetype.
        asked: how familiar its prompts are; or why that was not asked.
        controls: size and momentum.
        refused: why the model would not be asked; empty where it was.
    """
    if isinstance(asked, str):
        return FamiliarScores(name, 0, None, np.nan, False, asked)
    form, cells = asked.form, int((asked.index >= 0).sum())
    assert isinstance(form, Familiar)
    found = familiarities(subject.log, asked.keys(subject.models), form)
    means = found.means[:, form.percents.index(PERCENT)]
    known = np.isfinite(means)
    why, of_user = why_none(found.codes), bool(found.of_user[known].all())
    if not known.any():
        return FamiliarScores(name, cells, None, np.nan, False, f"no prompt has a familiarity, {refused or NEEDED}", why)
    archetype = next(one for one in subject.inputs.asking if one.name == name)
    asks = subject.asks(archetype)
    assert not isinstance(asks, str)
    score = subject.opinions(asks).score.astype(np.float64)
    average = float(means[known].mean())
    if not np.isfinite(score).any():
        return FamiliarScores(name, cells, None, average, of_user, NO_SCORES, why)
    familiarity: Float[np.ndarray, "N T"] = np.where(asked.index >= 0, np.append(means, np.nan)[asked.index], np.nan)
    returns = subject.forward_returns[subject.horizon]
    member, horizon = subject.panel.member, subject.horizon
    test = familiarity_test(score, familiarity, returns, controls.values, member, horizon)
    shown, beyond = subject.shown_ranks(archetype), None
    if len(shown):
        more = beyond_facts(score, shown, controls.values, member)
        beyond = familiarity_test(more, familiarity, returns, np.concatenate([controls.values, shown]), member, horizon)
    return FamiliarScores(name, cells, test, average, of_user, test.reason, why, beyond)
