"""Settings of a calibration: what is compared with what, which traits are free between which bounds, and how much is simulated."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from massjax.config.reading import override, read_yaml
from massjax.errors import ConfigError, did_you_mean
from massjax.market.settings import MarketSettings
from massjax.settings import ConfigPath, Settings, validate
from massjax.simulator.settings import SimulationSettings, TraitSettings
from massjax.statistics.over_markets import FEWEST_MARKETS

FEWEST_BARS = 4
"""Bars of which a kurtosis can be measured."""
FEWEST_TAIL_VALUES = 152
"""Returns of all markets of which Hill's index can be measured: 38 in a quarter of them."""


class ComparedFacts(Settings):
    """Which stylised facts are compared, of returns over rows: rows of the panel, or `bar` ticks of simulated markets.

    Rows of both panels are cut into pieces of the length of a simulated market, because short series have less kurtosis and less memory.
    """

    bar: int = Field(10, ge=1, le=100_000, description="Ticks of simulated markets that stand for one row of the panel, such as a day.")
    scales: tuple[int, ...] = Field((1, 10), description="Rows over which returns are summed up before their excess kurtosis is taken.")
    hill: bool = Field(True, description="Whether Hill's tail index of |r| is compared, of all markets together.")
    lags: tuple[int, ...] = Field((1, 5), description="Lags, in rows, at which the autocorrelation of |r| is compared.")
    memory: tuple[int, int] | None = Field(
        (12, 20),
        description="First and last lag, in rows, of the mean autocorrelation of |r|; begin beyond the time to live of orders, which are "
        "as many ticks as there are agents. Null leaves it out.",
    )
    draws: int = Field(400, ge=50, le=100_000, description="Resamples of whole markets, from which the errors of the facts are taken.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("scales", "lags"):
            if any(value < 1 for value in getattr(self, name)) or len(set(getattr(self, name))) != len(getattr(self, name)):
                raise ValueError(f"{name}: expected different whole numbers from 1 on, not {list(getattr(self, name))}")
        if self.memory is not None and not 1 <= self.memory[0] <= self.memory[1]:
            raise ValueError(f"memory: expected a first lag of at least 1 and a last one not below it, not {list(self.memory)}")
        if not (self.scales or self.hill or self.lags or self.memory):
            raise ValueError("facts: nothing is compared; give scales or lags, or leave hill or memory as they are")
        return self


class CalibrationConfig(Settings):
    """A calibration of the trait distribution: everything that `python -m massjax.calibrate` needs."""

    market: MarketSettings = Field(
        MarketSettings(source="sp500", price_features=False),
        description="Market data whose prices are compared with; its section is that of a run's configuration.",
    )
    volume: str | None = Field(
        None,
        description="Feature of the market data that holds the shares traded in each row; with it, the correlation of volume and "
        "volatility is compared too. Null where there is none.",
    )
    truth: TraitSettings | None = Field(
        None,
        description="Trait distribution of a simulated panel that takes the place of the market data, so that it can be said whether it is "
        "found again; null compares with the market data.",
    )
    split: date | None = Field(
        None,
        description="First date of the rows that are held out: candidates are compared with what lies before it, and the best of them is "
        "then compared with the rest. Null holds nothing out.",
    )
    simulation: SimulationSettings = Field(
        SimulationSettings(), description="The simulated market; traits without bounds are what they are here, and the others start here."
    )
    bounds: dict[str, tuple[float, float]] = Field(
        {
            "noise_mean": (0.005, 0.05),
            "noise_spread": (0.0, 0.02),
            "risk_mean": (0.5, 5.0),
            "risk_spread": (0.0, 2.0),
            "discount_lowest": (0.75, 0.998),
            "rule_share": (0.0, 0.5),
            "chartist_weight": (0.0, 5.0),
        },
        description="Lowest and highest value of each number of the trait distribution that is free; between them all are equally likely "
        "beforehand.",
    )
    facts: ComparedFacts = Field(ComparedFacts(), description="Which stylised facts are compared, and over which rows.")
    policy: ConfigPath | None = Field(
        None,
        description="File of the policy of all agents, as `massjax.simulator.policy.named_arrays` names its arrays (.npz); null learns "
        "one, over mixes drawn between the bounds.",
    )
    updates: int = Field(
        938, ge=0, le=10_000_000, description="Updates of a policy that is learned here, each of other mixes; 938 are 30 million ticks."
    )
    markets: int = Field(64, ge=FEWEST_MARKETS, le=65_536, description="Markets that are simulated of each candidate.")
    candidates: int = Field(128, ge=8, le=2**20, description="Candidates of one round, a power of two.")
    rounds: int = Field(
        6,
        ge=1,
        le=1000,
        description="Rounds; the first is spread evenly between the bounds, each later one drawn near the good candidates.",
    )
    together: int = Field(
        1, ge=1, le=4096, description="Candidates that one device simulates side by side; 1 is best on a CPU, a GPU takes many."
    )
    least_trades: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of ticks with a trade below which a candidate's markets count as dried up and the candidate is refused: what "
        "looks like memory there is orders that expire.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of everything that chance decides; all candidates share the same chances.")
    out: ConfigPath | None = Field(
        None, description="Folder of the results, relative to the config file; null takes `runs/calibrate-TIME`, and `--out` overrides it."
    )

    @property
    def rows(self) -> int:
        """Rows of a simulated market, and of each piece that the panel is cut into."""
        return (self.simulation.market.ticks - 1) // self.facts.bar

    @property
    def traits(self) -> tuple[str, ...]:
        """The free traits, in the order of `TraitSettings`."""
        return tuple(name for name in TraitSettings.model_fields if name in self.bounds)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not self.bounds:
            raise ValueError("bounds: no trait is free; give at least one, such as noise_mean: [0.005, 0.05]")
        for name, (low, high) in self.bounds.items():
            if name not in TraitSettings.model_fields:
                hint = did_you_mean(name, TraitSettings.model_fields)
                raise ValueError(f"bounds: there is no trait {name!r}{hint}; expected some of {', '.join(TraitSettings.model_fields)}")
            if not low < high:
                raise ValueError(
                    f"bounds: {name} needs a lowest value below the highest, not [{low}, {high}]; a fixed one goes to simulation"
                )
        for lowest, highest in ((0, 0), (1, 1), (1, 0)):
            ends = {name: ends[lowest if name == "discount_lowest" else highest] for name, ends in self.bounds.items()}
            try:
                self.simulation.traits.replace(**ends)
            except ConfigError as error:
                raise ValueError(f"bounds: some of what lies between them is no trait distribution: {error}") from None
        return self

    @model_validator(mode="after")
    def _measurable(self) -> Self:
        rows, facts = self.rows, self.facts
        needed = max(FEWEST_BARS * max(facts.scales, default=0), 3 + max((*facts.lags, *(facts.memory or ())), default=0))
        if rows < needed:
            raise ValueError(
                f"facts: {self.simulation.market.ticks:,} ticks in bars of {facts.bar} leave {rows} rows, and these scales and lags need "
                f"{needed}; give simulation.market.ticks more, or facts.bar less"
            )
        life = self.simulation.market.agents
        if facts.memory is not None and facts.memory[0] * facts.bar <= life:
            raise ValueError(
                f"facts.memory: lag {facts.memory[0]} in bars of {facts.bar} ticks is within the life of an order, {life} ticks, and what "
                f"looks like memory there is orders that expire; begin at {life // facts.bar + 1} or later, or leave it out with null"
            )
        if facts.hill and rows * self.markets < FEWEST_TAIL_VALUES:
            raise ValueError(f"markets: {self.markets} of {rows} rows are too few for facts.hill; give more, or set it to false")
        if self.candidates & (self.candidates - 1):
            raise ValueError(f"candidates: expected a power of two, such as {1 << self.candidates.bit_length()}, not {self.candidates}")
        return self

    @model_validator(mode="after")
    def _one_panel(self) -> Self:
        if self.truth is None:
            return self
        if self.split is not None or self.volume is not None:
            raise ValueError("truth: a simulated panel has no dates and no named volume; leave split and volume out")
        for name, (low, high) in self.bounds.items():
            if not low <= getattr(self.truth, name) <= high:
                raise ValueError(f"truth: {name} is {getattr(self.truth, name)}, outside of its bounds [{low}, {high}]")
        for name in TraitSettings.model_fields:
            held = getattr(self.simulation.traits, name)
            if name not in self.bounds and getattr(self.truth, name) != held:
                raise ValueError(
                    f"truth: {name} is {getattr(self.truth, name)}, and has no bounds, so that all candidates have {held}; give it bounds, "
                    "or the same value in simulation.traits"
                )
        return self


def load_calibration(path: Path, assignments: list[str]) -> CalibrationConfig:
    """Read a configuration file and apply `section.key=value` assignments to it.

    Raises:
        ConfigError: naming the file and every key at fault.
    """
    return validate(CalibrationConfig, override(read_yaml(path), assignments), source=str(path), folder=path.resolve().parent)
