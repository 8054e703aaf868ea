"""From many archetypes' scores to one signal: the weighted mean, the disagreement, and their combination.

Inside the engine the dates come first and the candidates last (`[D, N, P]`): many candidates share a vector register, and a date is one
contiguous block.
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
    OwnSignal,
    SignalName,
    check_alpha,
    check_choice,
    check_member,
    check_scores,
    check_weights,
    in_float32,
)
from massjax.engine.opinions import Opinions, balance, by_completeness, complete, moments, prepare_opinions
from massjax.engine.own_signal import own_values
from massjax.errors import ConfigError
from massjax.labels import check_labels

PRODUCT_FROM = 64
"""Archetypes from which a matrix product pays (measured by `benchmarks/archetypes.py`)."""
CANCELLED = 0.3
"""A variance from E[s^2] - mu^2 below this share of E[s^2] has lost too much to rounding."""


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
    return by_completeness(lambda mean, deviation: selected_signal(signal, mean, deviation, alpha), opinions, weights)


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
    return Products(jnp.concatenate([apart, apart * apart, present], axis=1).T, mean + opinions.middle, complete(opinions))


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
    # The conditional also keeps the product out of the loops that use it, as in `by_completeness`.
    return lax.cond(trusted.all(), lambda: ranking, lambda: jnp.where(trusted, ranking, jnp.nan))


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
