"""Gradient of the exact RankIC smoothed by noise on the logits; it needs only evaluations of the fitness, which are cheap."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from massjax.search.objectives import Objective


def perturbed_slopes(
    objective: Objective, logits: Float[Array, "P K"], noise: float, pairs: int, key: Key[Array, ""]
) -> Float[Array, "P K"]:
    r"""Gradient of the exact fitness averaged over normal noise, estimated from mirrored pairs of candidates.

    $$ \nabla_\theta \, \mathbb{E}_z f(\operatorname{softmax}(\theta + \sigma z)) \approx
       \frac{1}{2 \sigma m} \sum_{i=1}^{m} \big( f(\theta + \sigma z_i) - f(\theta - \sigma z_i) \big) z_i $$

    (Berthet et al. 2020, "Learning with differentiable perturbed optimizers", and the mirrored sampling of evolution strategies.) All
    restarts share their noise, which a few draws then pay for.

    Args:
        logits: of each restart.
        noise: its standard deviation, sigma.
        pairs: how many mirrored pairs, m; each costs two exact evaluations of each restart.

    Returns:
        [P, K]; a pair whose fitness is undefined adds nothing.
    """
    restarts, archetypes = logits.shape
    directions = jax.random.normal(key, (pairs, 1, archetypes))
    nudges = noise * jnp.concatenate([directions, -directions])
    tried = (logits[None] + nudges).reshape(-1, archetypes)
    fitness = objective.judge(jax.nn.softmax(tried)).fitness.reshape(2, pairs, restarts)
    gain = jnp.nan_to_num(fitness[0] - fitness[1]) / (2 * noise * pairs)
    return jnp.einsum("mp,mk->pk", gain, directions[:, 0], precision="highest")
