"""Rule agents forecast what their formula says."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from massjax.simulator.rules import rule_action
from massjax.simulator.settings import MarketSettings
from massjax.simulator.traits import Traits


def test_the_limit_is_the_forecast_less_a_margin():
    rng = np.random.default_rng(2)
    count = 50
    mispricing, mean_return, to_middle = rng.normal(0, [[0.03], [0.02], [0.005]], (3, count))
    chance, margin = rng.normal(size=count), rng.uniform(0, 0.01, count)
    fundamental, chartist, noisy = rng.exponential([[10.0], [1.25], [1.0]], (3, count))
    zeros = jnp.zeros(count)
    weights = (jnp.asarray(weight, jnp.float32) for weight in (fundamental, chartist, noisy, margin))
    given = (jnp.asarray(values, jnp.float32) for values in (mispricing, mean_return, to_middle, chance))
    action = rule_action(*given, Traits(zeros, zeros, zeros, zeros > 0, *weights), MarketSettings())
    forecast = (fundamental * mispricing / 2 + chartist * mean_return * 20 / 100 + noisy * 0.01 * chance) / (fundamental + chartist + noisy)
    side = np.where(forecast > 0, 1.0, -1.0)
    limit = to_middle + forecast - side * margin
    np.testing.assert_allclose(action[:, 1], 0.05 * side, rtol=1e-6)
    np.testing.assert_allclose(action[:, 0], np.clip(-side * limit / 0.05, -0.999, 0.999), rtol=1e-3, atol=1e-5)
