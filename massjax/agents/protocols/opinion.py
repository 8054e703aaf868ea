"""From the probabilities of decisions to an opinion: expected direction, hard decision, and what several of them come to.

Everybody who decides has two sides: U, the expected long position, and D, the expected short one. A trader's choices stand for positions
d from 1 (long) to -1 (short), so U = Σ P(choice) max(d, 0) and D = Σ P(choice) max(-d, 0). Whoever follows somebody has his sides,
times the probability of following him: U = Σ_i P(follow i) U_i. The score is (1 + U - D) / 2, which for a desk is
(1 + P(follow) (P(long) - P(short))) / 2: 0.5 is neither, below it is a short position, and following a short is a sell, never a buy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int8

from massjax.agents.protocols.roles import Role
from massjax.agents.protocols.turns import NO_DECISION, Opinion

UNDECIDED = -1
"""In the place of a choice where several are the likeliest."""


class Sides(NamedTuple):
    """What somebody is expected to do, and does, with each stock on each date.

    Attributes:
        up, down: expected long and short position, in [0, 1]; NaN without an answer.
        hard: of the likeliest choice: 1 long, -1 short, 0 neither, which is also where no choice is the likeliest.
    """

    up: Float[np.ndarray, "*N"]
    down: Float[np.ndarray, "*N"]
    hard: Int8[np.ndarray, "*N"]


def directions(role: Role) -> Float[np.ndarray, " C"]:
    """The position that each choice of a role stands for, from 1 to -1; of one who rates from -1 to 1."""
    count = len(role.choices_or_default)
    return np.linspace(-1.0, 1.0, count) if role.form == "rate" else np.linspace(1.0, -1.0, count)


def likeliest(probability: Float[np.ndarray, "*N C"]) -> Int[np.ndarray, "*N"]:
    """The number of the likeliest choice; `UNDECIDED` where several are, or there is no answer.

    >>> likeliest(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])).tolist()
    [1, -1]
    """
    top = probability.max(axis=-1, keepdims=True)
    alone = (probability == top).sum(axis=-1) == 1
    return np.where(alone, probability.argmax(axis=-1), UNDECIDED)


def sides(role: Role, probability: Float[np.ndarray, "*N C"], followed: Sequence[Sides] = ()) -> Sides:
    """The two sides of a role.

    Args:
        role: who decides.
        probability: of its choices.
        followed: sides of those whom it may follow, in the order of its choices; none for one who decides on positions.
    """
    wide, choice = np.asarray(probability, np.float64), likeliest(probability)
    if not followed:
        positions = directions(role)
        signs = np.append(np.sign(np.round(positions, 12)), 0).astype(np.int8)
        return Sides(wide @ np.maximum(positions, 0.0), wide @ np.maximum(-positions, 0.0), signs[choice])
    up = sum((wide[..., place] * other.up for place, other in enumerate(followed)), np.zeros(wide.shape[:-1]))
    down = sum((wide[..., place] * other.down for place, other in enumerate(followed)), np.zeros(wide.shape[:-1]))
    hard = np.zeros(wide.shape[:-1], np.int8)
    for place, other in enumerate(followed):
        hard = np.where(choice == place, other.hard, hard)
    return Sides(up, down, hard.astype(np.int8))


def opinion_of(
    votes: Sequence[Role],
    decides: Sequence[str],
    combine: Literal["mean", "majority"],
    probabilities: Sequence[Float[np.ndarray, "N T C"]],
) -> Opinion:
    """The opinion of an organisation.

    Args:
        votes: roles whose answers count, whom one follows before who follows.
        decides: those of them whose opinions make the score.
        combine: how several become one.
        probabilities: of each vote's choices.
    """
    found = dict[str, Sides]()
    for role, probability in zip(votes, probabilities, strict=True):
        found[role.name] = sides(role, probability, [found[name] for name in role.follows])
    whole = combined([found[name] for name in decides], combine)
    score = np.clip(0.5 + 0.5 * (whole.up - whole.down), 0.0, 1.0).astype(np.float32)
    return Opinion(score, np.where(np.isnan(score), np.int8(NO_DECISION), whole.hard).astype(np.int8))


def combined(members: Sequence[Sides], how: Literal["mean", "majority"]) -> Sides:
    """What the sides of several members come to.

    `mean`: the mean of each side; the hard decision is long where those for long outnumber those for short by more than half of the
    members. `majority`: the probability that more than half of the members take that side, each deciding by itself; the hard decision is
    what more than half decide.
    """
    if len(members) == 1:
        return members[0]
    up, down = (np.stack([getattr(one, name) for one in members]) for name in ("up", "down"))
    hard = np.stack([one.hard for one in members]).astype(np.int64)
    if how == "mean":
        net = hard.sum(axis=0)
        return Sides(up.mean(axis=0), down.mean(axis=0), np.where(2 * abs(net) > len(members), np.sign(net), 0).astype(np.int8))
    longs, shorts = (2 * (hard == side).sum(axis=0) > len(members) for side in (1, -1))
    return Sides(_most(up), _most(down), longs.astype(np.int8) - shorts.astype(np.int8))


def _most(shares: Float[np.ndarray, " M *N"]) -> Float[np.ndarray, "*N"]:
    """The probability that more than half of M independent members take a side, by the recursion over members of the number that do."""
    count = [np.ones(shares.shape[1:]), *(np.zeros(shares.shape[1:]) for _ in shares)]
    for share in shares:
        count = [count[0] * (1 - share), *(count[n] * (1 - share) + count[n - 1] * share for n in range(1, len(count)))]
    return np.sum([count[n] for n in range(len(shares) // 2 + 1, len(count))], axis=0)
