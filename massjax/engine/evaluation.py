"""The fitness of agent distributions: mean RankIC over a look-back window, for many candidates at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from massjax.engine.cpu.compiled import COMPILED_TILE, COMPILED_UP_TO, available, evaluated_products, ranked_covariance
from massjax.engine.devices import gathered, spread_candidates
from massjax.engine.inputs import (
    MISSING,
    Missing,
    OwnSignal,
    SignalName,
    check_alpha,
    check_choice,
    check_inputs,
    check_weights,
    in_float32,
)
from massjax.engine.opinions import Opinions, balance
from massjax.engine.own_signal import check_signal
from massjax.engine.pairs import pair_covariance, pair_gains
from massjax.engine.ranks import PAIRS_UP_TO, Returns, correlation, rank_correlation
from massjax.engine.signals import PRODUCT_FROM, prepare_products, product_signal, ranking_signal
from massjax.engine.sorting import SORTED_TILE, sorted_covariance
from massjax.engine.windows import Window, as_rows, in_blocks, prepare_window
from massjax.labels import check_labels

CPU_TILE = 256
"""Candidates evaluated together on a CPU where pairs are compared: what is read again stays in a core's caches (`benchmarks/kernel.py`)."""
ACCELERATOR_BYTES = 1 << 28
"""Bytes of signals held together on an accelerator, which is fastest with as many candidates at once as fit."""
CHECKED_TOGETHER = 32
"""Candidates ranked again together by the exact method, where stocks tie by coincidence."""


Ranking: TypeAlias = Literal["pairs", "compiled", "network"]
"""A method to rank stocks: all pairs compared, the sort that numba compiles for a CPU, or a sorting network."""


@in_float32
def fitness(
    scores: Float[ArrayLike, "K N D"],
    member: Bool[ArrayLike, "N D"],
    forward_returns: Float[ArrayLike, "N D"],
    weights: Float[ArrayLike, "P K"],
    *,
    alpha: float = 0.5,
    signal: SignalName | Callable[..., Any] = "combined",
    missing: Missing = "renormalize",
) -> Float[Array, " P"]:
    """Mean RankIC of each candidate agent distribution over the dates given, `1/|D'| * sum over D' of RankIC_t`.

    The RankIC of a date is Spearman's correlation, with average ranks on ties, of the signal of `massjax.aggregate` and the forward
    return over the members that have both (the fitness of MASS's backward optimization, arXiv 2505.10278). Dates on which either is
    constant over those members are skipped: their RankIC is NaN, not 0. Ranks have no gradient: `massjax.GradientSearch` climbs a smooth
    stand-in.

    Everything is computed in float32, whatever the type of the input or `jax_enable_x64`: scores that differ by less than about 6e-8 of
    their size tie, and a mean over dates is good to about 1e-6. The reports of a run correlate the ranks of such signals in float64.

    Frames of pandas and polars and arrays of xarray are taken by position, after their labels were found to agree.

    Args:
        scores: [archetypes K, stocks N, dates D]; NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: return from the first price one can trade at after each date; NaN leaves the stock out on that date.
        weights: [candidates P, archetypes K], >= 0; only ratios matter.
        alpha: share of the mean in the combined signal, in [0, 1].
        signal: which of `combined`, `mean` and `disagreement` ranks the stocks (MASS's code: `disagreement`), or a function of your own
            from the scores [K, N] and weights [K] of one date to a number a stock (docs/own_search.md).
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0, as MASS does for stocks that nobody looked at.

    Returns:
        [P] in float32, each in [-1, 1]; NaN where no date is left.

    Raises:
        DataError: arrays that do not fit together, labels that disagree, infinite values, or invalid weights.
        ConfigError: an unknown `signal` or `missing`, or an alpha outside [0, 1].

    Example:
        Two archetypes, the first of which orders three stocks as they returned afterwards:

        >>> import numpy as np, massjax as mj
        >>> scores = np.array([[[0.1], [0.5], [0.9]], [[0.7], [0.2], [0.1]]])
        >>> returns, member = np.array([[-0.02], [0.0], [0.03]]), np.ones((3, 1), bool)
        >>> mj.fitness(scores, member, returns, np.array([[1.0, 0.0], [0.0, 1.0]]), signal="mean").round(3).tolist()
        [1.0, -1.0]

        It runs under `jax.jit`, here for a thousand candidates at once:

        >>> import jax
        >>> candidates = jax.random.dirichlet(jax.random.key(0), np.ones(2), (1000,))
        >>> jax.jit(lambda w: mj.fitness(scores, member, returns, w, signal="mean"))(candidates).shape
        (1000,)
    """
    check_choice("missing", missing, MISSING)
    check_labels(scores=scores, member=member, forward_returns=forward_returns, weights=weights)
    inputs = check_inputs(scores, member, forward_returns)
    signal = check_signal("signal", signal, inputs[0].shape[0])
    return _fitness(*inputs, check_weights(weights, inputs[0].shape[0]), check_alpha(alpha), signal, missing)


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
    return gathered(window_fitness(prepare_window(scores, member, forward_returns, missing), weights, alpha, signal))


