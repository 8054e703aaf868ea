"""Rewards against their formulas in float64."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from massjax.simulator.reward import Turn, reward_of_gain, reward_of_turn
from massjax.simulator.settings import LivingReward, PaperReward

COUNT = 200


def turns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    drawn = {
        "cash": rng.exponential(15_000, COUNT).round(2),
        "shares": rng.integers(0, 60, COUNT).astype(float),
        "price": rng.uniform(200, 400, COUNT),
        "mean_return": rng.normal(0, 0.03, COUNT),
        "variance": rng.exponential(2e-3, COUNT),
        "risk": rng.exponential(2, COUNT),
        "buy_depth": rng.exponential(30, COUNT),
        "sell_depth": rng.exponential(30, COUNT),
        "mispricing": rng.normal(0, 3, COUNT),
    }
    drawn["shares"][:5] = 0
    drawn["cash"][3:8] = 0
    drawn["buy_depth"][5:15] = 0
    return drawn


def living(cash, shares, price, mean_return, variance, risk, **_) -> float:
    wealth = cash + shares * price
    held = shares * price / max(wealth, 1.0)
    return 0.03 * 1000 * held * mean_return - 0.2 * 500 * risk * held**2 * variance


def paper(cash, shares, price, mean_return, variance, risk, buy_depth, sell_depth, mispricing) -> float:
    wealth = cash + shares * price
    held = shares * price / max(wealth, 1.0)
    utility = wealth * (1 + held * mean_return) - 0.5 * risk * abs(held) * variance * wealth
    sides = []
    for depth in (buy_depth, sell_depth):
        cost = 0.0 if shares == 0 else min(1 / (depth + 1e-6) * shares / max(shares, 1), 5 / max(shares, 1))
        sides.append(cost + 1e-6)
    illiquidity = min(0.005 * (sum(sides) + 0.1 * (max(sides) / min(sides) - 1)), 1.0)
    return 2 / np.pi * np.arctan(6e-5 * utility) - illiquidity - min(0.2 * abs(mispricing), 10.0)


@pytest.mark.parametrize(("settings", "formula"), [(LivingReward(), living), (PaperReward(), paper)])
def test_a_turn_is_worth_what_the_formula_says(settings, formula):
    drawn = turns()
    found = reward_of_turn(Turn(**{name: jnp.asarray(values, jnp.float32) for name, values in drawn.items()}), settings)
    expected = [formula(**{name: values[i] for name, values in drawn.items()}) for i in range(COUNT)]
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def test_debts_are_punished_by_the_paper():
    drawn = {name: jnp.asarray(values[:1], jnp.float32) for name, values in turns().items()}
    base = Turn(**drawn | {"shares": jnp.array([0.0]), "cash": jnp.array([0.0])})
    worth = reward_of_turn(base, PaperReward(level=0.0, illiquidity=0.0, mispricing=0.0))
    owing = base._replace(cash=jnp.array([-1.0]), shares=jnp.array([-1.0]))
    assert worth.tolist() == [0.0]
    np.testing.assert_allclose(reward_of_turn(owing, PaperReward(level=0.0, illiquidity=0.0, mispricing=0.0)), [-0.2], rtol=1e-6)


def test_gains_count_against_wealth_and_only_where_they_are_rewarded():
    gain, wealth = jnp.array([5.0, -3.0, 2.0]), jnp.array([20_000.0, 10_000.0, 10.0])
    np.testing.assert_allclose(reward_of_gain(gain, wealth, LivingReward()), [0.05, -0.06, 0.4], rtol=1e-6)
    assert reward_of_gain(gain, wealth, PaperReward()).tolist() == [0.0, 0.0, 0.0]
