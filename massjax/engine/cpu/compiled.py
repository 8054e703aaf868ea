"""Evaluation on a CPU by kernels that numba compiles, called from within XLA, where numba is installed (`massjax[numba]`).

XLA keeps the signals of a tile in memory between its loops and has neither a sort nor a count of ranks that uses a processor's vectors to
the full. The kernels hold a few candidates side by side in vector registers and go from scores to rank products without leaving the
nearest cache.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from massjax.engine.cpu import LANES
from massjax.engine.inputs import SignalName
from massjax.engine.ranks import Returns
from massjax.engine.signals import Opinions

COMPILED_UP_TO = 2**15
"""Stocks up to which a signal and a stock's place go into one key."""
COMPILED_TILE = 128
"""Candidates whose signals come from a matrix product at a time."""

RankProducts: TypeAlias = tuple[Float[Array, "D P"], Float[Array, "D P"], Float[Array, "D P"]]


@cache
def available() -> bool:
    """Whether the kernels can be had here: on a CPU, with numba."""
    return jax.default_backend() == "cpu" and find_spec("numba") is not None


def evaluated_products(
    opinions: Opinions, returns: Returns, weights: Float[Array, "K P"], alpha: Float[Array, ""], signal: SignalName
) -> RankProducts:
    """`sum_n q[n] r[n]`, `sum_n q[n]^2` and `sum_n r[n]^2`, with q and r the rank sums of the signal of
    `massjax.engine.signals.ranking_signal` and of the return, over the stocks that have both; average ranks on ties.

    Args:
        opinions: of the dates.
        returns: of the dates.
        weights: positive or 0, the largest of each candidate near 1 (see `balance`).

    Returns:
        All three for each date and candidate.
    """
    archetypes, candidates = weights.shape
    shares = (
        jnp.stack([alpha, 1.0 - alpha]) if signal == "combined" else jnp.array([signal == "mean", signal == "disagreement"], jnp.float32)
    )
    dates = (opinions.scores, opinions.around, opinions.present, opinions.middle, opinions.agreement)
    tiles = _filled_up(weights).reshape(archetypes, -1, LANES)
    data = (*dates, returns.ranks, returns.common.astype(jnp.uint8), jnp.moveaxis(tiles, 1, 0).reshape(-1, LANES), shares)
    covariance, square, spread = _call(_evaluation(), 3, len(returns.ranks), candidates, *data)
    return covariance, square, spread


def ranked_covariance(signal: Float[Array, "N*D P"], returns: Returns) -> tuple[Float[Array, "D P"], Float[Array, "D P"]]:
    """The first two of `evaluated_products`, of a signal.

    Args:
        signal: of rows, the dates of a stock below each other; NaN where there is none.
        returns: of the dates.

    Returns:
        Both for each date and candidate; the first NaN where a stock that is expected to have a signal has none.
    """
    data = (_filled_up(signal), returns.ranks, returns.common.astype(jnp.uint8))
    covariance, square = _call(_ranking(), 2, len(returns.ranks), signal.shape[1], *data)
    return covariance, square


def _filled_up(columns: Float[Array, "R P"]) -> Float[Array, "R Q"]:
    """The last column again, up to a multiple of `LANES`."""
    return jnp.pad(columns, ((0, 0), (0, -columns.shape[1] % LANES)), mode="edge")


def _call(operation: str, results: int, dates: int, candidates: int, *data: Array) -> list[Float[Array, "D P"]]:
    """What the operation returns for float32 arguments, which are all it can read."""
    shape = jax.ShapeDtypeStruct((dates, candidates + -candidates % LANES), jnp.float32)
    single = (values.astype(jnp.float32) if jnp.issubdtype(values.dtype, jnp.floating) else values for values in data)
    found = jax.ffi.ffi_call(operation, (shape,) * results, vmap_method="sequential")(*single)
    return [values[:, :candidates] for values in found]


@cache
def _evaluation() -> str:
    """Compile and register the operation, once a process; its name."""
    from massjax.engine.cpu import column_signals as lane_signals, ffi as foreign

    foreign.register("massjax_evaluated_products", lane_signals.handler)
    return "massjax_evaluated_products"


@cache
def _ranking() -> str:
    """Likewise."""
    from massjax.engine.cpu import column_ranks as lane_ranks, ffi as foreign

    foreign.register("massjax_ranked_covariance", lane_ranks.handler)
    return "massjax_ranked_covariance"
