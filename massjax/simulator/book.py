"""The order book of a continuous double auction: a ring of as many slots as agents, price–time priority, exact integer accounts.

Each tick one order arrives and the order of N ticks before has expired, so that an order's slot is its tick modulo N and the book never
overflows. Arrays hold M markets of N agents, hence of N slots. What is read and written together lies in one array, for on a CPU it is
the number of operations that costs, not their size.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

NONE = 2**31 - 1
"""The priority of no order."""


class Book(NamedTuple):
    """Resting orders.

    Attributes:
        price: limit in ticks.
        volume: shares that are left: positive to buy, negative to sell, 0 in an empty slot.
        owner: the agent whose order it is.
    """

    price: Int[Array, "M N"]
    volume: Int[Array, "M N"]
    owner: Int[Array, "M N"]


class Accounts(NamedTuple):
    """What agents own.

    Attributes:
        rows: cash in ticks; number of shares; and, as the bits of a float32, the gain: shares × (fundamental − price), in ticks, summed
            over the purchases since the agent's own turn began, less that of its sales.
    """

    rows: Int[Array, "M 3 N"]

    @property
    def cash(self) -> Int[Array, "M N"]:
        """Cash in ticks."""
        return self.rows[:, 0]

    @property
    def shares(self) -> Int[Array, "M N"]:
        """Number of shares."""
        return self.rows[:, 1]

    @property
    def gain(self) -> Float[Array, "M N"]:
        """Gain in ticks of the trades since the agent's own turn began."""
        return number(self.rows[:, 2])


class Order(NamedTuple):
    """An order of one agent in each market.

    Attributes:
        agent: who sends it.
        side: 1 to buy, -1 to sell.
        volume: shares, at least 0.
        limit: the worst price that is accepted, in ticks.
    """

    agent: Int[Array, " M"]
    side: Int[Array, " M"]
    volume: Int[Array, " M"]
    limit: Int[Array, " M"]


class Quotes(NamedTuple):
    """The best order of each side, as integers of which the lowest has priority; `NONE` where there is none.

    Attributes:
        sell: price × N + age, where the oldest order has the age 0.
        buy: (highest price − price) × N + age.
    """

    sell: Int[Array, " M"]
    buy: Int[Array, " M"]


class Fills(NamedTuple):
    """What an order did when it arrived.

    Attributes:
        remaining: shares that are left to rest in the book.
        last: price of the last trade, or of the one before where there was none.
        traded: shares that were traded.
        trades: number of trades.
        cash, shares: what the order's agent owns afterwards.
    """

    remaining: Int[Array, " M"]
    last: Int[Array, " M"]
    traded: Int[Array, " M"]
    trades: Int[Array, " M"]
    cash: Int[Array, " M"]
    shares: Int[Array, " M"]


def empty_book(markets: int, agents: int) -> Book:
    """A book without orders."""
    return Book(*(jnp.zeros((markets, agents), jnp.int32) for _ in Book._fields))


def quotes(book: Book, oldest: Int[Array, ""], highest: int) -> Quotes:
    """The best resting orders by price, then by age, where the slot `oldest` holds the oldest order."""
    agents = book.price.shape[1]
    age = _ages(agents, oldest)
    sell = jnp.where(book.volume < 0, book.price * agents + age, NONE)
    buy = jnp.where(book.volume > 0, (highest - book.price) * agents + age, NONE)
    return Quotes(jnp.min(sell, axis=1), jnp.min(buy, axis=1))


def _ages(agents: int, oldest: Int[Array, ""]) -> Int[Array, "1 N"]:
    """How much younger than the oldest the order of each slot is, in ticks."""
    after = jnp.arange(agents, dtype=jnp.int32)[None, :] - oldest
    return jnp.where(after < 0, after + agents, after)


def quoted_price(priority: Int[Array, " M"], side: Int[Array, " M"] | int, agents: int, highest: int) -> Int[Array, " M"]:
    """The price of a priority of `quotes`, of sells where `side` is 1, the side of who meets them, and of buys where it is -1."""
    level = lax.div(priority, jnp.int32(agents))
    return jnp.where(jnp.asarray(side) > 0, level, highest - level)


