"""Learning of one policy by all agents: PPO with the discount factor of each, on freshly simulated markets at each update."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Key

from massjax.simulator.advantages import advantages
from massjax.simulator.fundamentals import fundamental_shocks
from massjax.simulator.parts import all_parts, each_part, mean_over_parts, over_devices, split
from massjax.simulator.policy import Policy, initial_policy, mean_action, value
from massjax.simulator.rollout import Rollout, roll_out
from massjax.simulator.settings import LearningSettings, SimulationSettings
from massjax.simulator.traits import TraitDistribution

ADAM_EPSILON = 1e-5
LEAST_DEVIATION = 1e-8


class LearningState(NamedTuple):
    """Where learning is; a checkpoint of it goes on as if it had never stopped.

    Attributes:
        policy: of all agents.
        optimizer: state of Adam.
        key: from which each update derives its own.
        updates: made so far.
    """

    policy: Policy
    optimizer: optax.OptState
    key: Key[Array, ""]
    updates: Int[Array, ""]


class Progress(NamedTuple):
    """How the markets of one update fared.

    Attributes:
        trades: share of ticks with a trade.
        mispricing: mean over markets of the standard deviation of log(p / p_f).
        reward: mean of what a turn is worth at once.
        gain: mean absolute reward for gains against the fundamental.
        least_deviation: standard deviation of the returns of the market in which it is lowest; 0 where one is dead.
        value_error: mean squared error of the critic.
        clipped: share of ticks whose ratio of probabilities was cut off.
    """

    trades: Float[Array, ""]
    mispricing: Float[Array, ""]
    reward: Float[Array, ""]
    gain: Float[Array, ""]
    least_deviation: Float[Array, ""]
    value_error: Float[Array, ""]
    clipped: Float[Array, ""]


class Lessons(NamedTuple):
    """What is learned from the ticks of M markets.

    Attributes:
        observation, latent: what was seen and done.
        density: log density of what was done under the policy that did it, up to a constant.
        advantage: how much better than expected it was.
        target: what the critic should have said.
        weight: 1, or 0 where the agent follows a rule.
    """

    observation: Float[Array, "M T 11"]
    latent: Float[Array, "M T 2"]
    density: Float[Array, "M T"]
    advantage: Float[Array, "M T"]
    target: Float[Array, "M T"]
    weight: Float[Array, "M T"]


def init(key: Key[Array, ""], settings: LearningSettings) -> LearningState:
    """An untrained policy."""
    policy_key, key = jax.random.split(key)
    policy = initial_policy(policy_key, settings.hidden)
    return LearningState(policy, optimizer(settings).init(policy), key, jnp.int32(0))


@partial(jax.jit, static_argnames="settings")
def step(state: LearningState, traits: TraitDistribution, settings: SimulationSettings) -> tuple[LearningState, Progress]:
    """One update: simulate markets of the distribution, and improve the policy by what happened in them.

    The loss is PPO's (arXiv 1707.06347, equation 7) with advantages of generalised estimation in which each agent discounts by its own
    factor, from turn to turn of its own; plus the critic's squared error, and a divergence of mean actions from a standard normal.

    Args:
        traits: the mix of agents of this update. Another mix needs no other program.
        settings: its `traits` are not used.

    Raises:
        ConfigError: the devices of the mesh cannot share out the parts.
    """
    learning, market = settings.learning, settings.market
    key = jax.random.fold_in(state.key, state.updates)
    shock_key, key = jax.random.split(key)
    shocks = fundamental_shocks(shock_key, market.preopen + market.ticks, learning.markets, market.correlation)
    parts = jax.random.split(key, learning.parts), split(shocks, learning.parts, axis=1)
    policy, optimizer_state, progress = over_devices(
        partial(_update, settings=settings), parts, state.policy, state.optimizer, traits, together=True
    )
    return LearningState(policy, optimizer_state, state.key, state.updates + 1), progress


def optimizer(settings: LearningSettings) -> optax.GradientTransformation:
    """Adam for actor and critic, the gradient of each cut off at a norm of its own."""

    def one() -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(settings.gradient_norm), optax.adam(settings.learning_rate, eps=ADAM_EPSILON))

    return optax.multi_transform({"actor": one(), "critic": one()}, Policy("actor", "critic"))  # type: ignore[arg-type]


def _update(
    parts: tuple[Key[Array, " P"], Float[Array, "P T m"]],
    policy: Policy,
    optimizer_state: optax.OptState,
    traits: TraitDistribution,
    settings: SimulationSettings,
) -> tuple[Policy, optax.OptState, Progress]:
    """The update on one device, with its share of the parts."""
    learning = settings.learning
    keys = jax.vmap(partial(jax.random.split, num=3))(parts[0])

    def simulated(part: tuple[Key[Array, ""], Key[Array, ""], Float[Array, "T m"]]) -> tuple[Lessons, Progress]:
        key, end_key, shocks = part
        rollout = roll_out(policy, traits, key, shocks, settings.market, spread=jnp.float32(learning.spread))
        return _lessons(policy, rollout, end_key, settings)

    lessons, progress = each_part(simulated, (keys[:, 0], keys[:, 1], parts[1]))
    lessons = lessons._replace(advantage=_standardised(lessons.advantage, lessons.weight))
    orders = _orders(keys[:, 2], lessons.advantage.shape[1], learning)

    def improve(carried: tuple[Policy, optax.OptState], order: Int[Array, "P m"]) -> tuple[tuple[Policy, optax.OptState], Array]:
        policy, optimizer_state = carried
        loss_gradient = jax.grad(partial(ppo_loss, settings=learning), has_aux=True)

        def learned(part: tuple[Lessons, Int[Array, " m"]]) -> tuple[Policy, Array]:
            some, markets = part
            return loss_gradient(policy, jax.tree.map(lambda lesson: lesson[markets], some))

        gradient, facts = mean_over_parts(each_part(learned, (lessons, order)))
        with jax.numpy_dtype_promotion("standard"):  # optax counts steps in integers
            changes, optimizer_state = optimizer(learning).update(gradient, optimizer_state, policy)
        return (optax.apply_updates(policy, changes), optimizer_state), facts

    (policy, optimizer_state), facts = lax.scan(improve, (policy, optimizer_state), orders)
    least = jnp.min(all_parts(progress.least_deviation))
    value_error, clipped = jnp.mean(facts, axis=0)
    progress = mean_over_parts(progress)._replace(least_deviation=least, value_error=value_error, clipped=clipped)
    return policy, optimizer_state, progress


def _lessons(policy: Policy, rollout: Rollout, key: Key[Array, ""], settings: SimulationSettings) -> tuple[Lessons, Progress]:
    """What one part of the markets teaches."""
    ticks = rollout.ticks
    estimate = advantages(policy, rollout, key, settings)
    by_rule = jnp.take_along_axis(rollout.traits.by_rule.T, ticks.actor, axis=0)
    lessons = Lessons(
        observation=ticks.observation,
        latent=ticks.latent,
        density=-0.5 * jnp.sum(jnp.square(ticks.noise), axis=-1),
        advantage=estimate.advantage,
        target=estimate.target,
        weight=(~by_rule).astype(jnp.float32),
    )
    away = jnp.log(ticks.price.astype(jnp.float32)) - ticks.log_fundamental
    deviations = jnp.std(jnp.diff(jnp.log(ticks.middle), axis=0), axis=0)
    progress = Progress(
        trades=jnp.mean((ticks.trades > 0).astype(jnp.float32)),
        mispricing=jnp.mean(jnp.std(away, axis=0)),
        reward=jnp.mean(estimate.at_once),
        gain=jnp.mean(jnp.abs(estimate.by_gain)),
        least_deviation=jnp.min(deviations),
        value_error=jnp.float32(0),
        clipped=jnp.float32(0),
    )
    return jax.tree.map(lambda lesson: jnp.swapaxes(lesson, 0, 1), lessons), progress


def _standardised(advantage: Float[Array, "P m T"], weight: Float[Array, "P m T"]) -> Float[Array, "P m T"]:
    """Advantages with mean 0 and standard deviation 1 over all parts of all devices."""

    def mean(values: Float[Array, "P m T"]) -> Float[Array, ""]:
        total, count = mean_over_parts((each_part(jnp.sum, values * weight), each_part(jnp.sum, weight)))
        return total / jnp.maximum(count, 1.0)

    centred = advantage - mean(advantage)
    return centred / (jnp.sqrt(mean(jnp.square(centred))) + LEAST_DEVIATION)


def _orders(keys: Key[Array, " P"], markets: int, settings: LearningSettings) -> Int[Array, "S P m"]:
    """Which markets of each part each step of the optimiser learns from: every epoch all of them, in an order of its own."""

    def epochs(key: Key[Array, ""]) -> Int[Array, "S m"]:
        shuffled = jax.vmap(lambda one: jax.random.permutation(one, markets))(jax.random.split(key, settings.epochs))
        return shuffled.reshape(settings.epochs * settings.minibatches, markets // settings.minibatches)

    return jnp.swapaxes(jax.vmap(epochs)(keys), 0, 1)


def ppo_loss(policy: Policy, lessons: Lessons, settings: LearningSettings) -> tuple[Float[Array, ""], Float[Array, " 2"]]:
    """PPO's loss on some markets, with the critic's error and the share of ratios that were cut off."""
    mean = mean_action(policy, lessons.observation)
    density = -0.5 * jnp.sum(jnp.square((lessons.latent - mean) / settings.spread), axis=-1)
    ratio = jnp.exp(density - lessons.density)
    bounded = jnp.clip(ratio, 1 - settings.clip, 1 + settings.clip)
    count = jnp.maximum(jnp.sum(lessons.weight), 1.0)

    def average(values: Float[Array, "m T"]) -> Float[Array, ""]:
        return jnp.sum(values * lessons.weight) / count

    improvement = average(jnp.minimum(ratio * lessons.advantage, bounded * lessons.advantage))
    value_error = average(jnp.square(value(policy, lessons.observation) - lessons.target))
    clipped = average((jnp.abs(ratio - 1) > settings.clip).astype(jnp.float32))
    loss = -improvement + settings.value_weight * value_error + settings.action_prior * _divergence(mean)
    return loss, jnp.stack([value_error, clipped])


def _divergence(mean: Float[Array, "m T 2"]) -> Float[Array, ""]:
    """½ (log Σ s − 2 + Σ 1/s + Σ m²/s) of mean actions with means m and standard deviations s, as in the code of arXiv 2511.05207."""
    centre, deviation = jnp.mean(mean, axis=(0, 1)), jnp.std(mean, axis=(0, 1)) + 1e-4
    return 0.5 * (jnp.log(jnp.sum(deviation)) - 2 + jnp.sum(1 / deviation) + jnp.sum(centre * centre / deviation))
