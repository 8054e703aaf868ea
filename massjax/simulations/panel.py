"""A panel of simulated stocks, as tables and scores that `massjax.optimize` reads, and the truth beside it: who is informed, by how much.

Each stock is a market of its own, their fundamentals share a factor, and a date ends after so many ticks. What a group thinks of a stock
at the close is log(p_f / p) plus the group's noise; an uninformed group thinks the same of other stocks, simulated beside the panel's and
in the same way, so that its scores move as those of the informed do and know nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import polars as pl
from jaxtyping import Float, Int, Shaped
from scipy.special import ndtr, ndtri

from massjax.config.market_run import MarketRunConfig, PanelSettings
from massjax.report.run_directory import CONFIG, Kind, disk_told, settings_text
from massjax.simulator.policy import Policy
from massjax.simulator.rollout import Ticks, simulate
from massjax.simulator.settings import TraitSettings
from massjax.simulator.traits import LEAST_NOISE, distribution

PRICES, FEATURES, SCORES = "prices.parquet", "features.parquet", "scores.parquet"
TRUTH, TRUE_VALUES = "truth.json", "truth.parquet"
PANEL = Kind(
    "a simulated panel",
    own=frozenset({PRICES, FEATURES, SCORES, TRUTH, TRUE_VALUES, CONFIG}),
    always=frozenset({TRUTH}),
    either=frozenset({SCORES}),
    option="--panel",
)
TYPICAL_MISPRICING = 0.013
"""Standard deviation of log(p_f / p) in a market of trained agents; it puts opinions on a scale of 0 to 1, the same on all dates."""


class Days(NamedTuple):
    """Markets by day, [dates, markets].

    Attributes:
        close: last price of the day, in money.
        volume: shares traded.
        trades: ticks with a trade.
        spread: mean of the ticks that are quoted on both sides, NaN where none is.
        imbalance: shares to buy less those to sell near the quotes at the close, over their sum; 0 where there are none.
        fundamental: value at the close, in money.
    """

    close: Float[np.ndarray, "T M"]
    volume: Int[np.ndarray, "T M"]
    trades: Int[np.ndarray, "T M"]
    spread: Float[np.ndarray, "T M"]
    imbalance: Float[np.ndarray, "T M"]
    fundamental: Float[np.ndarray, "T M"]

    @property
    def mispricing(self) -> Float[np.ndarray, "T M"]:
        """log(p_f / p) at the close."""
        return np.log(self.fundamental / self.close)

    def of(self, markets: slice) -> Days:
        """Some of the markets."""
        return Days(*(values[:, markets] for values in self))


class Groups(NamedTuple):
    """Groups of agents with one trait each.

    Attributes:
        names: of the archetypes.
        noise: standard deviation of the error with which each sees the log fundamental.
        informed: True where it sees the stocks of the panel.
    """

    names: tuple[str, ...]
    noise: Float[np.ndarray, " G"]
    informed: Shaped[np.ndarray, " G"]


class SimulatedPanel(NamedTuple):
    """A panel and its truth.

    Attributes:
        dates: weekdays.
        stocks: identifiers.
        days: of the stocks.
        groups: who has opinions.
        views: log(p_f / p) as each group sees it.
    """

    dates: Shaped[np.ndarray, " T"]
    stocks: tuple[str, ...]
    days: Days
    groups: Groups
    views: Float[np.ndarray, "T G N"]

    @property
    def scores(self) -> Float[np.ndarray, "T G N"]:
        """Views on a scale of 0 to 1: Φ(view / √(noise² + typical mispricing²))."""
        return ndtr(self.views / np.hypot(self.groups.noise, TYPICAL_MISPRICING)[None, :, None])


def simulated_panel(policy: Policy, config: MarketRunConfig) -> SimulatedPanel:
    """A panel of the configuration, traded by agents of a policy."""
    return panel_of_days(simulated_days(policy, config), config)


def simulated_days(policy: Policy, config: MarketRunConfig) -> Days:
    """The days of twice as many markets as the panel has stocks: the second half is what the uninformed look at."""
    settings, simulation = config.panel, config.simulation
    market = simulation.market.replace(ticks=settings.dates * settings.ticks_per_date, correlation=settings.correlation)
    rollout = simulate(
        policy,
        distribution(simulation.traits),
        jax.random.fold_in(jax.random.key(config.seed), 2),
        market,
        markets=2 * settings.stocks,
        parts=simulation.learning.parts,
        spread=np.float32(simulation.learning.spread),
    )
    return by_day(rollout.ticks, settings.ticks_per_date, market.tick)


def panel_of_days(days: Days, config: MarketRunConfig) -> SimulatedPanel:
    """The first half of the markets as stocks, with the opinions of groups that are drawn with the configuration's seed."""
    settings = config.panel
    rng = np.random.default_rng(config.seed)
    groups = drawn_groups(settings, config.simulation.traits, rng)
    mine, others = days.of(slice(settings.stocks)), days.of(slice(settings.stocks, None))
    dates = np.busday_offset(np.datetime64(settings.start, "D"), np.arange(settings.dates), roll="forward")
    digits = len(str(settings.stocks))
    stocks = tuple(f"S{number:0{digits}d}" for number in range(1, settings.stocks + 1))
    return SimulatedPanel(dates, stocks, mine, groups, seen(mine.mispricing, others.mispricing, groups, rng))


