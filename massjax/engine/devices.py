"""Candidates spread over several devices: each evaluates its share, and the results do not depend on how many there are.

```python
with over_devices(2):
    mj.search_window(scores, member, forward_returns, mj.Annealing(chains=4096), key=key)
```

The mesh is JAX's own context (`jax.set_mesh`): everything traced within it is spread, and compiled apart from what is not. After
`jax.distributed.initialize` the devices of several processes form one mesh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, PartitionSpec
from jaxtyping import Array, Float

from massjax.errors import ConfigError

AXIS = "candidates"
Tree = TypeVar("Tree")


def over_devices(count: int | None = None) -> AbstractContextManager[object]:
    """A context in which candidates are spread over the first `count` devices, or over all.

    On a CPU there is one device unless `jax.config.update("jax_num_cpu_devices", count)` comes before the first computation.

    Raises:
        ConfigError: there are fewer devices.
    """
    devices = jax.devices()
    count = len(devices) if count is None else count
    if not 1 <= count <= len(devices):
        raise ConfigError(
            f"devices={count}: JAX sees {len(devices)} ({devices[0].platform}); expected 1 to {len(devices)}. On a CPU, set "
            'jax.config.update("jax_num_cpu_devices", ...) before the first computation (the commands do, by --devices)'
        )
    return _within(jax.make_mesh((count,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices[:count]))


@contextmanager
def _within(mesh: jax.sharding.Mesh) -> Iterator[None]:
    """A context in which `mesh` is JAX's current mesh; a bare call of `jax.set_mesh` would set it for good."""
    with jax.set_mesh(mesh):
        yield


def spread_candidates(function: Callable[..., Float[Array, "P ..."]], weights: Float[Array, "P K"], *data: object) -> Float[Array, "P ..."]:
    """`function(weights, *data)`, a share of the candidates on each device of the mesh; candidates must not see each other."""
    count = device_count()
    if count == 1:
        return function(weights, *data)
    missing = -len(weights) % count
    padded = jnp.concatenate([weights, jnp.broadcast_to(weights[-1:], (missing, weights.shape[1]))])
    specs = (PartitionSpec(AXIS), *(PartitionSpec() for _ in data))
    return jax.shard_map(function, in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False)(padded, *data)[: len(weights)]


def spread_items(function: Callable[..., Tree], items: Any, *data: object) -> Tree:
    """`function(items, *data)`, a share of the items on each device; each leaf of the result has the items as its leading axis.

    The items are an array, or a tree of arrays with them along the first axis; their number must be a multiple of `device_count()`.
    """
    if device_count() == 1:
        return function(items, *data)
    specs = (PartitionSpec(AXIS), *(PartitionSpec() for _ in data))
    return gathered(jax.shard_map(function, in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False)(items, *data))


def gathered(tree: Tree) -> Tree:
    """The arrays whole on every device, so that every process can read them."""
    if device_count() == 1:
        return tree
    return jax.tree.map(lambda leaf: lax.with_sharding_constraint(leaf, PartitionSpec()), tree)


def device_count() -> int:
    """Devices that work may be spread over here: 1 outside of `over_devices`, and within what is spread already."""
    mesh = jax.sharding.get_abstract_mesh()
    return 1 if AXIS in mesh.manual_axes else dict(mesh.shape).get(AXIS, 1)
