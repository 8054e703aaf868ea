"""Covariance of signal ranks and return ranks by a bucket sort compiled with numba, where it is installed (`massjax[numba]`).

Neither XLA's sort nor a sorting network in JAX comes near what a sort can do on a CPU. Here the range of a signal is cut into four times
as many buckets as there are stocks: placing a stock is one multiplication, which keeps the order, and what shares a bucket is put in
order by insertion. Should the buckets fill too unevenly for that, a merge sort takes over.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from massjax.engine.ranks import Returns

BUCKETED_FROM = 128
"""Stocks from which this beats comparing all pairs (measured by `benchmarks/universe.py`)."""
BUCKETED_TILE = 64
"""Candidates evaluated together."""
LANES = 8
"""Candidates are padded to a multiple of it."""


@cache
def available() -> bool:
    """Whether the method can be had here: on a CPU, with numba."""
    return jax.default_backend() == "cpu" and find_spec("numba") is not None


def bucketed_covariance(signal: Float[Array, "N*D P"], returns: Returns) -> tuple[Float[Array, "D P"], Float[Array, "D P"]]:
    """`sum_n q[n] r[n]` and `sum_n q[n]^2`, with q and r the rank sums of signal and return, average ranks on ties.

    Args:
        signal: of rows, the dates of a stock below each other; NaN where there is none.
        returns: of the dates.

    Returns:
        Both for each date and candidate; the first NaN where a stock that is expected to have a signal has none.
    """
    candidates = signal.shape[1]
    padded = jnp.pad(signal, ((0, 0), (0, -candidates % LANES)), mode="edge")
    shape = jax.ShapeDtypeStruct((len(returns.ranks), padded.shape[1]), jnp.float32)
    call = jax.ffi.ffi_call(_operation(), (shape, shape), vmap_method="sequential")
    covariance, square = call(padded, returns.ranks, returns.common.astype(jnp.uint8))
    return covariance[:, :candidates], square[:, :candidates]


@cache
def _operation() -> str:
    """Compile and register the operation, once a process; its name."""
    from massjax.engine import bucket_sort, foreign

    foreign.register("massjax_bucketed_covariance", bucket_sort.handler)
    return "massjax_bucketed_covariance"
