"""Simulated trading: one scan over the ticks before and after the opening, in markets side by side."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from massjax.simulator.book import (
    NONE,
    Accounts,
    Book,
    Order,
    Quotes,
    affordable,
    bits,
    depth,
    empty_book,
    execute,
    number,
    pick_row,
    quoted_price,
    quotes,
    rest,
)
from massjax.simulator.fundamentals import fundamental_shocks
from massjax.simulator.observe import OBSERVED, Memory, observe
from massjax.simulator.parts import each_part, joined, over_devices, split
from massjax.simulator.policy import ACTIONS, Policy, mean_action, squashed
from massjax.simulator.rules import rule_action
from massjax.simulator.settings import MarketSettings
from massjax.simulator.traits import TraitDistribution, Traits, draw_endowments, draw_traits, of_actor


class MarketState(NamedTuple):
    """Markets between two ticks.

    Attributes:
        book, accounts: orders and what agents own.
        best: the best resting orders.
        remembered: what each agent remembers of the tick of its last order, in the order of `Memory`.
        price: of the last trade, in ticks; before the opening the middle of the quotes.
        middle: of the quotes, in ticks; the last price where one side is empty.
        log_middle: its logarithm.
        squares: sum of the squared log returns of the middle.
        depths: shares to buy and to sell near the middle.
        log_fundamental: logarithm of the fundamental value in ticks, before the tick that was last.
    """

    book: Book
    accounts: Accounts
    best: Quotes
    remembered: Float[Array, "M 3 N"]
    price: Int[Array, " M"]
    middle: Float[Array, " M"]
    log_middle: Float[Array, " M"]
    squares: Float[Array, " M"]
    depths: tuple[Float[Array, " M"], Float[Array, " M"]]
    log_fundamental: Float[Array, " M"]


class Chance(NamedTuple):
    """All that chance decides in T ticks of M markets.

    Attributes:
        actor: whose turn it is.
        shown: whose traits decide how the actor sees and acts: its own, but in the control in which they are shuffled.
        error: standard normal error of what it sees of the fundamental.
        noise: standard normal noise of its action.
        log_fundamental: logarithm of the fundamental value before the tick, in ticks of the price.
    """

    actor: Int[Array, "T M"]
    shown: Int[Array, "T M"]
    error: Float[Array, "T M"]
    noise: Float[Array, "T M 2"]
    log_fundamental: Float[Array, "T M"]


class Ticks(NamedTuple):
    """What happened in each tick.

    Attributes:
        actor: whose turn it was.
        observation: what it saw.
        noise, latent: standard normal noise of the policy, and the policy's action with it before it was squashed.
        action: how far inside the middle its limit was, from -1 (far across) to 1 (far from trading), and its side and volume.
        log_fundamental: in ticks of the price, before the tick.
        mean_return, variance: μ and V that it saw.
        wealth: of the actor before its turn, in ticks.
        gain: of the actor's trades from its last turn to before this one, in ticks.
        cash, shares: of the actor after its turn.
        ordered: shares of its order.
        traded, trades: shares that its order traded at once, and in how many trades.
        price, middle: of the market after the tick.
        spread: ask less bid over the middle, NaN where a side is empty.
        buy_depth, sell_depth: shares near the middle after the tick.
    """

    actor: Int[Array, "T M"]
    observation: Float[Array, "T M 11"]
    noise: Float[Array, "T M 2"]
    latent: Float[Array, "T M 2"]
    action: Float[Array, "T M 2"]
    log_fundamental: Float[Array, "T M"]
    mean_return: Float[Array, "T M"]
    variance: Float[Array, "T M"]
    wealth: Float[Array, "T M"]
    gain: Float[Array, "T M"]
    cash: Int[Array, "T M"]
    shares: Int[Array, "T M"]
    ordered: Int[Array, "T M"]
    traded: Int[Array, "T M"]
    trades: Int[Array, "T M"]
    price: Int[Array, "T M"]
    middle: Float[Array, "T M"]
    spread: Float[Array, "T M"]
    buy_depth: Float[Array, "T M"]
    sell_depth: Float[Array, "T M"]


class Rollout(NamedTuple):
    """Markets simulated from their pre-opening to their end.

    Attributes:
        ticks: what happened in each tick of continuous trading.
        traits: of each agent.
        end: the markets afterwards.
    """

    ticks: Ticks
    traits: Traits
    end: MarketState


@partial(jax.jit, static_argnames=("settings", "markets", "parts", "shuffled"))
def simulate(
    policy: Policy,
    traits: TraitDistribution,
    key: Key[Array, ""],
    settings: MarketSettings,
    *,
    markets: int,
    parts: int = 1,
    spread: float | Float[Array, ""] = 0.36787944,
    shuffled: bool = False,
) -> Rollout:
    """Markets of agents that follow one policy, or fixed rules, simulated from their pre-opening to their end.

    Populations: the policy learned, or `initial_policy` untrained; `zero_intelligence(policy)`; `TraitSettings(rule_share=1)` for rule
    agents alone; spreads of 0 for homogeneous agents.

    Args:
        spread: standard deviation of latent actions around the policy's mean.
        shuffled: at each turn the actor sees and acts with the traits of an agent drawn anew from its market, so that the mix of traits is
            the same, but nobody has lasting ones.
        parts: equal parts of the markets, which the devices of the mesh share out; the result does not depend on how many they are.

    Returns:
        Everything with all markets on the market axis: ticks [T, M, ...], traits and accounts [M, N].

    Raises:
        ConfigError: the markets cannot be shared out over the parts, or the parts over the devices.
    """
    shock_key, key = jax.random.split(key)
    shocks = fundamental_shocks(shock_key, settings.preopen + settings.ticks, markets, settings.correlation)
    keys = jax.random.split(key, parts)

    def some(given: tuple[Key[Array, " P"], Float[Array, "P T m"]], policy: Policy, traits: TraitDistribution, spread: Array) -> Rollout:
        return each_part(lambda part: roll_out(policy, traits, part[0], part[1], settings, spread=spread, shuffled=shuffled), given)

    done = over_devices(some, (keys, split(shocks, parts, axis=1)), policy, traits, jnp.asarray(spread, jnp.float32))
    return Rollout(joined(done.ticks, axis=1), joined(done.traits), joined(done.end))


def roll_out(
    policy: Policy,
    traits: TraitDistribution,
    key: Key[Array, ""],
    shocks: Float[Array, "T M"],
    settings: MarketSettings,
    *,
    spread: Float[Array, ""],
    shuffled: bool = False,
) -> Rollout:
    """One part of the markets, as `simulate` has them, given the moves of their fundamentals in all ticks, those before the opening too."""
    markets = shocks.shape[1]
    start_key, trait_key, chance_key = jax.random.split(key, 3)
    drawn = draw_traits(trait_key, traits, markets, settings.agents)
    chance = draw_chance(chance_key, shocks, settings, shuffled=shuffled)
    moments = jnp.arange(len(shocks), dtype=jnp.int32)
    end, rows = lax.scan(
        lambda state, given: tick(state, given, policy, settings, spread),
        opening_state(start_key, settings, markets),
        (moments, chance, of_actor(drawn, chance.shown)),
    )
    return Rollout(_ticks(rows[settings.preopen :], jax.tree.map(lambda drawn: drawn[settings.preopen :], chance)), drawn, end)


def draw_chance(key: Key[Array, ""], shocks: Float[Array, "T M"], settings: MarketSettings, *, shuffled: bool = False) -> Chance:
    """What chance decides, drawn before the first tick; the fundamental stays where it is until the market opens."""
    actor_key, shown_key, normal_key, volatility_key = jax.random.split(key, 4)
    actor = jax.random.randint(actor_key, shocks.shape, 0, settings.agents, jnp.int32)
    shown = jax.random.randint(shown_key, shocks.shape, 0, settings.agents, jnp.int32) if shuffled else actor
    normal = jax.random.normal(normal_key, (3, *shocks.shape))
    volatility = jax.random.uniform(volatility_key, (1, shocks.shape[1]), maxval=settings.volatility)
    moves = jnp.where((jnp.arange(len(shocks)) > settings.preopen)[:, None], volatility * jnp.roll(shocks, 1, axis=0), 0.0)
    log_fundamental = math.log(settings.price) + jnp.cumsum(moves, axis=0)
    return Chance(actor, shown, normal[0], jnp.stack([normal[1], normal[2]], axis=-1), log_fundamental)


def opening_state(key: Key[Array, ""], settings: MarketSettings, markets: int) -> MarketState:
    """Markets before their first tick: an empty book, endowments and the price at the start."""
    cash, shares = draw_endowments(key, settings, markets)
    book = empty_book(markets, settings.agents)
    zeros, of_agents = jnp.zeros(markets, jnp.float32), jnp.zeros((markets, settings.agents), jnp.float32)
    price = jnp.full(markets, settings.price, jnp.int32)
    log_price = jnp.log(price.astype(jnp.float32))
    return MarketState(
        book=book,
        accounts=Accounts(jnp.stack([cash, shares, jnp.zeros_like(cash)], axis=1)),
        best=quotes(book, jnp.int32(0), settings.highest_price),
        remembered=jnp.stack([of_agents + log_price[:, None], of_agents, of_agents], axis=1),
        price=price,
        middle=price.astype(jnp.float32),
        log_middle=log_price,
        squares=zeros,
        depths=(zeros, zeros),
        log_fundamental=log_price,
    )


def tick(
    state: MarketState, given: tuple[Int[Array, ""], Chance, Traits], policy: Policy, settings: MarketSettings, spread: Float[Array, ""]
) -> tuple[MarketState, Int[Array, "R M"]]:
    """One agent of each market sees, acts and trades; what is left of its order rests, and the oldest order expires.

    Args:
        given: the number of the tick, and of `Chance` and of the actor's traits what is of this tick, without the axis of time.

    Returns:
        The markets afterwards, and what happened as the rows that `_ticks` reads.
    """
    moment, chance, traits = given
    actor, agents = chance.actor, settings.agents
    is_open = moment >= settings.preopen
    slot, oldest = lax.rem(moment, jnp.int32(agents)), lax.rem(moment + 1, jnp.int32(agents))
    own = pick_row(state.accounts.rows, actor)
    cash, shares = own[:, 0], own[:, 1]
    now = Memory(state.log_middle, state.squares, jnp.broadcast_to(moment.astype(jnp.float32), actor.shape))
    then = Memory(*pick_row(state.remembered, actor).T)
    seen = observe(cash, shares, state.price, chance.log_fundamental, state.depths, now, then, traits, chance.error, settings)
    latent = mean_action(policy, seen.observation.T) + spread * chance.noise
    log_price = jnp.log(state.price.astype(jnp.float32))
    by_rule = rule_action(
        chance.log_fundamental - log_price, seen.mean_return, log_price - state.log_middle, chance.noise[:, 0], traits, settings
    )
    action = jnp.where(traits.by_rule[:, None], by_rule, squashed(latent))
    order = affordable(cash, shares, order_of(action, actor, state.middle, settings, is_open))
    fundamental = jnp.exp(chance.log_fundamental)
    book, accounts, fills = execute(
        state.book, state.accounts, order, state.best, state.price, fundamental, oldest, settings.highest_price, is_open
    )
    book = rest(book, order, fills.remaining, slot)
    best = quotes(book, lax.rem(oldest + 1, jnp.int32(agents)), settings.highest_price)
    bid = quoted_price(best.buy, -1, agents, settings.highest_price)
    ask = quoted_price(best.sell, 1, agents, settings.highest_price)
    quoted = (best.sell < NONE) & (best.buy < NONE) & (ask > bid)
    middle = jnp.where(quoted, 0.5 * (bid + ask).astype(jnp.float32), fills.last.astype(jnp.float32))
    price = jnp.where(is_open, fills.last, jnp.round(middle).astype(jnp.int32))
    log_middle = jnp.log(middle)
    acts = jnp.arange(agents, dtype=jnp.int32)[None, :] == actor[:, None]
    after = MarketState(
        book=book,
        accounts=accounts,
        best=best,
        remembered=jnp.where(acts[:, None, :], jnp.stack(now, axis=1)[:, :, None], state.remembered),
        price=price,
        middle=middle,
        log_middle=log_middle,
        squares=state.squares + jnp.square(log_middle - state.log_middle),
        depths=depth(book, middle, settings.depth_range, settings.depth_decay),
        log_fundamental=chance.log_fundamental,
    )
    wealth = cash.astype(jnp.float32) + shares.astype(jnp.float32) * state.price.astype(jnp.float32)
    gap = jnp.where(quoted, (ask - bid).astype(jnp.float32) / middle, jnp.nan)
    floats = (seen.mean_return, seen.variance, wealth, number(own[:, 2]), middle, gap, *after.depths)
    integers = (fills.cash, fills.shares, order.volume, fills.traded, fills.trades, price)
    return after, jnp.concatenate([bits(jnp.concatenate([seen.observation, latent.T, action.T, jnp.stack(floats)])), jnp.stack(integers)])


def _ticks(rows: Int[Array, "T R M"], chance: Chance) -> Ticks:
    """What `tick` wrote of each tick."""
    ends = (0, len(OBSERVED), len(OBSERVED) + ACTIONS, acted := len(OBSERVED) + 2 * ACTIONS)
    observation, latent, action = (number(jnp.swapaxes(rows[:, start:end], 1, 2)) for start, end in pairwise(ends))
    mean_return, variance, wealth, gain, middle, spread, buy_depth, sell_depth = (number(rows[:, acted + row]) for row in range(8))
    cash, shares, ordered, traded, trades, price = (rows[:, acted + 8 + row] for row in range(6))
    return Ticks(
        actor=chance.actor,
        observation=observation,
        noise=chance.noise,
        latent=latent,
        action=action,
        log_fundamental=chance.log_fundamental,
        mean_return=mean_return,
        variance=variance,
        wealth=wealth,
        gain=gain,
        cash=cash,
        shares=shares,
        ordered=ordered,
        traded=traded,
        trades=trades,
        price=price,
        middle=middle,
        spread=spread,
        buy_depth=buy_depth,
        sell_depth=sell_depth,
    )


def order_of(
    action: Float[Array, "M 2"], actor: Int[Array, " M"], middle: Float[Array, " M"], settings: MarketSettings, is_open: Bool[Array, ""]
) -> Order:
    """The limit order that an action means: limit = middle · (1 ∓ width · a₁), − to buy, volume = ⌈largest · |a₂|⌉, sign(a₂) the side.

    Before the opening the limit is on the agent's own side of the middle, by |a₁|.
    """
    side = jnp.where(action[:, 1] > 0, 1, -1)
    volume = jnp.ceil(settings.largest_order * jnp.abs(action[:, 1])).astype(jnp.int32)
    inside = jnp.where(is_open, action[:, 0], jnp.abs(action[:, 0]))
    limit = jnp.round(middle * (1 - side.astype(jnp.float32) * settings.price_width * inside))
    return Order(actor, side, volume, jnp.clip(limit, 1, settings.highest_price).astype(jnp.int32))