def affordable(cash: Int[Array, " M"], shares: Int[Array, " M"], order: Order) -> Order:
    """The order with its volume cut to what its agent can pay at its limit, or deliver."""
    return order._replace(volume=jnp.minimum(order.volume, jnp.where(order.side > 0, lax.div(cash, order.limit), shares)))


class _Trading(NamedTuple):
    """Where the loop over trades is: what is left in the book, accounts, the arriving agent's own account, its fills, the next order."""

    volume: Int[Array, "M N"]
    accounts: Int[Array, "M 3 N"]
    taker: Int[Array, "M 3"]
    fills: Int[Array, "M 4"]
    priority: Int[Array, " M"]


def execute(
    book: Book,
    accounts: Accounts,
    order: Order,
    best: Quotes,
    last: Int[Array, " M"],
    fundamental: Float[Array, " M"],
    oldest: Int[Array, ""],
    highest: int,
    is_open: Bool[Array, ""],
) -> tuple[Book, Accounts, Fills]:
    """Trade the order against the resting orders that it crosses, best price first and then the oldest, at their prices.

    Nobody's cash or shares become negative: a trade is cut to what its buyer can pay and its seller can deliver. Where that leaves volume
    that would have traded, the order of the side that could not honour it is cancelled: the arriving order, or else the resting one. All
    markets trade in lock-step, one resting order each an iteration, until every market is done.

    Args:
        best: the best resting orders before, of `quotes(book, oldest, highest)`.
        last: price of the last trade in ticks.
        fundamental: value of a share in ticks.
        is_open: before the market opens nothing trades.

    Returns:
        The book without what was traded, where the order itself does not rest yet; accounts, in which the gain of the order's agent begins
        anew with these trades; what happened.
    """
    agents = book.price.shape[1]
    side, taker = order.side, order.agent
    slots = jnp.arange(agents, dtype=jnp.int32)[None, :]
    rank = jnp.where(side[:, None] > 0, book.price, highest - book.price) * agents + _ages(agents, oldest)

    def crosses(state: _Trading) -> Bool[Array, " M"]:
        price = quoted_price(state.priority, side, agents, highest)
        return (state.fills[:, 0] > 0) & (state.priority < NONE) & (side * (order.limit - price) >= 0) & is_open

    def trade(state: _Trading) -> _Trading:
        meets = crosses(state)
        remaining, last, traded, trades = state.fills.T
        price = jnp.maximum(quoted_price(state.priority, side, agents, highest), 1)
        slot = lax.rem(state.priority, jnp.int32(agents)) + oldest
        slot = jnp.where(slot < agents, slot, slot - agents)
        maker, resting = pick(book.owner, slot), jnp.abs(pick(state.volume, slot))
        itself = (maker == taker)[:, None]
        maker_row = jnp.where(itself, state.taker, pick_row(state.accounts, maker))
        payable = lax.div(jnp.where(side > 0, state.taker[:, 0], maker_row[:, 0]), price)
        deliverable = jnp.where(side > 0, maker_row[:, 1], state.taker[:, 1])
        wanted = jnp.minimum(remaining, resting)
        volume = jnp.where(meets, jnp.minimum(wanted, jnp.minimum(payable, deliverable)), 0)
        taker_fails = jnp.where(side > 0, payable, deliverable) <= volume
        left = jnp.where((volume < wanted) & ~taker_fails, 0, resting - volume)
        volumes = jnp.where((slots == slot[:, None]) & meets[:, None], -(side * left)[:, None], state.volume)
        bought, value = side * volume, fundamental - price.astype(jnp.float32)
        sold_row = _after_trade(maker_row, -bought, price, value)
        return _Trading(
            volumes,
            jnp.where((slots == maker[:, None])[:, None, :], sold_row[:, :, None], state.accounts),
            jnp.where(itself, state.taker, _after_trade(state.taker, bought, price, value)),
            jnp.stack(
                [
                    jnp.where(meets, jnp.where(taker_fails, 0, remaining - volume), remaining),
                    jnp.where(volume > 0, price, last),
                    traded + volume,
                    trades + (volume > 0).astype(jnp.int32),
                ],
                axis=1,
            ),
            jnp.min(jnp.where(volumes * side[:, None] < 0, rank, NONE), axis=1),
        )

    nothing = jnp.zeros_like(last)
    start = _Trading(
        volume=book.volume,
        accounts=accounts.rows,
        taker=pick_row(accounts.rows, taker) * jnp.array([[1, 1, 0]], jnp.int32),
        fills=jnp.stack([order.volume, last, nothing, nothing], axis=1),
        priority=jnp.where(side > 0, best.sell, best.buy),
    )
    done = lax.while_loop(lambda state: jnp.any(crosses(state)), trade, start)
    rows = jnp.where((slots == taker[:, None])[:, None, :], done.taker[:, :, None], done.accounts)
    remaining, price, traded, trades = done.fills.T
    fills = Fills(remaining, price, traded, trades, cash=done.taker[:, 0], shares=done.taker[:, 1])
    return book._replace(volume=done.volume), Accounts(rows), fills


