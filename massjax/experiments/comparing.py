"""Two variants of the same archetypes, answer by answer: decisions, approvals and scores, with what they differ by and how surely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from massjax.agents.protocols.opinion import UNDECIDED, likeliest
from massjax.statistics.clusters import Estimate
from massjax.statistics.decisions import MISSING, OVERWEIGHT, UNDERWEIGHT, CrossTable, Shares, cross_table, decision_shares
from massjax.statistics.paired import PairedComparison, answers_of, compare_pairs
from massjax.statistics.pigeonhole import pigeonhole_bootstrap

SIDES = {"long": OVERWEIGHT, "short": UNDERWEIGHT}


@dataclass(frozen=True, eq=False)
class Answers:
    """What the questions of an archetype came to in one variant.

    Attributes:
        score: in [0, 1]; NaN where there is none.
        decision: 1 long, 0 neither, -1 short; `MISSING` where there is none.
        approval: by role that follows somebody: 1 where it follows, 0 where it does not; `MISSING` where it was not asked.
        situation: a number, the same where the same was asked, and therefore answered; -1 where nothing was. None: each is another.
    """

    score: Float[np.ndarray, "N T"]
    decision: Int8[np.ndarray, "N T"]
    approval: Mapping[str, Int8[np.ndarray, "N T"]]
    situation: Int[np.ndarray, "N T"] | None = None

    def only(self, where: Bool[np.ndarray, "N T"]) -> Answers:
        """The same without what is elsewhere."""
        approval = {role: np.where(where, follows, MISSING).astype(np.int8) for role, follows in self.approval.items()}
        return Answers(np.where(where, self.score, np.nan), np.where(where, self.decision, MISSING).astype(np.int8), approval)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two variants of an archetype.

    Attributes:
        archetype: its name.
        first, second: labels of the variants.
        shares: of the decisions of each, about all stocks and dates.
        crossed: decisions of the first against those of the second; in this and all that follows what stocks and dates share counts once.
        sides: long and short decisions, compared as yes-or-no answers.
        approvals: by role, follow or not, compared likewise.
        score_change: mean score of the second less that of the first.
        changed: share of pairs with another decision.
        correlation: between the two scores over all pairs; NaN where one does not vary.
    """

    archetype: str
    first: str
    second: str
    shares: tuple[Shares, Shares]
    crossed: CrossTable
    sides: Mapping[str, PairedComparison]
    approvals: Mapping[str, PairedComparison]
    score_change: Estimate
    changed: float
    correlation: float


def compare(archetype: str, labels: tuple[str, str], first: Answers, second: Answers, seed: int = 0) -> Comparison:
    """Compare two variants pair by pair; a pair in which either has no answer counts for neither.

    Stocks and dates that share what is asked share its answer too: in both variants the same, they are one pair, of the first of them.

    Args:
        archetype, labels: for reading.
        first, second: of the same stocks and dates.
        seed: of the bootstrap's draws.
    """
    shares = decision_shares(first.decision), decision_shares(second.decision)
    once = counted_once(first, second)
    first, second = first.only(once), second.only(once)
    crossed = cross_table(first.decision, second.decision)
    sides = {
        name: compare_pairs(answers_of(first.decision, side), answers_of(second.decision, side), seed=seed) for name, side in SIDES.items()
    }
    common = (role for role in first.approval if role in second.approval)
    approvals = {role: compare_pairs(first.approval[role], second.approval[role], seed=seed) for role in common}
    known = np.isfinite(first.score) & np.isfinite(second.score)
    change = pigeonhole_bootstrap(np.where(known, second.score - first.score, 0.0).astype(np.float64), known.astype(np.float64), seed=seed)
    return Comparison(
        archetype,
        *labels,
        shares,
        crossed,
        sides,
        approvals,
        change,
        1.0 - crossed.identical,
        _correlation(first.score[known], second.score[known]),
    )


def counted_once(first: Answers, second: Answers) -> Bool[np.ndarray, "N T"]:
    """True at the first, by date and then stock, of the stocks and dates that share what both variants ask."""
    if first.situation is None or second.situation is None:
        return np.ones(first.score.shape, bool)
    pairs = np.stack([first.situation.T.reshape(-1), second.situation.T.reshape(-1)], axis=1)
    asked = np.flatnonzero((pairs >= 0).all(axis=1))
    once = np.zeros(len(pairs), bool)
    once[asked[np.unique(pairs[asked], axis=0, return_index=True)[1]]] = True
    return once.reshape(first.score.shape[::-1]).T


def _correlation(first: Float[np.ndarray, " M"], second: Float[np.ndarray, " M"]) -> float:
    if len(first) < 2 or not (np.ptp(first) > 0 and np.ptp(second) > 0):
        return float("nan")
    return float(np.corrcoef(first.astype(np.float64), second.astype(np.float64))[0, 1])


def likeliest_side(probability: Float[np.ndarray, "N T C"]) -> Int8[np.ndarray, "N T"]:
    """The side of the likeliest of C choices that go from worst to best: above the middle long, below it short.

    Neither where several are the likeliest, as of an organisation; `MISSING` without an answer.

    >>> likeliest_side(np.array([[[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.4, 0.2, 0.4], [np.nan] * 3]])).tolist()
    [[1, -1, 0, -128]]
    """
    known, choice = np.isfinite(probability).all(axis=2), likeliest(probability)
    side = np.where(choice == UNDECIDED, 0, np.sign(2 * choice - (probability.shape[2] - 1)))
    return np.where(known, side, MISSING).astype(np.int8)
