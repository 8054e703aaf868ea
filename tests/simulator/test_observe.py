"""What agents see, against the formula in float64."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from massjax.simulator.observe import OBSERVED, Memory, observe
from massjax.simulator.settings import MarketSettings
from massjax.simulator.traits import Traits

SETTINGS = MarketSettings()


def scaled(value: float, lowest: float, highest: float) -> float:
    return min(max(2 * (value - lowest) / (highest - lowest) - 1, -1.0), 1.0)


def plain(cash, shares, price, log_fundamental, depths, now, then, noise, risk, discount, error) -> list[float]:
    ticks = max(now[2] - then[2], 1.0)
    mean = (now[0] - then[0]) / ticks
    variance = max((now[1] - then[1]) / ticks - mean**2, 0.0)
    wealth = cash + shares * price
    seen = log_fundamental - np.log(price) + noise * error
    return [
        scaled(shares * price / max(wealth, 1.0), 0, 1),
        scaled(shares / 20, 0, 3),
        scaled(price / (cash + 1), 0, 1),
        scaled(mean * 100, -0.1, 0.1),
        scaled(variance * 100, 0, 0.005),
        scaled(min(shares / (depths[0] + 1e-6), 5), 0, 5),
        scaled(min(shares / (depths[1] + 1e-6), 5), 0, 5),
        scaled(seen, -0.1, 0.1),
        scaled(noise, 0.02 - 0.0309, 0.02 + 0.0309),
        scaled(risk, 2 - 3.09, 2 + 3.09),
        scaled(discount, 0.75, 0.999),
    ]


def test_every_number_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    count = 64
    cash, shares = rng.integers(0, 5_000_000, count), rng.integers(0, 80, count)
    cash[:2], shares[0] = 0, 0
    price = rng.integers(20_000, 40_000, count)
    log_fundamental = np.log(30_000) + rng.normal(0, 0.05, count)
    depths = rng.exponential(20, (2, count)) * (rng.random((2, count)) < 0.9)
    then = np.stack([np.log(30_000) + rng.normal(0, 0.02, count), rng.exponential(1e-3, count), rng.integers(0, 100, count)])
    now = then + np.stack([rng.normal(0, 0.02, count), rng.exponential(4e-3, count), rng.integers(0, 300, count)])
    then, now, log_fundamental = (np.float64(np.float32(values)) for values in (then, now, log_fundamental))
    noise, risk, discount = rng.exponential(0.02, count), rng.exponential(2, count), rng.uniform(0.75, 0.999, count)
    error = rng.normal(size=count)
    zeros = jnp.zeros(count)
    traits = Traits(*(jnp.asarray(trait, jnp.float32) for trait in (noise, risk, discount)), zeros > 0, zeros, zeros, zeros, zeros)
    ints, floats = (lambda x: jnp.asarray(x, jnp.int32)), (lambda x: jnp.asarray(x, jnp.float32))
    seen = observe(
        ints(cash),
        ints(shares),
        ints(price),
        floats(log_fundamental),
        (floats(depths[0]), floats(depths[1])),
        Memory(*map(floats, now)),
        Memory(*map(floats, then)),
        traits,
        floats(error),
        SETTINGS,
    )
    expected = [
        plain(
            cash[i], shares[i], price[i], log_fundamental[i], depths[:, i], now[:, i], then[:, i], noise[i], risk[i], discount[i], error[i]
        )
        for i in range(count)
    ]
    assert seen.observation.shape == (len(OBSERVED), count)
    np.testing.assert_allclose(seen.observation.T, expected, atol=2e-4)
    for row, name in enumerate(OBSERVED):
        assert np.ptp(seen.observation[row]) > 0.1, name
