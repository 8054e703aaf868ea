"""From many archetypes' scores to one signal: the weighted mean, the disagreement, and their combination.

Inside the engine the dates come first and the candidates last (`[D, N, P]`): the candidates fill the vector lanes, and a date is
one contiguous block.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float

from massjax.engine.inputs import (
    MISSING,
    Missing,
    SignalName,
    check_alpha,
    check_choice,
    check_member,
    check_scores,
    check_weights,
)

EPS = float(jnp.finfo(jnp.float32).eps)
UNROLLED = 16
"""Archetypes summed in one fused loop."""


class Signal(NamedTuple):
    """What ranks stocks, for each candidate; higher is better, NaN off-universe and where no weighted archetype has a score.

    Attributes:
        mean: weighted mean score.
        disagreement: minus the weighted standard deviation of the scores.
        combined: alpha * mean + (1 - alpha) * disagreement.
    """

    mean: Float[Array, "P N D"]
    disagreement: Float[Array, "P N D"]
    combined: Float[Array, "P N D"]


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
        agreement: a weighted variance at or under this is agreement: every archetype says the same, up to rounding.
    """

    scores: Float[Array, "*D K N"]
    around: Float[Array, "*D K N"]
    present: Float[Array, "*D K N"]
    centre: Float[Array, "*D"]
    agreement: Float[Array, "*D N"]


def aggregate(
    scores: Float[ArrayLike, "K N D"],
    member: Bool[ArrayLike, "N D"],
    weights: Float[ArrayLike, "P K"],
    *,
    alpha: float = 0.5,
    missing: Missing = "renormalize",
) -> Signal:
    r"""Mean, disagreement and combined signal of each candidate agent distribution.

    With the weights of candidate p renormalised, for each stock and date, to the archetypes that have a score there:

    $$ \mu = \frac{\sum_k w_k s_k}{\sum_k w_k}, \qquad \sigma = \sqrt{\frac{\sum_k w_k (s_k - \mu)^2}{\sum_k w_k}}, \qquad
       \text{combined} = \alpha \mu - (1 - \alpha) \sigma $$

    (MASS, arXiv 2505.10278, section 3: infinitely many agents drawn from `weights`.) The deviation is exactly 0 where the archetypes
    agree, and stocks with the same scores get bitwise the same signals.

    Args:
        scores: [archetypes K, stocks N, dates D], in any unit (massjax stores [0, 1]); NaN where an archetype has none.
        member: True where the stock is in the universe.
        weights: [candidates P, archetypes K], >= 0; only ratios matter.
        alpha: share of the mean in the combined signal, in [0, 1].
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0, as MASS does for stocks that nobody looked at.

    Returns:
        A `Signal` of three arrays [P, N, D], in the unit of the scores.

    Raises:
        DataError: arrays that do not fit together, infinite scores, or invalid weights.
        ConfigError: an unknown `missing`, or an alpha outside [0, 1].

    Examples:
        Two archetypes that agree on the first stock and not on the second:

        >>> import numpy as np, massjax as mj
        >>> scores = np.array([[[0.5], [0.0]], [[0.5], [1.0]]])
        >>> signal = mj.aggregate(scores, np.ones((2, 1), bool), np.ones((1, 2)))
        >>> signal.mean[0, :, 0].tolist(), signal.disagreement[0, :, 0].tolist()
        ([0.5, 0.5], [-0.0, -0.5])
    """
    check_choice("missing", missing, MISSING)
    checked = check_scores(scores)
    return _aggregate(checked, check_member(member, checked), check_weights(weights, checked.shape[0]), check_alpha(alpha), missing)


@partial(jax.jit, static_argnames="missing")
def _aggregate(
    scores: Float[Array, "K N D"], member: Bool[Array, "N D"], weights: Float[Array, "P K"], alpha: Float[Array, ""], missing: Missing
) -> Signal:
    opinions = prepare_opinions(scores, member, missing)
    lanes = balance(weights).T

    def one_date(date: Opinions) -> tuple[Float[Array, "N P"], Float[Array, "N P"]]:
        mean, deviation = moments(date, lanes)
        return date.centre + mean, deviation

    mean, deviation = lax.map(one_date, opinions)
    signals = (mean, -deviation, alpha * mean - (1 - alpha) * deviation)
    return Signal(*(jnp.transpose(signal, (2, 1, 0)) for signal in signals))


