"""The whole configuration of a simulated market, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from massjax.config.reading import override, read_yaml
from massjax.errors import ConfigError
from massjax.settings import ConfigPath, Settings, validate
from massjax.simulator.settings import SimulationSettings

LAGS_BEYOND_LIFE = 50
"""Lags beyond the orders' time to live, of as many ticks as there are agents, over which long memory is looked for."""

MOST_TICKS = 1_000_000
"""Ticks of a market, as `massjax.simulator.settings.MarketSettings` has them."""


class MarketEvaluation(Settings):
    """The markets in which the policy is judged, beside other populations of agents."""

    markets: int = Field(48, ge=5, le=65_536, description="Markets of each population; intervals are over them.")
    ticks: int = Field(
        4_000, ge=100, le=MOST_TICKS, description="Ticks of continuous trading in each; long memory needs many more than agents."
    )
    draws: int = Field(200, ge=20, le=100_000, description="Resamples of the markets behind each interval.")


class PanelSettings(Settings):
    """A panel of stocks for `massjax.optimize`, written by `--panel DIR`, of which it is known who is informed.

    Each market is one stock, and a date ends after so many ticks. A group of agents with one trait has an opinion of each stock on each
    date: log(p_f / p) plus its noise. An uninformed group has opinions of the same kind, of stocks that are not in the panel.
    """

    stocks: int = Field(40, ge=5, le=10_000, description="Stocks, each a market of its own.")
    dates: int = Field(400, ge=20, le=100_000, description="Trading days of the panel, at each of which groups have opinions.")
    ticks_per_date: int = Field(20, ge=2, le=10_000, description="Ticks of trading in a day, after the last of which opinions are asked.")
    correlation: float = Field(
        0.3, ge=0, lt=1, description="Correlation of the moves of the stocks' fundamentals; in place of `simulation.market.correlation`."
    )
    groups: int = Field(16, ge=2, le=1_000, description="Groups of agents, the archetypes of the scores.")
    informed: int = Field(4, ge=0, le=1_000, description="Groups that are informed; 0 = nobody knows anything.")
    start: date = Field(date(2000, 1, 3), description="The first date. Dates are made up: weekdays from here on.")

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Self:
        if self.informed > self.groups:
            raise ValueError(f"informed: {self.informed} of {self.groups} groups cannot be informed; make it {self.groups} or fewer")
        return self

    @model_validator(mode="after")
    def _short_enough(self) -> Self:
        if self.dates * self.ticks_per_date > MOST_TICKS:
            raise ValueError(
                f"dates: {self.dates:,} of {self.ticks_per_date:,} ticks are {self.dates * self.ticks_per_date:,} ticks of a market, which "
                f"has at most {MOST_TICKS:,}; give fewer dates, or ticks_per_date less"
            )
        if np.busday_offset(self.start, self.dates - 1, roll="forward") > np.datetime64(date.max):
            raise ValueError(f"start: {self.dates:,} weekdays from {self.start} on go beyond the year {date.max.year}; begin earlier")
        return self


class MarketRunConfig(Settings):
    """Everything that `massjax.simulate` needs: the market, how long its agents learn, and how it is judged."""

    name: str = Field("market", min_length=1, max_length=100, description="Name of the run, in its report and in that of its folder.")
    simulation: SimulationSettings = Field(
        default_factory=SimulationSettings, description="The market, its agents, their reward and learning."
    )
    updates: int = Field(
        938,
        ge=0,
        le=10_000_000,
        description="Updates to learn for, each of `simulation.learning.markets` markets of `simulation.market.ticks` ticks; 0 learns "
        "nothing and plays `policy`.",
    )
    policy: ConfigPath | None = Field(
        None,
        description="File policy.npz of an earlier run to play where `updates` is 0, relative to the config file; null plays the one that "
        "comes with massjax.",
    )
    evaluation: MarketEvaluation = Field(default_factory=MarketEvaluation, description="The markets in which the policy is judged.")
    panel: PanelSettings = Field(default_factory=PanelSettings, description="The panel of stocks that `--panel DIR` writes.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of all randomness; the same seed gives the same run, on one device or many.")
    out: ConfigPath | None = Field(
        None,
        description="Run directory of the market, relative to the config file; null takes `runs/NAME-TIME` in the current folder. `--out` "
        "overrides it.",
    )

    @model_validator(mode="after")
    def _shared_out(self) -> Self:
        parts = self.simulation.learning.parts
        for place, markets in (("evaluation.markets", self.evaluation.markets), ("panel.stocks", self.panel.stocks)):
            if markets % parts:
                raise ValueError(
                    f"{place}: {markets} cannot be shared out equally over {parts} parts (simulation.learning.parts); make it a multiple "
                    f"of {parts}"
                )
        return self

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        last = self.simulation.market.agents + LAGS_BEYOND_LIFE
        if self.evaluation.ticks <= last + 1:
            raise ValueError(
                f"evaluation.ticks: {self.evaluation.ticks} are too few to look for memory at lags up to {last}, which lie beyond the life "
                f"of an order, {self.simulation.market.agents} ticks; give at least {2 * last}"
            )
        return self

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        if self.updates and self.policy is not None:
            raise ValueError("policy: is played where updates is 0, and agents are to learn; leave one of them out")
        return self


def load_market_config(path: Path | str | None = None, assignments: Sequence[str] = ()) -> MarketRunConfig:
    """Read the configuration of a simulated market and apply `section.key=value` assignments to it.

    Args:
        path: a YAML file; None means `configs/market.yaml` of the current folder, else of the checkout massjax is installed from.
        assignments: what `--set` takes on the command line, applied one after the other; values are YAML.

    Returns:
        Frozen settings, every value checked, relative paths made absolute from the folder of the file.

    Raises:
        ConfigError: naming the file and every key at fault.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name, "market.yaml")
        >>> _ = file.write_text("simulation: {market: {agents: 50}}")
        >>> config = load_market_config(file, ["updates=0"])
        >>> config.simulation.market.agents, config.updates
        (50, 0)
        >>> folder.cleanup()
    """
    file = Path(path) if path is not None else default_market_config()
    values = override(read_yaml(file), list(assignments))
    return validate(MarketRunConfig, values, source=str(file), folder=file.resolve().parent)


def default_market_config() -> Path:
    """`configs/market.yaml`, looked for in the current folder and beside the installed package.

    Raises:
        ConfigError: it is in neither.
    """
    for place in (Path("configs/market.yaml"), Path(__file__).resolve().parents[2] / "configs" / "market.yaml"):
        if place.is_file():
            return place
    raise ConfigError("configs/market.yaml: not found here; run from the checkout of massjax, or name a file with --config FILE")
