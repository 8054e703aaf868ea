"""Markets computed in equal parts, which the devices share out: every part is the same program, whichever device computes it.

That is what makes a result independent of the number of devices, bit by bit: a matrix product of 16 rows need not round as one of 32 does.
The mesh is JAX's own context (`jax.set_mesh`), with all of its axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

from massjax.errors import ConfigError

Tree = TypeVar("Tree")


def over_devices(function: Callable[..., Tree], parts: Any, *data: object, together: bool = False) -> Tree:
    """`function(parts, *data)`, with the leading axis of `parts` shared out over the devices of the mesh.

    Args:
        parts: a tree of arrays with the parts along the first axis.
        data: the same on every device.
        together: whether results are of all parts, made with `all_parts`, and so the same on every device; else they are of each part,
            along the first axis.

    Raises:
        ConfigError: the devices cannot share the parts out equally.
    """
    mesh = jax.sharding.get_abstract_mesh()
    count = len(jax.tree.leaves(parts)[0])
    devices = math.prod(mesh.shape.values())
    if devices <= 1 or mesh.manual_axes:
        return function(parts, *data)
    if count % devices:
        parts_of = f"{count} part{'' if count == 1 else 's'}"
        raise ConfigError(
            f"learning.parts: {parts_of} cannot be shared out equally over {devices} devices; make it a multiple of {devices}"
        )
    share = PartitionSpec(mesh.axis_names)
    specs = (share, *(PartitionSpec() for _ in data))
    spread = jax.shard_map(function, in_specs=specs, out_specs=PartitionSpec() if together else share, check_vma=False)(parts, *data)
    return spread if together else jax.tree.map(lambda leaf: lax.with_sharding_constraint(leaf, PartitionSpec()), spread)


def each_part(function: Callable[..., Tree], parts: Any) -> Tree:
    """`function` of each part in turn, as one program."""

    def apart(part: Any) -> Tree:
        return lax.optimization_barrier(function(lax.optimization_barrier(part)))

    return lax.map(apart, parts)


def mean_over_parts(tree: Tree) -> Tree:
    """The mean over the parts of all devices, always added up in the order of the parts."""

    def mean(leaf: jax.Array) -> jax.Array:
        every = all_parts(leaf)
        total = every[0]
        for part in range(1, len(every)):
            total = total + every[part]
        return total / len(every)

    return jax.tree.map(mean, tree)


def all_parts(leaf: jax.Array) -> jax.Array:
    """The parts of all devices, along the first axis."""
    axes = jax.sharding.get_abstract_mesh().manual_axes
    return lax.all_gather(leaf, axes, tiled=True) if axes else leaf


def split(tree: Tree, parts: int, axis: int = 0) -> Tree:
    """The markets of `axis` in `parts` equal parts, along a new first axis.

    Raises:
        ConfigError: they cannot be.
    """

    def apart(leaf: jax.Array) -> jax.Array:
        at = axis % leaf.ndim
        if leaf.shape[at] % parts:
            raise ConfigError(f"markets: {leaf.shape[at]} cannot be shared out equally over {parts} parts; make it a multiple of {parts}")
        shape = (*leaf.shape[:at], parts, leaf.shape[at] // parts, *leaf.shape[at + 1 :])
        return jnp.moveaxis(leaf.reshape(shape), at, 0)

    return jax.tree.map(apart, tree)


def joined(tree: Tree, axis: int = 0) -> Tree:
    """Undoes `split`."""

    def whole(leaf: jax.Array) -> jax.Array:
        at = axis % (leaf.ndim - 1)
        moved = jnp.moveaxis(leaf, 0, at)
        return moved.reshape(*moved.shape[:at], -1, *moved.shape[at + 2 :])

    return jax.tree.map(whole, tree)
