"""The policy that all agents share: an actor and a critic of dense layers, as plain trees of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Key

from massjax.simulator.observe import OBSERVED

ACTIONS = 2
SMALL_GAIN = 0.014
"""Gain of the actor's last layer: at first its mean action hardly depends on what it sees."""
GAIN = 2.0**0.5
LARGEST_ACTION = 0.999


class Dense(NamedTuple):
    """A layer x @ weight + bias."""

    weight: Float[Array, "I O"]
    bias: Float[Array, " O"]


class Policy(NamedTuple):
    """Actor and critic, each of two hidden layers and a linear one."""

    actor: tuple[Dense, Dense, Dense]
    critic: tuple[Dense, Dense, Dense]


def initial_policy(key: Key[Array, ""], hidden: int) -> Policy:
    """An untrained policy: orthogonal weights, biases of 0."""
    actor_key, critic_key = jax.random.split(key)
    return Policy(_network(actor_key, hidden, ACTIONS, SMALL_GAIN), _network(critic_key, hidden, 1, GAIN))


def zero_intelligence(policy: Policy) -> Policy:
    """The policy with an actor that sees nothing: actions are noise around 0 (Gode and Sunder 1993, with a budget)."""
    last = policy.actor[2]
    return policy._replace(actor=(*policy.actor[:2], Dense(jnp.zeros_like(last.weight), jnp.zeros_like(last.bias))))


def named_arrays(policy: Policy) -> dict[str, Float[Array, " ..."]]:
    """The policy's arrays by name, `actor_0_weight` and so on, as a file holds them."""
    return {
        f"{network}_{layer}_{field}": getattr(dense, field)
        for network in Policy._fields
        for layer, dense in enumerate(getattr(policy, network))
        for field in Dense._fields
    }


def policy_of(arrays: Mapping[str, Float[ArrayLike, " ..."]]) -> Policy:
    """Undoes `named_arrays`.

    Raises:
        KeyError: an array is missing.
    """

    def network(name: str) -> tuple[Dense, Dense, Dense]:
        first, second, last = (
            Dense(*(jnp.asarray(arrays[f"{name}_{layer}_{field}"], jnp.float32) for field in Dense._fields)) for layer in range(3)
        )
        return first, second, last

    return Policy(network("actor"), network("critic"))


def mean_action(policy: Policy, observation: Float[Array, "*B 11"]) -> Float[Array, "*B 2"]:
    """Mean of the action before it is squashed by tanh."""
    return _applied(policy.actor, observation)


def value(policy: Policy, observation: Float[Array, "*B 11"]) -> Float[Array, "*B"]:
    """The critic's value times 1 - discount, so that it is of one size whatever the discount."""
    return _applied(policy.critic, observation)[..., 0]


def squashed(latent: Float[Array, "*B 2"]) -> Float[Array, "*B 2"]:
    """The action itself, between -1 and 1: (how far inside the quotes' middle the limit is, side and volume)."""
    return jnp.clip(jnp.tanh(latent), -LARGEST_ACTION, LARGEST_ACTION)


def _network(key: Key[Array, ""], hidden: int, outputs: int, last_gain: float) -> tuple[Dense, Dense, Dense]:
    sizes = (len(OBSERVED), hidden, hidden, outputs)
    gains = (GAIN, GAIN, last_gain)
    keys = jax.random.split(key, 3)
    first, second, last = (
        Dense(jax.nn.initializers.orthogonal(gain)(one, (inputs, units), jnp.float32), jnp.zeros(units, jnp.float32))
        for one, inputs, units, gain in zip(keys, sizes[:-1], sizes[1:], gains, strict=True)
    )
    return first, second, last


def _applied(layers: tuple[Dense, Dense, Dense], inputs: Float[Array, "*B I"]) -> Float[Array, "*B O"]:
    *hidden, last = layers
    for layer in hidden:
        inputs = jax.nn.silu(_affine(layer, inputs))
    return _affine(last, inputs)


def _affine(layer: Dense, inputs: Float[Array, "*B I"]) -> Float[Array, "*B O"]:
    return inputs @ layer.weight + jnp.expand_dims(layer.bias, tuple(range(inputs.ndim - 1)))