def by_day(ticks: Ticks, ticks_per_date: int, tick: float) -> Days:
    """Ticks summed up by days of so many of them; those after the last whole day are left out."""
    dates = len(ticks.price) // ticks_per_date

    def days(values: object) -> np.ndarray:
        plain = np.asarray(values)
        return plain[: dates * ticks_per_date].reshape(dates, ticks_per_date, *plain.shape[1:])

    spread = days(ticks.spread).astype(np.float64)
    quoted = np.isfinite(spread)
    count = quoted.sum(axis=1)
    buys, sells = (days(depth)[:, -1].astype(np.float64) for depth in (ticks.buy_depth, ticks.sell_depth))
    total = buys + sells
    return Days(
        close=days(ticks.price)[:, -1].astype(np.float64) * tick,
        volume=days(ticks.traded).sum(axis=1),
        trades=(days(ticks.trades) > 0).sum(axis=1),
        spread=np.where(count > 0, np.where(quoted, spread, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan),
        imbalance=np.where(total > 0, (buys - sells) / np.where(total > 0, total, 1.0), 0.0),
        fundamental=np.exp(days(ticks.log_fundamental)[:, -1].astype(np.float64)) * tick,
    )


def drawn_groups(settings: PanelSettings, traits: TraitSettings, rng: np.random.Generator) -> Groups:
    """Groups whose noises are evenly spaced quantiles of the agents' distribution, in a random order; random ones of them are informed.

    Example:
        >>> import numpy as np
        >>> from massjax.config.market_run import PanelSettings
        >>> from massjax.simulator.settings import TraitSettings
        >>> groups = drawn_groups(PanelSettings(groups=4, informed=1), TraitSettings(), np.random.default_rng(0))
        >>> groups.names, int(groups.informed.sum()), np.sort(groups.noise).round(3).tolist()
        (('group-1', 'group-2', 'group-3', 'group-4'), 1, [0.008, 0.017, 0.023, 0.032])
    """
    quantiles = ndtri((np.arange(settings.groups) + 0.5) / settings.groups)
    noise = np.maximum(traits.noise_mean + traits.noise_spread * quantiles, LEAST_NOISE)
    informed = np.zeros(settings.groups, bool)
    informed[rng.permutation(settings.groups)[: settings.informed]] = True
    digits = len(str(settings.groups))
    names = tuple(f"group-{number:0{digits}d}" for number in range(1, settings.groups + 1))
    return Groups(names, rng.permutation(noise), informed)


def seen(
    mispricing: Float[np.ndarray, "T N"], elsewhere: Float[np.ndarray, "T N"], groups: Groups, rng: np.random.Generator
) -> Float[np.ndarray, "T G N"]:
    """What each group sees: the mispricing of the stocks, or for the uninformed that of others in an order of their own; with noise."""
    dates, stocks = mispricing.shape
    looked_at = [mispricing if informed else elsewhere[:, rng.permutation(stocks)] for informed in groups.informed.tolist()]
    return np.stack(looked_at, axis=1) + groups.noise[None, :, None] * rng.normal(size=(dates, len(groups.names), stocks))


def information(panel: SimulatedPanel) -> Float[np.ndarray, " G"]:
    """Mean over dates of the correlation over stocks of each group's view with log(p_f / p)."""

    def standardised(values: np.ndarray) -> np.ndarray:
        centred = values - values.mean(axis=-1, keepdims=True)
        norm = np.sqrt(np.square(centred).sum(axis=-1, keepdims=True))
        return centred / np.where(norm > 0, norm, 1.0)

    truth = standardised(panel.days.mispricing)[:, None, :]
    return (standardised(panel.views) * truth).sum(axis=-1).mean(axis=0)


def write_panel(panel: SimulatedPanel, config: MarketRunConfig, folder: Path) -> None:
    """Write the tables, scores and truth of a panel into `folder`.

    Raises:
        MassjaxError: the disk is full or read-only.
    """
    days, groups = panel.days, panel.groups
    labels = {"date": np.repeat(panel.dates, len(panel.stocks)), "stock": np.tile(np.array(panel.stocks), len(panel.dates))}
    of_groups = {
        "date": np.repeat(panel.dates, len(panel.stocks) * len(groups.names)),
        "stock": np.tile(np.array(panel.stocks), len(panel.dates) * len(groups.names)),
        "archetype": np.tile(np.repeat(np.array(groups.names), len(panel.stocks)), len(panel.dates)),
    }
    features = {"spread": days.spread, "imbalance": days.imbalance, "trades": days.trades}
    truth = {
        "groups": [
            {"archetype": name, "informed": informed, "noise": noise, "correlation": correlation}
            for name, informed, noise, correlation in zip(
                groups.names, groups.informed.tolist(), groups.noise.tolist(), information(panel).tolist(), strict=True
            )
        ],
        "about": "correlation: mean over dates of that over stocks of the group's view with log(p_f / p) at the close",
        "seed": config.seed,
    }
    with disk_told(folder.parent, PANEL):
        (folder / CONFIG).write_text(settings_text(config), encoding="utf-8")
        (folder / TRUTH).write_text(json.dumps(truth, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        pl.DataFrame({**labels, "close": days.close.ravel(), "volume": days.volume.ravel()}).write_parquet(folder / PRICES)
        columns = {name: pl.Series(values.ravel(), nan_to_null=True) for name, values in features.items()}
        pl.DataFrame({**labels, **columns}).write_parquet(folder / FEATURES)
        pl.DataFrame({**of_groups, "score": panel.scores.ravel()}).write_parquet(folder / SCORES)
        values = {"fundamental": days.fundamental.ravel(), "mispricing": days.mispricing.ravel()}
        pl.DataFrame({**labels, **values}).write_parquet(folder / TRUE_VALUES)
