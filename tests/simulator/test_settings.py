"""Settings of a simulated market that cannot be are refused by name."""

from __future__ import annotations

import pytest

from massjax.errors import ConfigError
from massjax.simulator.settings import (
    LARGEST,
    LearningSettings,
    LivingReward,
    MarketSettings,
    PaperReward,
    SimulationSettings,
    TraitSettings,
)


@pytest.mark.parametrize(
    ("settings", "values", "words"),
    [
        (
            MarketSettings,
            {"agents": 500},
            r"cash: 500 agents with 15,000 each .* can overflow 32-bit accounts: the mean may be 613,566 ticks",
        ),
        (MarketSettings, {"cash": 1e9}, "Use fewer agents, less cash, or a coarser tick"),
        (MarketSettings, {"price": 300_000}, r"price: 300,000 ticks leave too little room below the highest, 4,194,304 with 100 agents"),
        (MarketSettings, {"agents": 5000, "cash": 300}, r"price: .* Use a coarser tick, or fewer agents"),
        (MarketSettings, {"agents": 1}, "agents: .*greater than or equal to 2"),
        (MarketSettings, {"price_width": 1.0}, "price_width"),
        (TraitSettings, {"discount_lowest": 0.9, "discount_highest": 0.8}, "discount_lowest: 0.9 is above discount_highest, 0.8"),
        (
            TraitSettings,
            {"rule_share": 1, "fundamental_weight": 0, "chartist_weight": 0, "noise_weight": 0},
            "rule_share: rule agents need a weight",
        ),
        (
            LearningSettings,
            {"markets": 30},
            "markets: 30 cannot be shared out equally over 2 parts × 8 minibatches; make it a multiple of 16",
        ),
        (SimulationSettings, {"reward": "papre"}, "reward: .*'living' or 'paper'"),
        (SimulationSettings, {"market": {"agent": 10}}, r"unknown key 'market.agent' \(did you mean 'agents'\?\)"),
    ],
)
def test_what_cannot_be_is_refused_by_name(settings, values, words):
    with pytest.raises(ConfigError, match=words):
        settings(**values)


def test_all_that_is_added_up_fits_in_its_integer():
    for settings in (MarketSettings(), MarketSettings(agents=200), MarketSettings(agents=1000, tick=0.1, price=3000)):
        assert settings.agents * settings.most_cash <= LARGEST
        assert settings.agents * settings.most_shares <= LARGEST
        assert settings.highest_price * settings.agents + settings.agents < LARGEST
        assert settings.most_cash >= 7 * settings.cash_in_ticks


def test_the_reward_is_named():
    assert SimulationSettings().rewarded == LivingReward()
    assert SimulationSettings(reward="paper").rewarded == PaperReward()
