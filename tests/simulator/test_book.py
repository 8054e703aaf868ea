"""The order book against a slow one in plain Python, trade by trade, over random flows of orders."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jax import lax

from massjax.simulator.book import Accounts, Book, Order, affordable, depth, empty_book, execute, pick_row, quoted_price, quotes, rest
from tests.simulator.plain_book import PlainMarket

AGENTS, TICKS, MARKETS, HIGHEST = 5, 60, 3, 1000


class Flow(NamedTuple):
    """Orders by tick and market, and the tick at which the market opens."""

    agent: np.ndarray
    side: np.ndarray
    volume: np.ndarray
    limit: np.ndarray
    opens: int


def play_tick(state, given):
    """One tick of the book alone, as `massjax.simulator.rollout.tick` has it."""
    book, accounts, last = state
    tick, order, is_open = given
    own = pick_row(accounts.rows, order.agent)
    order = affordable(own[:, 0], own[:, 1], order)
    oldest = (tick + 1) % AGENTS
    best = quotes(book, oldest, HIGHEST)
    value = jnp.full(MARKETS, 100.0)
    book, accounts, fills = execute(book, accounts, order, best, last, value, oldest, HIGHEST, is_open)
    book = rest(book, order, fills.remaining, tick % AGENTS)
    return (book, accounts, fills.last), (book, accounts, fills)


@jax.jit
def play(orders, opens, cash, shares):
    start = (
        empty_book(MARKETS, AGENTS),
        Accounts(jnp.stack([cash, shares, jnp.zeros_like(cash)], axis=1)),
        jnp.full(MARKETS, 100, jnp.int32),
    )
    ticks = jnp.arange(TICKS, dtype=jnp.int32)
    return lax.scan(play_tick, start, (ticks, orders, ticks >= opens))[1]


def drawn(seed: int, opens: int, width: int, largest: int) -> Flow:
    rng = np.random.default_rng(seed)
    shape = (TICKS, MARKETS)
    return Flow(
        agent=rng.integers(0, AGENTS, shape),
        side=rng.choice([-1, 1], shape),
        volume=rng.integers(0, largest + 1, shape),
        limit=100 + rng.integers(-width, width + 1, shape),
        opens=opens,
    )


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    opens=st.integers(0, 20),
    width=st.integers(0, 9),
    largest=st.integers(1, 12),
    wealth=st.sampled_from([0, 150, 1000, 10**6]),
    held=st.sampled_from([0, 3, 50]),
)
def test_every_trade_is_that_of_a_plain_book_and_nothing_is_lost(seed, opens, width, largest, wealth, held):
    flow = drawn(seed, opens, width, largest)
    rng = np.random.default_rng(seed)
    cash, shares = rng.integers(0, wealth + 1, (MARKETS, AGENTS)), rng.integers(0, held + 1, (MARKETS, AGENTS))
    orders = Order(*(jnp.asarray(field, jnp.int32) for field in flow[:4]))
    books, accounts, fills = jax.tree.map(
        np.asarray, play(orders, jnp.int32(opens), jnp.asarray(cash, jnp.int32), jnp.asarray(shares, jnp.int32))
    )
    held_cash, held_shares = accounts.rows[:, :, 0], accounts.rows[:, :, 1]
    assert (held_cash.sum(-1) == cash.sum(-1)).all()
    assert (held_shares.sum(-1) == shares.sum(-1)).all()
    assert min(held_cash.min(), held_shares.min()) >= 0
    for market in range(MARKETS):
        plain = PlainMarket(cash[market].tolist(), shares[market].tolist(), last=100)
        gains = [0.0] * AGENTS
        for tick in range(TICKS):
            agent, side, volume, limit = (int(field[tick, market]) for field in flow[:4])
            gains[agent] = 0.0
            trades = plain.arrives(tick, agent, side, volume, limit, is_open=tick >= opens)
            for maker, price, traded in trades:
                gains[agent] += side * traded * (100.0 - price)
                gains[maker] -= side * traded * (100.0 - price)
            assert fills.trades[tick, market] == len(trades)
            assert fills.traded[tick, market] == sum(traded for _, _, traded in trades)
            assert fills.last[tick, market] == plain.last
            assert held_cash[tick, market].tolist() == plain.cash
            assert held_shares[tick, market].tolist() == plain.shares
            assert (fills.cash[tick, market], fills.shares[tick, market]) == (plain.cash[agent], plain.shares[agent])
            assert accounts.rows[tick, market, 2].view(np.float32).tolist() == gains
            resting = {order.tick % AGENTS: (order.agent, order.side * order.volume, order.price) for order in plain.orders}
            book = (field[tick, market] for field in (books.owner, books.volume, books.price))
            assert {slot: row for slot, row in enumerate(zip(*map(np.ndarray.tolist, book), strict=True)) if row[1]} == resting


def book_of(*orders: tuple[int, int, int]) -> Book:
    """A book of one market with (price, signed volume, owner) in each slot."""
    price, volume, owner = (jnp.array([field], jnp.int32) for field in zip(*orders, strict=True))
    return Book(price, volume, owner)


def test_the_best_price_comes_first_and_then_the_oldest():
    book = book_of((101, -2, 0), (99, 3, 1), (101, -1, 2), (99, 5, 3), (100, 0, 4))
    best = quotes(book, jnp.int32(2), HIGHEST)
    assert quoted_price(best.sell, 1, 5, HIGHEST).tolist() == [101]
    assert quoted_price(best.buy, -1, 5, HIGHEST).tolist() == [99]
    assert (best.sell % 5).tolist() == [0], "slot 2 holds the oldest order"
    assert (best.buy % 5).tolist() == [1], "slot 3 comes after it"


@pytest.mark.parametrize("accounts", [[[10**9, 10**9], [0, 0]], [[2 * 10**9, 10**8], [20, 20]]])
def test_the_largest_accounts_do_not_overflow(accounts):
    cash, shares = (jnp.array([row], jnp.int32) for row in accounts)
    start = Accounts(jnp.stack([cash, shares + 20, jnp.zeros_like(cash)], axis=1))
    highest = 2**22
    book = book_of((highest, -20, 1), (1, 0, 0))
    order = Order(*(jnp.array([value], jnp.int32) for value in (0, 1, 20, highest)))
    best = quotes(book, jnp.int32(1), highest)
    last, value = jnp.array([5], jnp.int32), jnp.array([100.0])
    _, after, fills = execute(book, start, order, best, last, value, jnp.int32(1), highest, jnp.array(True))
    assert fills.traded.tolist() == [20]
    assert after.cash.tolist() == [[accounts[0][0] - 20 * highest, accounts[0][1] + 20 * highest]]


def test_depth_weighs_orders_by_their_distance():
    book = book_of((99, 4, 0), (102, -8, 1), (90, 100, 2), (101, 7, 3))
    buys, sells = depth(book, jnp.array([100.0]), 0.05, 100.0)
    np.testing.assert_allclose(buys, 4 * np.exp(-1), rtol=1e-5)
    np.testing.assert_allclose(sells, 8 * np.exp(-2), rtol=1e-5)


def test_one_program_for_every_flow():
    play.clear_cache()
    for seed in range(3):
        flow = drawn(seed, opens=seed, width=4, largest=5)
        orders = Order(*(jnp.asarray(field, jnp.int32) for field in flow[:4]))
        plenty = jnp.full((MARKETS, AGENTS), 1000, jnp.int32)
        jax.block_until_ready(partial(play, orders)(jnp.int32(seed), plenty, plenty))
    assert play._cache_size() == 1
