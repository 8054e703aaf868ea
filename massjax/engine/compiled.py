"""Evaluation on a CPU by kernels that numba compiles, called from within XLA, where numba is installed (`massjax[numba]`).

XLA keeps the signals of a tile in memory between its loops and has neither a sort nor a count of ranks that uses a processor's vectors to
the full. The kernels hold a few candidates side by side in vector registers and go from scores to rank products without leaving the
nearest cache.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from massjax.engine.inputs import SignalName
from massjax.engine.ranks import Returns
from massjax.engine.signals import Opinions

COMPILED_UP_TO = 2**15
"""Stocks up to which a signal and a stock's place go into one key."""
LANES = 32
"""Candidates side by side; their number is filled up to a multiple of it."""
COMPILED_TILE = 128
"""Candidates whose signals come from a matrix product at a time."""


@cache
def available() -> bool:
    """Whether the kernels can be had here: on a CPU, with numba."""
    return jax.default_backend() == "cpu" and find_spec("numba") is not None


def evaluated_covariance(
    opinions: Opinions, returns: Returns, weights: Float[Array, "K P"], alpha: Float[Array, ""], signal: SignalName
) -> tuple[Float[Array, "D P"], Float[Array, "D P"]]:
    """As `ranked_covariance`, of the signal of `massjax.engine.signals.ranking_signal`.

    Args:
        opinions: of the dates.
        returns: of the dates.
        weights: positive or 0, the largest of each candidate near 1 (see `balance`).
    """
    archetypes, candidates = weights.shape
    shares = (
        jnp.stack([alpha, 1.0 - alpha]) if signal == "combined" else jnp.array([signal == "mean", signal == "disagreement"], jnp.float32)
    )
    dates = (opinions.scores, opinions.around, opinions.present, opinions.middle, opinions.agreement)
    tiles = _filled_up(weights).reshape(archetypes, -1, LANES)
    data = (*dates, returns.ranks, returns.common.astype(jnp.uint8), jnp.moveaxis(tiles, 1, 0).reshape(-1, LANES), shares)
    return _call(_evaluation(), len(returns.ranks), candidates, *data)


def ranked_covariance(signal: Float[Array, "N*D P"], returns: Returns) -> tuple[Float[Array, "D P"], Float[Array, "D P"]]:
    """`sum_n q[n] r[n]` and `sum_n q[n]^2`, with q and r the rank sums of signal and return, average ranks on ties.

    Args:
        signal: of rows, the dates of a stock below each other; NaN where there is none.
        returns: of the dates.

    Returns:
        Both for each date and candidate; the first NaN where a stock that is expected to have a signal has none.
    """
    return _call(_ranking(), len(returns.ranks), signal.shape[1], _filled_up(signal), returns.ranks, returns.common.astype(jnp.uint8))


def _filled_up(columns: Float[Array, "R P"]) -> Float[Array, "R Q"]:
    """The last column again, up to a multiple of `LANES`."""
    return jnp.pad(columns, ((0, 0), (0, -columns.shape[1] % LANES)), mode="edge")


def _call(operation: str, dates: int, candidates: int, *data: Array) -> tuple[Float[Array, "D P"], Float[Array, "D P"]]:
    shape = jax.ShapeDtypeStruct((dates, candidates + -candidates % LANES), jnp.float32)
    covariance, square = jax.ffi.ffi_call(operation, (shape, shape), vmap_method="sequential")(*data)
    return covariance[:, :candidates], square[:, :candidates]


@cache
def _evaluation() -> str:
    """Compile and register the operation, once a process; its name."""
    from massjax.engine import foreign, lane_signals

    foreign.register("massjax_evaluated_covariance", lane_signals.handler)
    return "massjax_evaluated_covariance"


@cache
def _ranking() -> str:
    """Likewise."""
    from massjax.engine import foreign, lane_ranks

    foreign.register("massjax_ranked_covariance", lane_ranks.handler)
    return "massjax_ranked_covariance"
