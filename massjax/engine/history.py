"""The daily RankIC of fixed candidates over a whole history, block of dates by block, so that memory does not grow with its length."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from massjax.engine.blocks import BLOCK_CELLS, AnyScores, by_date
from massjax.engine.evaluation import window_rank_ic
from massjax.engine.inputs import Missing, SignalName
from massjax.engine.windows import prepare_window


def history_rank_ic(
    scores: AnyScores,
    member: Bool[ArrayLike, "N T"],
    forward_returns: Float[ArrayLike, "N T"],
    weights: Float[ArrayLike, "P K"],
    *,
    alpha: float | Float[ArrayLike, ""],
    signal: SignalName,
    missing: Missing,
) -> Float[np.ndarray, "P T"]:
    """RankIC of each candidate on each date, in float32; NaN on dates on which the signal or the return is constant or unknown.

    Args:
        scores: NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: NaN where unknown.
        weights: positive or 0, of candidates that are the same on every date.
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks.
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
    """
    archetypes, stocks, dates = scores.shape
    together = min(max(1, BLOCK_CELLS // max(archetypes * stocks, 1)), dates)
    found = np.empty((np.shape(weights)[0], dates), np.float32)
    history, known = by_date(scores), [np.asarray(values) for values in (member, forward_returns)]
    candidates, share = np.asarray(weights, np.float32), np.asarray(alpha, np.float32)
    for start in range(0, dates, together):
        rows = np.minimum(np.arange(start, start + together), dates - 1)
        block = np.moveaxis(history[rows], 0, 2), *(values[..., rows] for values in known)
        found[:, rows] = _block_rank_ic(*block, candidates, share, signal, missing)
    return found


@partial(jax.jit, static_argnames=("signal", "missing"))
def _block_rank_ic(
    scores: Float[Array, "K N B"],
    member: Bool[Array, "N B"],
    forward_returns: Float[Array, "N B"],
    weights: Float[Array, "P K"],
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
) -> Float[Array, "P B"]:
    window = prepare_window(scores.astype(jnp.float32), member, forward_returns.astype(jnp.float32), missing)
    return window_rank_ic(window, weights, alpha, signal)