def window_fitness(window: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, " P"]:
    """Mean RankIC of each candidate over a prepared window; pure, to be called under `jax.jit`.

    It is `massjax.fitness` without the preparation and the checks, for searches that evaluate one window many times. Candidates and dates
    are taken in tiles that fit a cache. A candidate's result depends neither on the other candidates nor on tiles and devices.

    Args:
        window: of `prepare_window`.
        weights: positive or 0.
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks.

    Returns:
        [P]; NaN where every date is skipped.
    """
    return spread_candidates(lambda weights, window, alpha: _mean_rank_ic(window, weights, alpha, signal), weights, window, alpha)


def _mean_rank_ic(window: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, " P"]:
    def one_block(sums: tuple[Array, Array], block: Window) -> tuple[tuple[Array, Array], None]:
        daily = block_rank_ic(block, weights, alpha, signal)
        counted = ~jnp.isnan(daily)
        total, days = jnp.where(counted, daily, 0.0).sum(0), counted.astype(jnp.float32).sum(0)
        return (sums[0] + total, sums[1] + days), None

    nothing = jnp.zeros(len(weights), jnp.float32)
    (total, days), _ = lax.scan(one_block, (nothing, nothing), in_blocks(window))
    return jnp.where(days > 0, total / jnp.maximum(days, 1.0), jnp.nan)


def window_rank_ic(window: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, "P D"]:
    """RankIC of each candidate on each date of a prepared window; pure, to be called under `jax.jit`.

    Its mean over the dates that are not skipped is `window_fitness`, to rounding.

    Args:
        window: of `prepare_window`.
        weights: positive or 0.
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks.

    Returns:
        In [-1, 1]; NaN on dates that are skipped.
    """

    def daily(weights: Float[Array, "P K"], window: Window, alpha: Float[Array, ""]) -> Float[Array, "P D"]:
        by_block = lax.map(lambda block: block_rank_ic(block, weights, alpha, signal), in_blocks(window))
        return by_block.reshape(-1, len(weights))[: window.dates].T

    return spread_candidates(daily, weights, window, alpha)


def block_rank_ic(block: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, "B P"]:
    """RankIC of each date of a block and each candidate; NaN on dates that are skipped.

    The platform that the program is lowered for decides how candidates are ranked and how many at once, not the one that lowers it: what
    numba compiles is for a CPU.
    """
    if isinstance(signal, OwnSignal):
        return _own_rank_ic(block, weights, alpha, signal)
    here, portable = ranking_method(block.stocks), portable_method(block.stocks)
    if here == "compiled" and weights.shape[1] < PRODUCT_FROM:
        on_cpu = partial(_compiled_rank_ic, signal=signal)
    else:
        on_cpu = partial(_rank_ic, signal=signal, method=here, tile=TILES[here])
    elsewhere = partial(_rank_ic, signal=signal, method=portable, tile=accelerator_tile(block.stocks, block.dates, portable))
    return lax.platform_dependent(block, weights, alpha, cpu=on_cpu, default=elsewhere)


