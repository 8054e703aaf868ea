"""Watch lists of finitely many agents: a few stocks each, drawn evenly over all members or balanced over groups of stocks."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

Watchlists: TypeAlias = Literal["random", "industry", "size"]
WATCHLISTS: tuple[Watchlists, ...] = ("random", "industry", "size")

MOST_ROUNDS_BITS = 20
"""Bits of the number of stocks that each group can give to a watch list."""


class Groups(NamedTuple):
    """Groups of stocks; the stocks are ordered by group.

    Attributes:
        of: group of each stock, ascending.
        first: True at the first stock of each group.
        inside: 1 where the stock is in the group, else 0.
    """

    of: Int[Array, " N"]
    first: Bool[Array, " N"]
    inside: Int[Array, "G N"]


class Quotas(NamedTuple):
    """How the watch lists of each section (one archetype on one date) are spread over the groups.

    Every group gives one stock in turn until the list is full. So each list has `base` stocks of a group, and one more of some of the
    groups that have more, drawn by lot.

    Attributes:
        left: members of the stock's group from that stock on; 0 off the universe.
        base: stocks that every list has of each group.
        open: groups that can give one more, from that group on; 0 where the group cannot.
        extra: how many groups give one more.
    """

    left: Float[Array, "S N"]
    base: Float[Array, "S G"]
    open: Float[Array, "S G"]
    extra: Float[Array, " S"]


def group_stocks(groups: Int[Array, " N"], count: int) -> Groups:
    """The groups of stocks that are ordered by group.

    Args:
        groups: number of each stock's group, ascending.
        count: how many groups there are.
    """
    first = jnp.concatenate([jnp.ones(1, bool), groups[1:] != groups[:-1]])
    return Groups(groups, first, (jnp.arange(count)[:, None] == groups[None, :]).astype(jnp.int32))


def quotas(eligible: Bool[Array, "S N"], groups: Groups, watchlist: Int[Array, ""]) -> Quotas:
    """How the watch lists of each section (one archetype on one date) are spread over the groups of stocks.

    Args:
        eligible: stocks that can be watched.
        groups: the groups of the stocks.
        watchlist: stocks on a watch list; all that there are where fewer.
    """
    counted = eligible.astype(jnp.int32)
    size = counted @ groups.inside.T
    left = (jnp.cumsum(size, axis=1)[:, groups.of] - jnp.cumsum(counted, axis=1) + 1) * counted

    def lengthen(step: Array, rounds: Int[Array, " S"]) -> Int[Array, " S"]:
        tried = rounds + (1 << (MOST_ROUNDS_BITS - 1 - step))
        return jnp.where(jnp.minimum(size, tried[:, None]).sum(axis=1) <= watchlist, tried, rounds)

    rounds = lax.fori_loop(0, MOST_ROUNDS_BITS, lengthen, jnp.zeros(len(eligible), jnp.int32))
    base = jnp.minimum(size, rounds[:, None])
    has_more = (size > rounds[:, None]).astype(jnp.int32)
    from_here = jnp.cumsum(has_more[:, ::-1], axis=1)[:, ::-1] * has_more
    extra = jnp.minimum(watchlist, size.sum(axis=1)) - base.sum(axis=1)
    return Quotas(*(part.astype(jnp.float32) for part in (left, base, from_here, extra)))


def watch(chances: Float[Array, "N B A"], turns: Float[Array, "G B A"], section: Quotas, groups: Groups) -> Float[Array, "N B A"]:
    """Draw the watch lists of A agents in each of B blocks: evenly within a group, and evenly over the groups that give one stock more.

    The stocks are passed in order, each taken with the chance that the part of the quota not yet used has among the members that are
    left (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S). Given that a stock is taken, how far its random number lies
    below that chance is uniform again, and independent of all else: it is handed on as the stock's lot, half the random numbers saved.

    Args:
        chances: a uniform random number in [0, 1) for each stock and agent.
        turns: a uniform random number in [0, 1) for each group and agent.
        section: the quotas of the section that each block belongs to, [B, ...].
        groups: the groups of the stocks.

    Returns:
        A uniform lot in [0, 1) for each stock that is watched, infinity for the others.
    """
    quota = jnp.broadcast_to(section.base.T[:, :, None], turns.shape)
    if len(turns) > 1:
        quota = quota + _longer(turns, section).astype(jnp.float32)

    def one_stock(needed: Array, stock: tuple[Array, ...]) -> tuple[Array, Array]:
        chance, left, group, first = stock
        needed = jnp.where(first, lax.dynamic_index_in_dim(quota, group, keepdims=False), needed)
        level = chance * left[:, None]
        taken = (level < needed) & (left > 0)[:, None]
        return needed - taken.astype(jnp.float32), jnp.where(taken, level / needed, jnp.inf)

    return lax.scan(one_stock, quota[0], (chances, section.left.T, groups.of, groups.first))[1]


def _longer(turns: Float[Array, "G B A"], section: Quotas) -> Bool[Array, "G B A"]:
    """True for the groups that give an agent one stock more: `extra` of those that can, drawn evenly."""

    def one_group(needed: Array, group: tuple[Array, Array]) -> tuple[Array, Array]:
        turn, left = group
        taken = (turn * left[:, None] < needed) & (left > 0)[:, None]
        return needed - taken.astype(jnp.float32), taken

    start = jnp.broadcast_to(section.extra[:, None], turns.shape[1:])
    return lax.scan(one_group, start, (turns, section.open.T))[1]
