"""Rank products of many candidates on a CPU, by kernels that numba compiles and XLA calls (needs `massjax[numba]`).

XLA keeps the signals of a tile in memory between its loops and has neither a sort nor a count of ranks that uses a processor's vectors to
the full. These kernels hold `COLUMNS` candidates side by side in vector registers and go from scores to rank products without leaving
the nearest cache.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from massjax.engine.cpu import COLUMNS
from massjax.engine.inputs import SignalName
from massjax.engine.opinions import Opinions
from massjax.engine.ranks import Returns

COMPILED_UP_TO = 2**15
"""Stocks up to which a signal and a stock's place fit into one sorting key of 32 bits."""
COMPILED_TILE = 128
"""Candidates whose signals one matrix product computes, where there are so many archetypes that it is faster."""

RankProducts: TypeAlias = tuple[Float[Array, "D P"], Float[Array, "D P"], Float[Array, "D P"]]


@cache
def available() -> bool:
    """Whether the compiled kernels can be used: JAX runs on a CPU and numba is installed."""
    return jax.default_backend() == "cpu" and find_spec("numba") is not None


def evaluated_products(
    opinions: Opinions, returns: Returns, weights: Float[Array, "K P"], alpha: Float[Array, ""], signal: SignalName
) -> RankProducts:
    """`sum_n q[n] r[n]`, `sum_n q[n]^2` and `sum_n r[n]^2` of each date and candidate, from scores and weights.

    q and r are the rank sums of the signal (`massjax.engine.signals.ranking_signal`) and of the return over the stocks that have both,
    with average ranks on ties; the first sum over the root of the product of the others is Spearman's correlation.

    Args:
        opinions: the scores of D dates.
        returns: the ranked forward returns of those dates.
        weights: positive or 0, the largest of each candidate near 1 (see `massjax.engine.opinions.balance`).
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks.

    Returns:
        The three sums, [D, P] each.
    """
    archetypes, candidates = weights.shape
    shares = (
        jnp.stack([alpha, 1.0 - alpha]) if signal == "combined" else jnp.array([signal == "mean", signal == "disagreement"], jnp.float32)
    )
    dates = (opinions.scores, opinions.around, opinions.present, opinions.middle, opinions.agreement)
    tiles = _filled_up(weights).reshape(archetypes, -1, COLUMNS)
    data = (*dates, returns.ranks, returns.common.astype(jnp.uint8), jnp.moveaxis(tiles, 1, 0).reshape(-1, COLUMNS), shares)
    covariance, square, spread = _call(_evaluation(), 3, len(returns.ranks), candidates, *data)
    return covariance, square, spread


def ranked_covariance(signal: Float[Array, "R P"], returns: Returns) -> tuple[Float[Array, "D P"], Float[Array, "D P"]]:
    """`sum_n q[n] r[n]` and `sum_n q[n]^2` of each date and candidate, q and r the rank sums of signal and return, average ranks on ties.

    Args:
        signal: R = N D rows, the D dates of the first stock, then those of the second, and so on; NaN where there is none.
        returns: the ranked forward returns of those dates.

    Returns:
        The two sums, [D, P] each; the first is NaN where a stock that is expected to have a signal has none.
    """
    data = (_filled_up(signal), returns.ranks, returns.common.astype(jnp.uint8))
    covariance, square = _call(_ranking(), 2, len(returns.ranks), signal.shape[1], *data)
    return covariance, square


def _filled_up(values: Float[Array, "R P"]) -> Float[Array, "R Q"]:
    """Candidates padded to a multiple of `COLUMNS` by repeating the last one."""
    return jnp.pad(values, ((0, 0), (0, -values.shape[1] % COLUMNS)), mode="edge")


def _call(operation: str, results: int, dates: int, candidates: int, *data: Array) -> list[Float[Array, "D P"]]:
    """The results [dates, candidates] of a registered operation, for arguments converted to the float32 that it reads."""
    shape = jax.ShapeDtypeStruct((dates, candidates + -candidates % COLUMNS), jnp.float32)
    single = (values.astype(jnp.float32) if jnp.issubdtype(values.dtype, jnp.floating) else values for values in data)
    found = jax.ffi.ffi_call(operation, (shape,) * results, vmap_method="sequential")(*single)
    return [values[:, :candidates] for values in found]


@cache
def _evaluation() -> str:
    """Compile the kernel from scores to rank products and register it with XLA, once a process; returns the name of the operation."""
    from massjax.engine.cpu import column_signals, ffi

    ffi.register("massjax_evaluated_products", column_signals.handler)
    return "massjax_evaluated_products"


@cache
def _ranking() -> str:
    """Compile the kernel from signals to rank products and register it with XLA, once a process; returns the name of the operation."""
    from massjax.engine.cpu import column_ranks, ffi

    ffi.register("massjax_ranked_covariance", column_ranks.handler)
    return "massjax_ranked_covariance"