def _own_rank_ic(block: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, "B P"]:
    """RankIC by a signal of one's own: a date and a tile of candidates at a time, with every tie and every missing signal."""
    candidates = len(weights)
    tiles = in_tiles(weights, max(1, min(candidates, CPU_TILE)))

    def one_date(date: tuple[Opinions, Returns]) -> Float[Array, " P"]:
        daily = lax.map(lambda tile: rank_correlation(ranking_signal(date[0], balance(tile).T, alpha, signal), date[1]), tiles)
        return daily.reshape(-1)[:candidates]

    return lax.map(one_date, (block.opinions, block.returns))


def _compiled_rank_ic(block: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, "B P"]:
    return correlation(*evaluated_products(block.opinions, block.returns, balance(weights).T, alpha, signal))


def _rank_ic(
    block: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName, method: Ranking, tile: int
) -> Float[Array, "B P"]:
    """RankIC of each date of a block and each candidate, from signals that XLA computes, ranked by the method named, a tile at a time."""
    covariance, square = _covariance(block, weights, alpha, signal, method, tile)
    daily = correlation(covariance, square, jnp.sum(block.returns.ranks**2, axis=1, keepdims=True))

    def exact(which: Int[Array, " C"]) -> Float[Array, "B C"]:
        return _exact_rank_ic(block, balance(weights[which]).T, alpha, signal)

    return _replace_marked(daily, jnp.isnan(covariance).any(0), exact)


def _covariance(
    block: Window, weights: Float[Array, "P K"], alpha: Float[Array, ""], signal: SignalName, method: Ranking, tile: int
) -> tuple[Float[Array, "B P"], Float[Array, "B P"]]:
    """`sum q r` and `sum q^2` of signal and return ranks, tile by tile; the first NaN for candidates that need `_exact_rank_ic`."""
    candidates = len(weights)
    signal_of, covariance_of = signal_method(block, alpha, signal), RANKING[method](block)
    tiles = in_tiles(weights, max(1, min(candidates, tile)))
    covariance, square = lax.map(lambda tile: covariance_of(signal_of(balance(tile).T)), tiles)
    covariance, square = (jnp.moveaxis(values, 0, 1).reshape(block.dates, -1)[:, :candidates] for values in (covariance, square))
    return covariance, square


def signal_method(block: Window, alpha: Float[Array, ""], signal: SignalName) -> Callable[[Float[Array, "K tile"]], Array]:
    """How signals are computed from weights: archetype by archetype, or for many archetypes by a matrix product, NaN where not exact."""
    if block.opinions.scores.shape[1] < PRODUCT_FROM:
        rows = as_rows(block.opinions)
        return lambda tile: ranking_signal(rows, tile, alpha, signal)
    products = prepare_products(as_rows(block.opinions)) if block.products is None else block.products
    return lambda tile: product_signal(products, tile, alpha, signal)


def count_pairs(block: Window) -> Callable[[Float[Array, "R tile"]], tuple[Array, Array]]:
    """Rank covariance per date by comparing all pairs of stocks; used up to `PAIRS_UP_TO` stocks where numba cannot be.

    Returns:
        From the signal of rows [R, tile] to `sum q r` and `sum q^2`, [B, tile] each; NaN in the first where stocks tie by coincidence.
    """
    gains, square = pair_gains(block.equal), block.equal.square[:, None]
    return lambda signal: (pair_covariance(signal, gains), jnp.broadcast_to(square, (block.dates, signal.shape[1])))


