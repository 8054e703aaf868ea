"""Archetypes' scores made ready for many candidates, and their weighted mean and deviation, in float32 and with ties kept.

Inside the engine the dates come first and the candidates last (`[D, N, P]`): many candidates share a vector register, and a date is one
contiguous block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, TypeVar

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from massjax.engine.inputs import Missing

Sums: TypeAlias = tuple[Array, ...]
Result = TypeVar("Result")

EPS, TINY = float(jnp.finfo(jnp.float32).eps), float(jnp.finfo(jnp.float32).tiny)
ARCHETYPES_TOGETHER = 32
"""Archetypes summed in one fused loop, whose sums stay in registers."""


class Opinions(NamedTuple):
    """Scores made ready for many candidates; nothing here depends on the weights.

    Means are taken of `scores` and deviations of `around`. Both are differences from something that float32 subtracts well, so that
    ties survive: stocks with equal scores tie in either, and stocks whose scores mirror each other (0, 0, 1 and 1, 1, 0) tie in their
    deviation.

    Attributes:
        scores: scores less `centre`; 0 where missing.
        around: scores less the middle of their range over the archetypes of that stock and date; 0 where missing.
        present: 1 where the score is there and the stock is a member, else 0.
        centre: a middle of each date's scores, rounded to a binary fraction coarse enough for the subtraction to be exact.
        middle: the middle of the range that `around` leaves out, less `centre`; 0 where nobody has a score.
        agreement: a weighted variance at or under this is agreement: every archetype says the same, up to rounding.
    """

    scores: Float[Array, "*D K N"]
    around: Float[Array, "*D K N"]
    present: Float[Array, "*D K N"]
    centre: Float[Array, "*D"]
    middle: Float[Array, "*D N"]
    agreement: Float[Array, "*D N"]


def prepare_opinions(scores: Float[Array, "K N D"], member: Bool[Array, "N D"], missing: Missing) -> Opinions:
    """Centre the scores of each date and mark which are present, once for all candidates.

    Args:
        scores: NaN where an archetype has none.
        member: True where the stock is in the universe.
        missing: `renormalize` leaves missing scores out, `zero` takes them as 0.
    """
    by_date = jnp.transpose(scores, (2, 0, 1))
    asked = jnp.broadcast_to(member.T[:, None, :], by_date.shape)
    if missing == "zero":
        by_date = jnp.where(asked & jnp.isnan(by_date), 0.0, by_date)
    present = asked & ~jnp.isnan(by_date)
    low = jnp.where(present, by_date, jnp.inf).min(1)
    high = jnp.where(present, by_date, -jnp.inf).max(1)
    centre = _exact_centre(low.min(1), high.max(1))
    middle = jnp.where(low <= high, (low + high) / 2, 0.0)
    around = jnp.where(present, by_date - middle[:, None, :], 0.0)
    peak = jnp.abs(around).max(1)
    agreement = jnp.maximum((4 * EPS) ** 2 * scores.shape[0] * peak * peak, TINY)
    return Opinions(
        scores=jnp.where(present, by_date - centre[:, None, None], 0.0),
        around=around,
        present=present.astype(jnp.float32),
        centre=centre,
        middle=jnp.where(low <= high, middle - centre[:, None], 0.0),
        agreement=jnp.where(peak > 0, agreement, 0.0),
    )


def _exact_centre(low: Float[Array, " D"], high: Float[Array, " D"]) -> Float[Array, " D"]:
    """The middle of each range, rounded to the power of two above its width: float32 then subtracts it without rounding."""
    _, exponent = jnp.frexp(jnp.where(low < high, high - low, 1.0))
    middle = jnp.where(low <= high, (low + high) / 2, 0.0)
    return jnp.ldexp(jnp.round(jnp.ldexp(middle, -exponent)), exponent)


def balance(weights: Float[Array, "P K"]) -> Float[Array, "P K"]:
    """Scale each candidate by the power of two that brings its largest weight near 1: exact, and nothing overflows."""
    _, exponent = jnp.frexp(weights.max(axis=1, keepdims=True))
    return weights * jnp.ldexp(jnp.float32(1.0), -jnp.clip(exponent, -126, 126))


def moments(opinions: Opinions, weights: Float[Array, "K P"]) -> tuple[Float[Array, "N P"], Float[Array, "N P"]]:
    """Weighted mean (of centred scores) and standard deviation of each row; NaN where no weighted archetype has a score.

    A row is a stock on one date; rows of several dates may stand below each other. The variance is taken around the mean in a second
    pass: E[s^2] - mu^2 would lose ties and small disagreements in float32. Sums run over the archetypes in order, not through a matrix
    product, whose rounding depends on the place of the row: ties would break.

    Args:
        opinions: of rows: [K, N], and `agreement` [N].
        weights: positive or 0, the largest of each candidate near 1 (see `balance`).
    """
    return by_completeness(lambda mean, deviation: (mean, deviation), opinions, weights)


def by_completeness(of_moments: Callable[[Array, Array], Result], opinions: Opinions, weights: Float[Array, "K P"]) -> Result:
    """`of_moments(mean, deviation)` by the cheaper formula where no row lacks a score of some archetypes.

    The conditional also keeps XLA from fusing the moments into the loops that use them, where they would be computed again for each use.
    """
    branches = [lambda *data, kind=kind: of_moments(*kind(*data)) for kind in (_moments_of_all, _moments_of_some)]
    return lax.cond(complete(opinions), *branches, opinions, weights)


def complete(opinions: Opinions) -> Bool[Array, ""]:
    """Whether every row has the scores of all archetypes, or of none."""
    return (opinions.present.min(0) == opinions.present.max(0)).all()


def _moments_of_some(opinions: Opinions, weights: Float[Array, "K P"]) -> tuple[Float[Array, "N P"], Float[Array, "N P"]]:
    """Weighted mean and deviation where scores are missing here and there: each row has a sum of weights of its own."""
    present = opinions.present
    mean, middle, total = _in_order(_add_first, 3, weights, opinions.scores, opinions.around, present)
    seen = total > 0
    total = jnp.where(seen, total, 1.0)
    middle = middle / total

    def add_second(sums: Sums, weight: Array, around: Array, present: Array) -> Sums:
        apart = around - present * middle
        return (sums[0] + weight * apart * apart,)

    (squares,) = _in_order(add_second, 1, weights, opinions.around, present)
    deviation = _deviation(squares / total, opinions.agreement)
    return jnp.where(seen, _mean(mean / total, opinions), jnp.nan), jnp.where(seen, deviation, jnp.nan)


def _moments_of_all(opinions: Opinions, weights: Float[Array, "K P"]) -> tuple[Float[Array, "N P"], Float[Array, "N P"]]:
    """Weighted mean and deviation where every row has the scores of all archetypes, or of none: one sum of weights for all rows."""
    total = weights.sum(0)[None, :]
    mean, middle = _in_order(_add_first, 2, weights, opinions.scores, opinions.around)
    middle = middle / total

    def add_second(sums: Sums, weight: Array, around: Array) -> Sums:
        apart = around - middle
        return (sums[0] + weight * apart * apart,)

    (squares,) = _in_order(add_second, 1, weights, opinions.around)
    deviation = _deviation(squares / total, opinions.agreement)
    seen = opinions.present[0][:, None] > 0
    return jnp.where(seen, _mean(mean / total, opinions), jnp.nan), jnp.where(seen, deviation, jnp.nan)


def _mean(mean: Float[Array, "N P"], opinions: Opinions) -> Float[Array, "N P"]:
    """The mean, replaced where all archetypes give the same score by that score, without rounding."""
    return jnp.where((opinions.agreement == 0)[:, None], opinions.middle[:, None], mean)


def _add_first(sums: Sums, weight: Array, *values: Array) -> Sums:
    """Each sum plus weight times its value: the first pass over the archetypes."""
    return tuple(total + weight * value for total, value in zip(sums, values, strict=True))


def _deviation(variance: Float[Array, "N P"], agreement: Float[Array, " N"]) -> Float[Array, "N P"]:
    """The root of the variance, exactly 0 where it is no more than rounding leaves of archetypes that agree."""
    differ = variance > agreement[:, None]
    return jnp.where(differ, jnp.sqrt(jnp.where(differ, variance, 1.0)), 0.0)


def _in_order(add: Callable[..., Sums], count: int, weights: Float[Array, "K P"], *values: Float[Array, "K N"]) -> Sums:
    """`count` sums [N, P] over the archetypes in their order, by `add(sums, weight [1, P], value [N, 1], ...)`.

    `ARCHETYPES_TOGETHER` archetypes at most are added in one fused loop.
    """
    archetypes = len(weights)
    blocks = -(-archetypes // ARCHETYPES_TOGETHER)
    together = -(-archetypes // blocks)
    start = (jnp.zeros((values[0].shape[1], weights.shape[1]), jnp.float32),) * count

    def some(sums: Sums, block: tuple[Array, ...]) -> Sums:
        for k in range(together):
            sums = add(sums, block[0][k][None, :], *(rows[k][:, None] for rows in block[1:]))
        return sums

    if blocks == 1:
        return some(start, (weights, *values))
    missing = blocks * together - archetypes
    padded = (jnp.concatenate([rows, jnp.zeros((missing, rows.shape[1]), rows.dtype)]) for rows in (weights, *values))
    split = tuple(rows.reshape(blocks, together, -1) for rows in padded)
    return lax.scan(lambda sums, block: (some(sums, block), None), start, split)[0]