def prepare_opinions(scores: Float[Array, "K N D"], member: Bool[Array, "N D"], missing: Missing) -> Opinions:
    """Centre the scores and turn missing ones into weights of 0, once for all candidates."""
    by_date = jnp.transpose(scores, (2, 0, 1))
    asked = jnp.broadcast_to(member.T[:, None, :], by_date.shape)
    if missing == "zero":
        by_date = jnp.where(asked & jnp.isnan(by_date), 0.0, by_date)
    present = asked & ~jnp.isnan(by_date)
    low = jnp.where(present, by_date, jnp.inf).min(1)
    high = jnp.where(present, by_date, -jnp.inf).max(1)
    centre = _exact_centre(low.min(1), high.max(1))
    around = jnp.where(present, by_date - (low + high)[:, None, :] / 2, 0.0)
    return Opinions(
        scores=jnp.where(present, by_date - centre[:, None, None], 0.0),
        around=around,
        present=present.astype(jnp.float32),
        centre=centre,
        agreement=(4 * EPS) ** 2 * scores.shape[0] * jnp.max(around * around, axis=1),
    )


def _exact_centre(low: Float[Array, " D"], high: Float[Array, " D"]) -> Float[Array, " D"]:
    """The middle of each range, rounded to the power of two above its width: float32 then subtracts it without rounding."""
    _, exponent = jnp.frexp(jnp.where(low < high, high - low, 1.0))
    middle = jnp.where(low <= high, (low + high) / 2, 0.0)
    return jnp.ldexp(jnp.round(jnp.ldexp(middle, -exponent)), exponent)


def balance(weights: Float[Array, "P K"]) -> Float[Array, "P K"]:
    """Scale each candidate by the power of two that brings its largest weight near 1: exact, and nothing overflows."""
    _, exponent = jnp.frexp(weights.max(axis=1, keepdims=True))
    return jnp.ldexp(weights, -exponent)


def moments(opinions: Opinions, weights: Float[Array, "K P"]) -> tuple[Float[Array, "N P"], Float[Array, "N P"]]:
    """Weighted mean (of centred scores) and standard deviation on one date; NaN where no weighted archetype has a score.

    The variance is taken around the mean in a second pass: E[s^2] - mu^2 would lose ties and small disagreements in float32. Sums run
    over the archetypes in order, not through a matrix product, whose rounding depends on the place of the stock: ties would break.
    """
    nothing = jnp.zeros((opinions.scores.shape[1], weights.shape[1]), jnp.float32)
    archetypes = (opinions.scores[:, :, None], opinions.around[:, :, None], opinions.present[:, :, None], weights[:, None, :])
    in_order = partial(lax.scan, xs=archetypes, unroll=min(UNROLLED, len(weights)))

    def add_first(sums: tuple[Array, Array, Array], archetype: tuple[Array, ...]) -> tuple[tuple[Array, Array, Array], None]:
        score, around, present, weight = archetype
        return (sums[0] + weight * present, sums[1] + weight * score, sums[2] + weight * around), None

    (total, mean, middle), _ = in_order(add_first, (nothing, nothing, nothing))
    seen = total > 0
    total = jnp.where(seen, total, 1.0)
    mean, middle = mean / total, middle / total

    def add_second(squares: Array, archetype: tuple[Array, ...]) -> tuple[Array, None]:
        _, around, present, weight = archetype
        return squares + (weight * present) * (around - middle) ** 2, None

    squares, _ = in_order(add_second, nothing)
    variance = squares / total
    differ = variance > opinions.agreement[:, None]
    deviation = jnp.where(differ, jnp.sqrt(jnp.where(differ, variance, 1.0)), 0.0)
    return jnp.where(seen, mean, jnp.nan), jnp.where(seen, deviation, jnp.nan)


def choose(signal: SignalName, mean: Float[Array, "N P"], deviation: Float[Array, "N P"], alpha: Float[Array, ""]) -> Float[Array, "N P"]:
    """The signal that is named; a constant added to the mean does not change its ranks."""
    if signal == "mean":
        return mean
    return -deviation if signal == "disagreement" else alpha * mean - (1 - alpha) * deviation