def sort_stocks(block: Window) -> Callable[[Float[Array, "R tile"]], tuple[Array, Array]]:
    """Rank covariance per date by a bitonic sorting network, one date at a time; used above `PAIRS_UP_TO` stocks where numba cannot be.

    Returns:
        From the signal of rows [R, tile] to `sum q r` and `sum q^2`, [B, tile] each; NaN in the first where a signal is missing.
    """

    def method(signal: Float[Array, "R tile"]) -> tuple[Array, Array]:
        by_date = jnp.moveaxis(signal.reshape(block.stocks, block.dates, -1), 1, 0)
        return lax.map(lambda date: sorted_covariance(*date), (by_date, block.returns))

    return method


def call_kernel(block: Window) -> Callable[[Float[Array, "R tile"]], tuple[Array, Array]]:
    """Rank covariance per date by the sort that numba compiles; used on a CPU with numba, up to `COMPILED_UP_TO` stocks.

    Returns:
        From the signal of rows [R, tile] to `sum q r` and `sum q^2`, [B, tile] each; NaN in the first where a signal is missing.
    """
    return lambda signal: ranked_covariance(signal, block.returns)


RANKING = {"pairs": count_pairs, "compiled": call_kernel, "network": sort_stocks}
TILES = {"pairs": CPU_TILE, "compiled": COMPILED_TILE, "network": SORTED_TILE}


def ranking_method(stocks: int) -> Ranking:
    """The fastest method to rank so many stocks on this machine with what is installed (measured by `benchmarks/universe.py`)."""
    return "compiled" if stocks <= COMPILED_UP_TO and available() else portable_method(stocks)


def portable_method(stocks: int) -> Ranking:
    """The fastest method to rank so many stocks that any platform can run."""
    return "pairs" if stocks <= PAIRS_UP_TO else "network"


def _replace_marked(
    daily: Float[Array, "B P"], marked: Bool[Array, " P"], exact: Callable[[Int[Array, " C"]], Float[Array, "B C"]]
) -> Float[Array, "B P"]:
    """`daily` with the marked candidates evaluated by `exact`, `CHECKED_TOGETHER` at a time until none is left."""
    together = min(CHECKED_TOGETHER, len(marked))

    def some(state: tuple[Array, Array]) -> tuple[Array, Array]:
        daily, left = state
        chosen, which = lax.top_k(left.astype(jnp.float32), together)
        found = jnp.where(chosen > 0, exact(which), daily[:, which])
        return daily.at[:, which].set(found), left.at[which].set(False)

    return lax.while_loop(lambda state: state[1].any(), some, (daily, marked))[0]


def _exact_rank_ic(block: Window, weights: Float[Array, "K C"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, "B C"]:
    """RankIC of each date and candidate by ranking signals and returns anew, with every tie and every missing signal; slower."""
    ranking = ranking_signal(as_rows(block.opinions), weights, alpha, signal).reshape(block.stocks, block.dates, -1)
    return lax.map(lambda date: rank_correlation(*date), (jnp.moveaxis(ranking, 1, 0), block.returns))


def in_tiles(weights: Float[Array, "P K"], tile: int) -> Float[Array, "tiles tile K"]:
    """Candidates split into tiles, the last one padded by repeating the last candidate."""
    candidates, archetypes = weights.shape
    tiles = -(-candidates // tile)
    padded = jnp.concatenate([weights, jnp.broadcast_to(weights[-1:], (tiles * tile - candidates, archetypes))])
    return padded.reshape(tiles, tile, archetypes)


def accelerator_tile(stocks: int, dates: int, method: Ranking) -> int:
    """Candidates of a block of dates evaluated together on an accelerator: as many as fit into `ACCELERATOR_BYTES` of its memory."""
    tile = TILES[method]
    return max(tile, ACCELERATOR_BYTES // (4 * max(stocks * dates, 1)) // tile * tile)
