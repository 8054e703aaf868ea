"""Replicas pooled to types: the share of a type's attending replicas that picked a stock takes the place of the type's score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from massjax.engine.finite.replicas import draw_replicas

AT_ONCE = 1 << 23
"""Scores on the device at a time."""


class Watching(NamedTuple):
    """How much replicas looked at, over all types and all dates with members.

    Attributes:
        distinct: stocks on a watch list, a stock drawn twice counted once; the mean. None where that is not known.
        attending: replicas of a type that watch a member; the mean. None where that is not known.
        unseen: share of the types' members that no replica watched.
    """

    distinct: float | None
    attending: float | None
    unseen: float


def pool_some(
    scores: Float[np.ndarray, "K N T"],
    types: Sequence[int],
    member: Bool[np.ndarray, "N T"],
    days: Int[np.ndarray, " T"],
    *,
    seed: int,
    **drawing: Any,
) -> Watching:
    """`pool_replicas` of some types; the scores of the others are pooled picks already, and stay.

    Args:
        scores: of each type, overwritten where it is one of `types`.
        types: places of the types whose replicas pick by score. Without any it is not known how much replicas looked at, but for the
            members that none did.
        member, days, drawing: as `pool_replicas` takes them.
        seed: of the draws.
    """
    if not types:
        return Watching(None, None, float(np.isnan(scores[:, member]).mean()))
    key = jax.random.key(seed)
    if len(types) == len(scores):
        return pool_replicas(scores, member, days, key=key, **drawing)
    some = scores[list(types)]
    watching = pool_replicas(some, member, days, key=key, **drawing)
    scores[list(types)] = some
    return watching


def pool_replicas(
    scores: Float[np.ndarray, "K N T"],
    member: Bool[np.ndarray, "N T"],
    days: Int[np.ndarray, " T"],
    replicas: int,
    *,
    watchlist: int,
    picks: int,
    weights: Float[np.ndarray, "N T"] | None = None,
    replacement: bool = False,
    daily: bool = True,
    temperature: float = 0.0,
    key: Key[Array, ""],
) -> Watching:
    """Put the pooled scores of the replicas of each type in the place of its scores: picks / attending, NaN where no replica watched.

    The array is overwritten, some dates at a time, so that scores in a file are not held in memory; what is drawn does not depend on how
    many dates that are.

    Args:
        scores: of each type, overwritten.
        member: True where the stock is in the universe.
        days: whole number from 0 that tells each date from the others.
        replicas, watchlist, picks, weights, replacement, daily, temperature, key: as `draw_replicas` takes them.

    Raises:
        DataError, ConfigError: as `draw_replicas` raises them.

    Example:
        One type of a thousand replicas, of which each watches two of three stocks and picks the better one:

        >>> import jax, numpy as np
        >>> from massjax.engine.finite.pooled import pool_replicas
        >>> scores, member = np.array([[[0.1], [0.5], [0.9]]]), np.ones((3, 1), bool)
        >>> pool_replicas(scores, member, np.array([0]), 1000, watchlist=2, picks=1, key=jax.random.key(0)).distinct
        2.0
        >>> scores[0, :, 0].round(1).tolist()
        [0.0, 0.5, 1.0]
    """
    types, stocks, dates = scores.shape
    step = min(dates, max(1, AT_ONCE // max(1, types * stocks)))
    looked, seen, lists = 0, 0, 0
    for first in range(0, dates, step):
        part = slice(first, min(first + step, dates))
        short = (0, step - (part.stop - part.start))
        drawn = draw_replicas(
            np.pad(scores[:, :, part], ((0, 0), (0, 0), short), constant_values=np.nan),
            np.pad(member[:, part], ((0, 0), short)),
            np.pad(days[part], short),
            replicas,
            watchlist=watchlist,
            picks=picks,
            weights=None if weights is None else np.pad(weights[:, part], ((0, 0), short)),
            replacement=replacement,
            daily=daily,
            temperature=temperature,
            key=key,
        )
        scores[:, :, part] = np.asarray(drawn.shares())[:, :, : part.stop - part.start]
        watched = np.asarray(drawn.looked)
        looked += int(watched.sum(dtype=np.int64))
        seen += int(np.count_nonzero(watched))
        lists += replicas * int(watched.any(axis=1).sum())
    members = types * int(member.sum())
    return Watching(looked / max(lists, 1), looked / max(members, 1), 1.0 - seen / max(members, 1))