def _after_trade(row: Int[Array, "M 3"], bought: Int[Array, " M"], price: Int[Array, " M"], value: Float[Array, " M"]) -> Int[Array, "M 3"]:
    """An account after it bought shares at a price, each worth `value` more than that."""
    gain = number(row[:, 2]) + bought.astype(jnp.float32) * value
    return jnp.stack([row[:, 0] - bought * price, row[:, 1] + bought, bits(gain)], axis=1)


def rest(book: Book, order: Order, remaining: Int[Array, " M"], slot: Int[Array, ""]) -> Book:
    """The book with what is left of the order in `slot`, and without the oldest order, of the slot after it, which expires."""
    agents = book.price.shape[1]
    slots = jnp.arange(agents, dtype=jnp.int32)[None, :]
    here, next_one = slots == slot, slots == lax.rem(slot + 1, jnp.int32(agents))
    return Book(
        jnp.where(here, order.limit[:, None], book.price),
        jnp.where(here, (order.side * remaining)[:, None], jnp.where(next_one, 0, book.volume)),
        jnp.where(here, order.agent[:, None], book.owner),
    )


def depth(book: Book, middle: Float[Array, " M"], depth_range: float, decay: float) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """Shares to buy below, and to sell above, the middle of the quotes, each order weighted by exp(-decay × d).

    d is the distance of its price from the middle as a fraction of it; orders further away than `depth_range` do not count.
    """
    away = book.price.astype(jnp.float32) * (1.0 / middle)[:, None] - 1.0
    distance = jnp.abs(away)
    weighed = jnp.where(distance <= depth_range, book.volume.astype(jnp.float32) * jnp.exp(-decay * distance), 0.0)
    ones = jnp.ones(book.price.shape[1], jnp.float32)
    buys = jnp.where((weighed > 0) & (away <= 0), weighed, 0.0)
    sells = jnp.where((weighed < 0) & (away >= 0), -weighed, 0.0)
    return jnp.dot(buys, ones), jnp.dot(sells, ones)


def pick(values: Array, index: Int[Array, " M"]) -> Array:
    """The element `index` of each market's row of agents or slots."""
    markets, agents = values.shape
    flat = jnp.arange(markets, dtype=jnp.int32) * agents + index
    return values.reshape(-1).at[flat].get(mode="promise_in_bounds")


def pick_row(values: Array, index: Int[Array, " M"]) -> Array:
    """The elements `index` of each market's several rows: [M, R, N] to [M, R]."""
    markets, rows, agents = values.shape
    flat = jnp.arange(markets * rows, dtype=jnp.int32).reshape(markets, rows) * agents + index[:, None]
    return values.reshape(-1).at[flat].get(mode="promise_in_bounds")


def bits(value: Float[Array, "*B"]) -> Int[Array, "*B"]:
    """The bits of float32 numbers as integers, so that both kinds lie in one array."""
    return lax.bitcast_convert_type(value, jnp.int32)


def number(value: Int[Array, "*B"]) -> Float[Array, "*B"]:
    """Undoes `bits`."""
    return lax.bitcast_convert_type(value, jnp.float32)
