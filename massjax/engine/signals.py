"""From many archetypes' scores to one signal: the weighted mean, the disagreement, and their combination.

Inside the engine the dates come first and the candidates last (`[D, N, P]`): many candidates share a vector register, and a date is one
contiguous block.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float

from massjax.engine.inputs import (
    MISSING,
    Missing,
    OwnSignal,
    SignalName,
    check_alpha,
    check_choice,
    check_member,
    check_scores,
    check_weights,
    in_float32,
)
from massjax.engine.own_signal import own_values
from massjax.errors import ConfigError
from massjax.labels import check_labels

Sums: TypeAlias = tuple[Array, ...]
Result = TypeVar("Result")

EPS, TINY = float(jnp.finfo(jnp.float32).eps), float(jnp.finfo(jnp.float32).tiny)
PRODUCT_FROM = 64
"""Archetypes from which a matrix product pays (measured by `benchmarks/archetypes.py`)."""
CANCELLED = 0.3
"""A variance from E[s^2] - mu^2 below this share of E[s^2] has lost too much to rounding."""
ARCHETYPES_TOGETHER = 32
"""Archetypes summed in one fused loop, whose sums stay in registers."""


class Signal(NamedTuple):
    """What ranks N stocks on D dates, for each of P candidates; higher is better.

    Values are in the unit of the scores, NaN off-universe and where no weighted archetype has a score. A higher `mean` says that investors
    like the stock; a higher `disagreement` says that they agree on it: it is minus the deviation of their scores, for the hypothesis that
    stocks on which investors disagree return less later (Miller 1977; MASS, arXiv 2505.10278). `massjax.aggregate` makes it.

    Attributes:
        mean: weighted mean score.
        disagreement: minus the weighted standard deviation of the scores.
        combined: alpha * mean + (1 - alpha) * disagreement.

    Example:
        Two archetypes like both stocks equally well on average, and disagree about the second alone:

        >>> import numpy as np, massjax as mj
        >>> scores, member = np.array([[[0.5], [0.0]], [[0.5], [1.0]]]), np.ones((2, 1), bool)
        >>> signal = mj.aggregate(scores, member, np.ones((1, 2)), alpha=0.5)
        >>> signal.combined.shape
        (1, 2, 1)
        >>> signal.mean[0, :, 0].tolist(), signal.disagreement[0, :, 0].tolist(), signal.combined[0, :, 0].tolist()
        ([0.5, 0.5], [-0.0, -0.5], [0.25, 0.0])
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
        middle: the middle of the range that `around` leaves out, less `centre`; 0 where nobody has a score.
        agreement: a weighted variance at or under this is agreement: every archetype says the same, up to rounding.
    """

    scores: Float[Array, "*D K N"]
    around: Float[Array, "*D K N"]
    present: Float[Array, "*D K N"]
    centre: Float[Array, "*D"]
    middle: Float[Array, "*D N"]
    agreement: Float[Array, "*D N"]


@in_float32
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
    agree, and stocks with the same scores get bitwise the same signals. Everything is computed in float32, whatever the type of the input.

    Args:
        scores: [archetypes K, stocks N, dates D], in any unit (massjax stores [0, 1]), 1e15 at most; NaN where an archetype has none.
            Deviations under 1e-16 count as none.
        member: True where the stock is in the universe.
        weights: [candidates P, archetypes K], >= 0; only ratios matter.
        alpha: share of the mean in the combined signal, in [0, 1].
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0, as MASS does for stocks that nobody looked at.

    Returns:
        A `Signal` of three arrays [P, N, D], in the unit of the scores.

    Raises:
        DataError: arrays that do not fit together, infinite scores, or invalid weights.
        ConfigError: an unknown `missing`, or an alpha outside [0, 1].

    Example:
        Two archetypes agree on the first stock, disagree on the second, and the second archetype has no score for the third. Of two
        candidates the first weighs them equally, the second trusts the first archetype alone:

        >>> import numpy as np, massjax as mj
        >>> scores = np.array([[[0.5], [0.0], [0.75]], [[0.5], [1.0], [np.nan]]])
        >>> signal = mj.aggregate(scores, np.ones((3, 1), bool), np.array([[1.0, 1.0], [1.0, 0.0]]))
        >>> signal.mean[:, :, 0].tolist()
        [[0.5, 0.5, 0.75], [0.5, 0.0, 0.75]]
        >>> signal.disagreement[:, :, 0].tolist()
        [[-0.0, -0.5, -0.0], [-0.0, -0.0, -0.0]]
    """
    check_choice("missing", missing, MISSING)
    check_labels(scores=scores, member=member, weights=weights)
    checked = check_scores(scores)
    return _aggregate(checked, check_member(member, checked), check_weights(weights, checked.shape[0]), check_alpha(alpha), missing)


