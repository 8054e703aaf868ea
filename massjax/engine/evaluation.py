"""The fitness of agent distributions: mean RankIC over a look-back window, for many candidates at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float

from massjax.engine.inputs import (
    MISSING,
    SIGNALS,
    Missing,
    SignalName,
    check_alpha,
    check_choice,
    check_member,
    check_panel,
    check_scores,
    check_weights,
)
from massjax.engine.ranks import Returns, rank_correlation, rank_returns
from massjax.engine.signals import Opinions, balance, choose, moments, prepare_opinions

TILE_BYTES = 1 << 15
"""Signals of one date held at a time: a tile of candidates that stays in a core's cache."""
SMALLEST_TILE, LARGEST_TILE = 16, 512


class Window(NamedTuple):
    """A look-back window ready for many candidates; the pytree that every search evaluates on.

    Attributes:
        opinions: the archetypes' scores.
        returns: the forward returns of the members, ranked.
    """

    opinions: Opinions
    returns: Returns

    @property
    def stocks(self) -> int:
        """Number of stocks N, members or not."""
        return self.returns.values.shape[-1]


def fitness(
    scores: Float[ArrayLike, "K N D"],
    member: Bool[ArrayLike, "N D"],
    forward_returns: Float[ArrayLike, "N D"],
    weights: Float[ArrayLike, "P K"],
    *,
    alpha: float = 0.5,
    signal: SignalName = "combined",
    missing: Missing = "renormalize",
) -> Float[Array, " P"]:
    """Mean RankIC of each candidate agent distribution over the dates given.

    On each date the signal of `massjax.aggregate` and the forward return are rank-correlated (Spearman, average ranks on ties) over
    the members that have both. Dates on which either is constant over those members are skipped.

    Args:
        scores: [archetypes K, stocks N, dates D]; NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: return from the first price one can trade at after each date; NaN leaves the stock out on that date.
        weights: [candidates P, archetypes K], >= 0; only ratios matter.
        alpha: share of the mean in the combined signal.
        signal: which of `combined`, `mean` and `disagreement` ranks the stocks (MASS's code: `disagreement`).
        missing: see `massjax.aggregate`.

    Returns:
        [P], each in [-1, 1]; NaN where no date is left.

    Raises:
        DataError: arrays that do not fit together, infinite values, or invalid weights.
        ConfigError: an unknown `signal` or `missing`, or an alpha outside [0, 1].
    """
    check_choice("signal", signal, SIGNALS)
    check_choice("missing", missing, MISSING)
    checked = check_scores(scores)
    checked_member, checked_returns = check_member(member, checked), check_panel("forward_returns", forward_returns, checked)
    candidates = check_weights(weights, checked.shape[0])
    return _fitness(checked, checked_member, checked_returns, candidates, check_alpha(alpha), signal, missing)


@partial(jax.jit, static_argnames=("signal", "missing"))
def _fitness(
    scores: Float[Array, "K N D"],
    member: Bool[Array, "N D"],
    forward_returns: Float[Array, "N D"],
    weights: Float[Array, "P K"],
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
) -> Float[Array, " P"]:
    return evaluate(prepare_window(scores, member, forward_returns, missing), weights, alpha, signal)


def prepare_window(
    scores: Float[Array, "K N D"], member: Bool[Array, "N D"], forward_returns: Float[Array, "N D"], missing: Missing
) -> Window:
    """Everything about a window that does not depend on the candidate."""
    opinions = prepare_opinions(scores, member, missing)
    known = jnp.where(member, forward_returns, jnp.nan).T
    return Window(opinions, rank_returns(known, opinions.present.max(axis=1) > 0))


def evaluate(window: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, " P"]:
    """Mean RankIC of each candidate, a cache-sized tile of candidates at a time; pure, to be called under `jax.jit`.

    Returns:
        [P]; NaN where every date is skipped.
    """
    return in_tiles(lambda tile: _mean_over_dates(daily_rank_ic(window, tile, alpha, signal)), weights, window.stocks)


def daily_rank_ic(window: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, "D P"]:
    """RankIC of each date and candidate; NaN on dates that are skipped."""
    lanes = balance(weights).T
    together = dates_together(window.stocks, window.returns.values.shape[0], len(weights))

    def some_dates(dates: Window) -> Float[Array, "G P"]:
        mean, deviation = jax.vmap(moments, in_axes=(0, None))(dates.opinions, lanes)
        return rank_correlation(choose(signal, mean, deviation, alpha), dates.returns)

    grouped = jax.tree.map(lambda leaf: leaf.reshape(-1, together, *leaf.shape[1:]), window)
    return lax.map(some_dates, grouped).reshape(-1, len(weights))


def dates_together(stocks: int, dates: int, candidates: int) -> int:
    """Dates evaluated at once: the largest divisor of their number whose signals fit `TILE_BYTES`; small ones would be all overhead."""
    fitting = max(1, TILE_BYTES // (4 * max(stocks * candidates, 1)))
    return next(count for count in range(min(fitting, dates), 0, -1) if dates % count == 0)


def in_tiles(function: Callable[[Array], Array], weights: Float[Array, "P K"], stocks: int) -> Array:
    """Map `function` over tiles of candidates, so that memory does not grow with their number.

    The candidates of a tile do not see each other: results do not depend on the tiling.
    """
    candidates, archetypes = weights.shape
    tile = tile_size(candidates, stocks)
    tiles = -(-candidates // tile)
    padded = jnp.concatenate([weights, jnp.ones((tiles * tile - candidates, archetypes), weights.dtype)])
    results = lax.map(function, padded.reshape(tiles, tile, archetypes))
    return results.reshape(tiles * tile, *results.shape[2:])[:candidates]


def tile_size(candidates: int, stocks: int) -> int:
    """Candidates evaluated together: as many as `TILE_BYTES` of signals hold, a multiple of the smallest tile."""
    fitting = TILE_BYTES // (4 * max(stocks, 1)) // SMALLEST_TILE * SMALLEST_TILE
    return min(candidates, max(SMALLEST_TILE, min(LARGEST_TILE, fitting)))


def _mean_over_dates(daily: Float[Array, "D P"]) -> Float[Array, " P"]:
    counted = ~jnp.isnan(daily)
    days = counted.sum(0).astype(jnp.float32)
    return jnp.where(days > 0, jnp.where(counted, daily, 0.0).sum(0) / jnp.maximum(days, 1.0), jnp.nan)
