"""A panel of simulated stocks: days out of ticks, who is informed, and that the uninformed know nothing."""

from __future__ import annotations

import numpy as np
import pytest

from massjax.config.market_run import PanelSettings
from massjax.simulations.panel import Days, SimulatedPanel, by_day, drawn_groups, information, seen
from massjax.simulator.rollout import Ticks
from massjax.simulator.settings import TraitSettings


def test_days_are_ticks_summed_up_by_loops() -> None:
    rng = np.random.default_rng(0)
    shape = (11, 2)
    values = {
        "price": rng.integers(1, 50, shape),
        "traded": rng.integers(0, 9, shape),
        "trades": rng.integers(0, 3, shape),
        "spread": np.where(rng.random(shape) < 0.3, np.nan, rng.random(shape)),
        "buy_depth": rng.random(shape),
        "sell_depth": rng.random(shape),
        "log_fundamental": rng.normal(size=shape),
    }
    values["spread"][4:8, 1] = np.nan
    values["buy_depth"][3, 0] = values["sell_depth"][3, 0] = 0.0
    ticks = Ticks(*(np.zeros(shape) for _ in Ticks._fields))._replace(**values)
    found = by_day(ticks, 4, 0.5)
    for day in range(2):
        rows = slice(4 * day, 4 * day + 4)
        for market in range(2):
            last = 4 * day + 3
            assert found.close[day, market] == values["price"][last, market] * 0.5
            assert found.volume[day, market] == sum(values["traded"][rows, market])
            assert found.trades[day, market] == sum(values["trades"][rows, market] > 0)
            quoted = [spread for spread in values["spread"][rows, market] if np.isfinite(spread)]
            assert found.spread[day, market] == pytest.approx(np.mean(quoted) if quoted else np.nan, nan_ok=True)
            buys, sells = values["buy_depth"][last, market], values["sell_depth"][last, market]
            assert found.imbalance[day, market] == pytest.approx((buys - sells) / (buys + sells) if buys + sells else 0.0)
            assert found.mispricing[day, market] == pytest.approx(
                values["log_fundamental"][last, market] - np.log(values["price"][last, market])
            )
    assert len(found.close) == 2, "ticks after the last whole day are left out"


def test_groups_have_the_noises_of_the_agents_and_so_many_are_informed() -> None:
    traits = TraitSettings(noise_mean=0.005, noise_spread=0.01)
    groups = drawn_groups(PanelSettings(groups=16, informed=5), traits, np.random.default_rng(0))
    assert groups.informed.sum() == 5
    assert groups.noise.min() == 1e-4, "nobody sees the fundamental exactly"
    assert len(set(groups.names)) == 16
    other = drawn_groups(PanelSettings(groups=16, informed=5), traits, np.random.default_rng(1))
    assert (other.informed != groups.informed).any()
    np.testing.assert_allclose(np.sort(other.noise), np.sort(groups.noise))


def test_the_informed_see_their_stocks_and_the_uninformed_others() -> None:
    rng = np.random.default_rng(0)
    mine, others = 0.013 * rng.normal(size=(300, 20)), 0.013 * rng.normal(size=(300, 20))
    groups = drawn_groups(PanelSettings(groups=8, informed=3), TraitSettings(), np.random.default_rng(3))
    views = seen(mine, others, groups, rng)
    days = Days(*(np.exp(-mine),) * 5, np.ones_like(mine))
    panel = SimulatedPanel(np.arange(300), tuple("abcdefghijklmnopqrst"), days, groups, views)
    expected = np.where(groups.informed, 0.013 / np.hypot(0.013, groups.noise), 0.0)
    np.testing.assert_allclose(information(panel), expected, atol=0.05)
    assert ((panel.scores > 0) & (panel.scores < 1)).all()
    np.testing.assert_allclose(panel.scores.std(axis=(0, 2)), 1 / np.sqrt(12), atol=0.02)
    ranks = [np.argsort(np.argsort(values[0], axis=-1), axis=-1) for values in (views, panel.scores)]
    np.testing.assert_array_equal(*ranks)
