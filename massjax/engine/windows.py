"""A look-back window made ready for many candidates, once: whole, or cut out of the dates of several windows that overlap.

What a date contributes depends on nothing but its own scores and returns. So the dates of windows that slide by one are prepared once, and
each window is a slice of them.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from massjax.engine.inputs import Missing
from massjax.engine.opinions import Opinions, prepare_opinions
from massjax.engine.pairs import EqualStocks, equal_stocks
from massjax.engine.ranks import Returns, rank_returns
from massjax.engine.signals import PRODUCT_FROM, Products, prepare_products

Tree = TypeVar("Tree")

ROWS_TOGETHER = 1024
"""Stocks times dates evaluated together on one block of dates; smaller blocks cost more overhead than work."""
PRODUCT_BYTES = 1 << 28
"""Bytes of products kept from step to step; those of larger windows are made anew in each step, block by block."""


class Window(NamedTuple):
    """A look-back window ready for many candidates; the pytree that every search evaluates on.

    Attributes:
        opinions: the archetypes' scores.
        returns: the forward returns of the members, ranked.
        equal: stocks that have both, grouped where their scores are equal.
        products: of each of the blocks of `in_blocks`, from `with_products`; None where they are made when they are needed.
    """

    opinions: Opinions
    returns: Returns
    equal: EqualStocks
    products: Products | None = None

    @property
    def stocks(self) -> int:
        """Number of stocks N, members or not."""
        return self.returns.values.shape[-1]

    @property
    def dates(self) -> int:
        """Number of dates D."""
        return self.returns.values.shape[0]


def prepare_window(
    scores: Float[Array, "K N D"], member: Bool[Array, "N D"], forward_returns: Float[Array, "N D"], missing: Missing
) -> Window:
    """Compute once what all candidates share: centred scores, ranked returns, and the stocks whose scores are equal.

    Args:
        scores: NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: NaN where unknown.
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
    """
    opinions = prepare_opinions(scores, member, missing)
    known = jnp.where(member, forward_returns, jnp.nan).T
    returns = rank_returns(known, opinions.present.max(axis=1) > 0)
    return Window(opinions, returns, equal_stocks(opinions, returns.common, returns.ranks))


def cut_window(window: Window, first: Int[Array, ""], known: Bool[Array, " L"]) -> Window:
    """The L dates of a window from the index `first` on, bitwise as `prepare_window` makes them where only the known ones have members.

    Args:
        window: without products.
        first: index of the first date.
        known: False on dates that are to be left out.
    """

    def dates(values: Array, empty: float) -> Array:
        kept = lax.dynamic_slice_in_dim(values, first, len(known))
        return jnp.where(known.reshape(-1, *[1] * (values.ndim - 1)), kept, jnp.asarray(empty, values.dtype))

    nothing = jax.tree.map(lambda _: 0.0, window)
    return jax.tree.map(dates, window, nothing._replace(returns=nothing.returns._replace(values=jnp.nan)))


def with_products(window: Window) -> Window:
    """The window with the products of all its blocks, so that a step of a search only multiplies; see `kept_products`."""
    return window._replace(products=kept_products(window.opinions))


def kept_products(opinions: Opinions) -> Products | None:
    """Products of each of the blocks of `in_blocks`; None where they are not used, or take more than `PRODUCT_BYTES`.

    `PRODUCT_FROM` archetypes and more use them. They do not depend on returns.
    """
    dates, archetypes, stocks = opinions.scores.shape
    if archetypes < PRODUCT_FROM or 3 * 4 * dates * archetypes * stocks > PRODUCT_BYTES:
        return None
    return lax.map(lambda block: prepare_products(as_rows(block)), _split(opinions, dates, stocks))


def in_blocks(window: Window) -> Window:
    """A window with its dates split into blocks along a new leading axis, of about `ROWS_TOGETHER` rows (stocks times dates) each.

    The last block is padded with dates without scores and returns, which have no RankIC.
    """
    by_date = window._replace(products=None)
    return _split(by_date, window.dates, window.stocks)._replace(products=window.products)


def _split(tree: Tree, dates: int, stocks: int) -> Tree:
    """Leaves whose leading axis are the dates, as blocks of dates, padded with 0."""
    blocks = -(-dates // max(1, ROWS_TOGETHER // max(stocks, 1)))
    together = -(-dates // blocks)

    def split(values: Array) -> Array:
        padding = jnp.zeros((blocks * together - dates, *values.shape[1:]), values.dtype)
        return jnp.concatenate([values, padding]).reshape(blocks, together, *values.shape[1:])

    return jax.tree.map(split, tree)


def as_rows(opinions: Opinions) -> Opinions:
    """Opinions of a block of dates as rows, all dates of the first stock first: [B, K, N] becomes [K, N * B], [B, N] becomes [N * B]."""

    def rows(values: Array) -> Array:
        moved = jnp.moveaxis(values, 0, -1)
        return moved.reshape(*moved.shape[:-2], -1)

    return Opinions(*(values if values.ndim == 1 else rows(values) for values in opinions))