@partial(jax.jit, static_argnames="missing")
def _aggregate(
    scores: Float[Array, "K N D"], member: Bool[Array, "N D"], weights: Float[Array, "P K"], alpha: Float[Array, ""], missing: Missing
) -> Signal:
    opinions = prepare_opinions(scores, member, missing)
    columns = balance(weights).T

    def one_date(date: Opinions) -> tuple[Float[Array, "N P"], Float[Array, "N P"]]:
        mean, deviation = moments(date, columns)
        return date.centre + mean, deviation

    mean, deviation = lax.map(one_date, opinions)
    signals = (mean, -deviation, alpha * mean - (1 - alpha) * deviation)
    return Signal(*(jnp.transpose(signal, (2, 1, 0)) for signal in signals))


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
    return _by_completeness(lambda mean, deviation: (mean, deviation), opinions, weights)


def ranking_signal(
    opinions: Opinions, weights: Float[Array, "K P"], alpha: Float[Array, " ..."], signal: SignalName
) -> Float[Array, "N P"]:
    """The named signal of each row and candidate, less the centre of its date, which does not change ranks.

    Args:
        opinions: of rows: [K, N], and `agreement` [N]. For a signal of one's own the rows are the stocks of one date.
        weights: positive or 0, the largest of each candidate near 1 (see `balance`).
        alpha: share of the mean in the combined signal; one for all, or [1, P].
        signal: which one.

    Returns:
        [N, P]; NaN where no weighted archetype has a score. Rows with equal scores get bitwise equal signals, but for one's own.
    """
    if isinstance(signal, OwnSignal):
        return own_values(signal, opinions.scores + opinions.centre.reshape(()), opinions.present, weights)
    return _by_completeness(lambda mean, deviation: selected_signal(signal, mean, deviation, alpha), opinions, weights)


class Products(NamedTuple):
    """Factors whose matrix product with the weights gives the weighted mean and variance of each row, around a pivot of the row.

    Attributes:
        values: differences from the pivot of N rows, then their squares, then presence: R = 3 N.
        pivot: mean over the archetypes, less the centre.
        complete: whether every row has the scores of all archetypes, or of none; the product with presence can then be left out.
    """

    values: Float[Array, "R K"]
    pivot: Float[Array, " N"]
    complete: Bool[Array, ""]


def prepare_products(opinions: Opinions) -> Products:
    """The factors of `product_signal` of each row, with the mean over the archetypes as the pivot."""
    present, around = opinions.present, opinions.around
    mean = around.sum(0) / jnp.maximum(present.sum(0), 1.0)
    apart = (around - mean[None, :]) * present
    return Products(jnp.concatenate([apart, apart * apart, present], axis=1).T, mean + opinions.middle, _complete(opinions))


def product_signal(products: Products, weights: Float[Array, "K P"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, "N P"]:
    """`ranking_signal` by one matrix product, which is much faster for many archetypes.

    It is NaN where the product may not be exact enough: where a variance is small beside the square it is the rest of (archetypes that
    agree, or weights that gather on few), and for candidates with weights of 0, whose ties may be hidden by rounding.
    """
    rows = len(products.pivot)

    def of_all() -> Float[Array, "R P"]:
        present = products.values[2 * rows :, :1] * weights.sum(0)[None, :]
        return jnp.concatenate([jnp.matmul(products.values[: 2 * rows], weights, precision="highest"), present])

    def of_some() -> Float[Array, "R P"]:
        return jnp.matmul(products.values, weights, precision="highest")

    apart, squares, total = jnp.split(lax.cond(products.complete, of_all, of_some), 3)
    share = 1.0 / total
    mean, square = apart * share, squares * share
    variance = square - mean * mean
    trusted = (variance > CANCELLED * square) & (weights > 0).all(0)[None, :]
    ranking = selected_signal(signal, mean + products.pivot[:, None], jnp.sqrt(jnp.where(trusted, variance, 1.0)), alpha)
    # The conditional also keeps the product out of the loops that use it, as in `_by_completeness`.
    return lax.cond(trusted.all(), lambda: ranking, lambda: jnp.where(trusted, ranking, jnp.nan))


def _by_completeness(of_moments: Callable[[Array, Array], Result], opinions: Opinions, weights: Float[Array, "K P"]) -> Result:
    """`of_moments(mean, deviation)` by the cheaper formula where no row lacks a score of some archetypes.

    The conditional also keeps XLA from fusing the moments into the loops that use them, where they would be computed again for each use.
    """
    branches = [lambda *data, kind=kind: of_moments(*kind(*data)) for kind in (_moments_of_all, _moments_of_some)]
    return lax.cond(_complete(opinions), *branches, opinions, weights)


def _complete(opinions: Opinions) -> Bool[Array, ""]:
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


def selected_signal(
    signal: SignalName, mean: Float[Array, "*N P"], deviation: Float[Array, "*N P"], alpha: Float[Array, " ..."]
) -> Float[Array, "*N P"]:
    """The mean, minus the deviation, or `alpha * mean - (1 - alpha) * deviation`, as `signal` names it.

    Raises:
        ConfigError: a signal of one's own, which is no function of the two.
    """
    if isinstance(signal, OwnSignal):
        raise ConfigError(
            f"the signal {signal.name!r} of your own has no smooth stand-in that a gradient could climb; take another search, or "
            "`objective: perturbed_rank_ic`"
        )
    if signal == "mean":
        return mean
    return -deviation if signal == "disagreement" else alpha * mean - (1 - alpha) * deviation
