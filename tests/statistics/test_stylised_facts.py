from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.errors import ConfigError, DataError
from massjax.statistics.autocorrelation import autocorrelation, autocorrelation_decay
from massjax.statistics.over_markets import mean_over_markets
from massjax.statistics.stylised_facts import FactSettings, stylised_facts
from massjax.statistics.tails import excess_kurtosis, hill_index, standardised
from tests.statistics.processes import garch

FEW = FactSettings(draws=100)


def test_gaussian_markets_have_none_of_the_facts() -> None:
    rng = np.random.default_rng(1)
    returns = rng.normal(size=(60, 1000))
    facts = stylised_facts(returns, rng.poisson(2.0, size=returns.shape), rng.integers(-1, 2, size=returns.shape), FEW)
    assert facts.pop("Hill index of |r|").low > 5
    for name in [name for name in facts if name.endswith("exponent of decay")]:
        facts.pop(name)
    for name, found in facts.items():
        assert abs(found.estimate) < 4.5 * found.standard_error + 0.002, name
        assert found.markets == 60


def test_garch_markets_have_fat_tails_that_thin_out_and_clustering() -> None:
    facts = stylised_facts(garch(np.random.default_rng(0), 60, 2000, 0.2, 0.75, power=1.0), settings=FEW)
    assert facts["excess kurtosis, 1 tick"].low > facts["excess kurtosis, 100 ticks"].high
    assert facts["|r| autocorrelation, mean of lags 12-50"].low > 0.02
    assert abs(facts["r autocorrelation, lag 1"].estimate) < 4 * facts["r autocorrelation, lag 1"].standard_error
    assert "volume-volatility, bars of 10 ticks" not in facts


def test_each_figure_is_that_of_its_own_function() -> None:
    returns = np.random.default_rng(0).standard_t(4, size=(12, 400))
    facts = stylised_facts(returns, settings=FEW)
    assert facts["excess kurtosis, 1 tick"] == mean_over_markets(excess_kurtosis(returns), draws=100)
    assert facts["Hill index of |r|"].estimate == hill_index(standardised(returns)).index
    lags = range(1, 51)
    exponent = autocorrelation_decay(autocorrelation(np.abs(returns), lags), lags, ticks=400).exponent
    assert facts["|r| autocorrelation, exponent of decay"].estimate == pytest.approx(-exponent, nan_ok=True)


def test_a_market_that_dried_up_is_left_out_and_counted() -> None:
    returns = np.random.default_rng(0).standard_t(4, size=(12, 400))
    returns[0] = 0.0
    assert stylised_facts(returns, settings=FEW)["excess kurtosis, 1 tick"].markets == 11
    nothing = stylised_facts(np.zeros((12, 400)), settings=FEW)
    assert all(np.isnan([found.estimate, found.low, found.high]).all() for found in nothing.values())


def test_what_does_not_fit_is_refused() -> None:
    returns = np.ones((3, 50))
    with pytest.raises(DataError, match=r"volumes \(2, 50\)"):
        stylised_facts(returns, volumes=np.ones((2, 50)))
    with pytest.raises(DataError, match="two axes"):
        stylised_facts(returns[0])
    wrong = {
        "first_lag": 0,
        "last_lag": 5,
        "decay_lags": 2,
        "bar": 0,
        "scales": (),
        "lags": (0,),
        "passage_level": 0.0,
        "level": 1.0,
        "draws": 1,
    }
    for name, value in wrong.items():
        with pytest.raises(ConfigError, match=name):
            FactSettings(**{name: value})


def test_daily_returns_of_real_stocks_show_the_known_facts(shared_dir: Path) -> None:
    """88 US stocks, five years of days: Cont (2001) gives the signs, this sample the ranges."""
    table = pl.read_parquet(shared_dir / "data" / "stocknet" / "prices.parquet")
    closes, volumes = (
        table.pivot(on="stock", index="date", values=column).sort("date").drop("date").to_numpy().T.astype(np.float64)
        for column in ("adj_close", "volume")
    )
    returns = np.diff(np.log(closes), axis=1)
    facts = stylised_facts(returns, volumes[:, 1:], settings=FactSettings(draws=100, bar=1))
    kurtosis = [facts[f"excess kurtosis, {scale}"].estimate for scale in ("1 tick", "10 ticks", "100 ticks")]
    assert kurtosis[0] > 4 > 2 > kurtosis[1] > 0.5 > abs(kurtosis[2])
    assert 3 < facts["Hill index of |r|"].low < facts["Hill index of |r|"].high < 5.5
    for lag in (1, 10, 20, 50):
        assert abs(facts[f"r autocorrelation, lag {lag}"].estimate) < 0.02
        assert facts[f"|r| autocorrelation, lag {lag}"].low > 0.02
        assert facts[f"|r| autocorrelation, lag {lag}"].estimate > facts[f"r² autocorrelation, lag {lag}"].estimate
    assert 0.03 < facts["|r| autocorrelation, mean of lags 12-50"].estimate < 0.05
    assert 0.1 < facts["|r| autocorrelation, exponent of decay"].estimate < 0.4
    assert facts["volume-volatility, bars of 1 tick"].low > 0.35
    assert facts["skewness"].estimate < 0
