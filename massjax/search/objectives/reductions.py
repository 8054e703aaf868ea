"""From the RankIC of each day to one number: mean, shrunk mean, median of blocks, worst fold; differentiable almost everywhere.

Blocks and folds are successive stretches of the dates on which returns can be ranked, the same for every candidate. A day on which a
candidate ranks nothing is left out of its stretch, and a stretch without a day that counts is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def mean_of_days(daily: Float[Array, "P D"]) -> Float[Array, " P"]:
    """Mean over the days that are not NaN; NaN where all are.

    Args:
        daily: a correlation a day.
    """
    counted = ~jnp.isnan(daily.T)
    days = counted.astype(jnp.float32).sum(axis=0)
    return jnp.where(days > 0, jnp.where(counted, daily.T, 0.0).sum(axis=0) / jnp.maximum(days, 1.0), jnp.nan)


def stretches(usable: Bool[Array, " D"], blocks: int) -> Bool[Array, "B D"]:
    """Which dates belong to which of `blocks` successive stretches of the usable ones, whose lengths differ by one at most.

    Args:
        usable: dates on which returns can be ranked. Where there are fewer than `blocks`, a stretch is one date or none.
        blocks: how many, B.
    """
    place = jnp.cumsum(usable.astype(jnp.int32)) - 1
    block = place * blocks // jnp.maximum(place[-1:] + 1, 1)
    return usable[None, :] & (block[None, :] == jnp.arange(blocks, dtype=jnp.int32)[:, None])


def means_of_stretches(daily: Float[Array, "P D"], members: Bool[Array, "B D"]) -> Float[Array, "B P"]:
    """Mean of each stretch over its days that are not NaN; NaN where there is none.

    Args:
        daily: a correlation a day.
        members: of `stretches`.
    """
    counted = members[:, :, None] & ~jnp.isnan(daily.T)[None]
    days = counted.astype(jnp.float32).sum(axis=1)
    return jnp.where(days > 0, jnp.where(counted, daily.T[None], 0.0).sum(axis=1) / jnp.maximum(days, 1.0), jnp.nan)


def shrunk_mean(daily: Float[Array, "P D"], members: Bool[Array, "B D"]) -> Float[Array, " P"]:
    r"""The mean m, shrunk towards 0 by its own standard error e: `m * m^2 / (m^2 + e^2)`.

    It is the estimate of least expected squared error among multiples of m, with m in place of the unknown truth (Thompson 1968, "Some
    shrinkage techniques for estimating the mean", JASA 63); where m is many errors away from 0 it is that of James and Stein (1961),
    `m (1 - e^2 / m^2)`, but it has no plateau on which a search would be blind. The error is that of the mean of B stretches
    (batch means), `e^2 = sum_b (m_b - mean(m_b))^2 / (B (B - 1))`, which holds where daily values overlap and stretches are longer.

    Args:
        daily: a correlation a day.
        members: of `stretches`.

    Returns:
        NaN where fewer than two stretches have a day that counts.
    """
    mean, means = mean_of_days(daily), means_of_stretches(daily, members)
    known = ~jnp.isnan(means)
    count = known.astype(jnp.float32).sum(axis=0)
    middle = jnp.where(known, means, 0.0).sum(axis=0) / jnp.maximum(count, 1.0)
    square = jnp.where(known, (means - middle[None, :]) ** 2, 0.0).sum(axis=0) / jnp.maximum(count * (count - 1.0), 1.0)
    whole = mean**2 + square
    return jnp.where(count > 1, mean * mean**2 / jnp.where(whole == 0, 1.0, whole), jnp.nan)


def median_of_blocks(daily: Float[Array, "P D"], members: Bool[Array, "B D"]) -> Float[Array, " P"]:
    """The median of the means of the stretches: a few lucky stretches, or days of outliers, do not move it.

    The median of means of Nemirovski and Yudin (1983), whose error is that of the mean of normal data whatever the tails (Lugosi and
    Mendelson 2019, arXiv 1906.04280).

    Args:
        daily: a correlation a day.
        members: of `stretches`.

    Returns:
        NaN where no day counts.
    """
    means = means_of_stretches(daily, members)
    ordered, count = jnp.sort(means, axis=0), (~jnp.isnan(means)).sum(axis=0, keepdims=True)
    low, high = (jnp.take_along_axis(ordered, jnp.maximum(place, 0), axis=0)[0] for place in ((count - 1) // 2, count // 2))
    return 0.5 * (low + high)


def worst_fold(daily: Float[Array, "P D"], members: Bool[Array, "B D"]) -> Float[Array, " P"]:
    """The lowest of the means of the stretches: what a mix was worth in its worst time (maximin; Sagawa et al. 2020, arXiv 1911.08731).

    Args:
        daily: a correlation a day.
        members: of `stretches`.

    Returns:
        NaN where no day counts.
    """
    means = means_of_stretches(daily, members)
    known = ~jnp.isnan(means)
    return jnp.where(known.any(axis=0), jnp.where(known, means, jnp.inf).min(axis=0), jnp.nan)


REDUCTIONS: Mapping[str, Callable[[Float[Array, "P D"], Bool[Array, "B D"]], Float[Array, " P"]]] = MappingProxyType(
    {"shrunk_mean": shrunk_mean, "median_of_blocks": median_of_blocks, "worst_fold": worst_fold}
)
"""What is made of stretches of days, by the name a configuration gives it."""
