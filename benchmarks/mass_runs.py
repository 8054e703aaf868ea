"""Runs of one configuration under several seeds and changed settings, kept as the daily series that the tables of MASS are made of."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from massjax.config import RunConfig, load_config
from massjax.engine.inputs import SIGNALS
from massjax.errors import ConfigError
from massjax.evaluate.named_signals import named_signal, signal_name
from massjax.evaluate.result import BEST_SINGLE, LIGHTGBM, RAW_FEATURES, UNIFORM, Portfolio, Strategy
from massjax.evaluate.searches import listed_searches
from massjax.market.fills import judged_returns
from massjax.pipeline import run_over
from massjax.portfolio.performance import Performance, daily_returns
from massjax.report.run import RunResult
from massjax.statistics.correlation import daily_ic

RULES, FEATURES_ALONE = "rules", "features"
"""Name of the control of rules without replicas, and what the signal of a control without archetypes is called."""
WEEKLY = ("evaluate.backtest.quantile=0.2", "evaluate.backtest.every=5", "evaluate.backtest.cost=0.001")
"""MASS's portfolio: the best fifth in equal weights, a week, 0.1 % a round trip."""
DEFAULT_CONTROLS = f"evaluate.controls=[{RAW_FEATURES}]"


class Held(NamedTuple):
    """A portfolio: its figures, and its return on each date after costs, NaN before the first purchase."""

    performance: Performance
    returns: Float[np.ndarray, " T"]


class Found(NamedTuple):
    """One strategy of one run.

    Attributes:
        name, label, kind, ranked_by: as `massjax.evaluate.result.Strategy` has them.
        rank_ic, ic: daily, by signal and horizon, of the signals that are its own; NaN off its evaluated dates.
        p_value: that luck alone does as well out of sample, at the fitted horizon; NaN where it was not repeated.
        null: mean RankIC out of sample in each circular shift of the returns; empty where it was not repeated.
        held: its portfolio; None where the market data have no returns to hold it by.
    """

    name: str
    label: str
    kind: str
    ranked_by: str
    rank_ic: Mapping[str, Mapping[int, Float[np.ndarray, " T"]]]
    ic: Mapping[str, Mapping[int, Float[np.ndarray, " T"]]]
    p_value: float
    null: Float[np.ndarray, " R"]
    held: Held | None


class Ran(NamedTuple):
    """What is kept of one run; `horizon` is the one that searches are fitted to, `benchmark` the equal-weight members."""

    dates: Shaped[np.ndarray, " T"]
    evaluated: Bool[np.ndarray, " T"]
    horizon: int
    periods_per_year: float
    archetypes: int
    found: tuple[Found, ...]
    benchmark: Held | None

    def strategy(self, name: str) -> Found:
        """The strategy of that name."""
        return next(one for one in self.found if one.name == name)

    @property
    def search(self) -> Found:
        """The first search."""
        return next(one for one in self.found if one.kind == "search")


@dataclass(frozen=True)
class Source:
    """A configuration that is run under several seeds.

    Attributes:
        file: the configuration.
        assignments: of `--set`, for every run.
        seeds: numbered from 0, each of the search, and of finite agents alike where these pick by score: another seed of lists that a model
            picks from asks other questions.
        devices: over which a run is spread; None for all.
    """

    file: Path
    assignments: tuple[str, ...] = ()
    seeds: int = 5
    devices: int | None = None

    def config(self, *changes: str) -> RunConfig:
        """The configuration with further assignments."""
        return load_config(self.file, [*self.assignments, *changes])

    def runs(self, *changes: str, seeds: int | None = None, p_values: bool = False) -> tuple[Ran, ...]:
        """Run it with further assignments, once a seed; p-values are of the first seed alone, for they take most of the time."""
        finite = self.config(*changes).agents.finite
        found = []
        for seed in range(self.seeds if seeds is None else seeds):
            numbers = [f"seed={seed}", *([f"agents.finite.seed={seed}"] if finite is not None and not finite.by_model else [])]
            luck = f"evaluate.p_values={'true' if p_values and seed == 0 else 'false'}"
            found.append(kept(run_over(self.devices, self.config(*changes, *numbers, luck))))
        return tuple(found)


@dataclass(frozen=True)
class Baseline:
    """The configuration as it is, and the controls that every table shows beside what it is about; each is run when first asked for."""

    source: Source

    @cached_property
    def runs(self) -> tuple[Ran, ...]:
        """The configuration as it is, with uniform weights, the best single archetype, and the rank sum of the features."""
        return self.source.runs(DEFAULT_CONTROLS, *WEEKLY, p_values=True)

    def changed(self, *changes: str, seeds: int | None = None) -> tuple[Ran, ...]:
        """The first search of the configuration under further assignments, beside the same controls; what was run before is kept."""
        first = json.dumps([dict(search) for search in self.source.config().search[:1]])
        changes, seeds = (DEFAULT_CONTROLS, *WEEKLY, f"search={first}", *changes), self.source.seeds if seeds is None else seeds
        key = seeds, written_out(self.source.config(*changes))
        if key not in self._before:
            base = self.source.seeds, written_out(self.source.config(DEFAULT_CONTROLS, *WEEKLY))
            self._before[key] = self.runs if key == base else self.source.runs(*changes, seeds=seeds)
        return self._before[key]

    @cached_property
    def _before(self) -> dict[tuple[int, str], tuple[Ran, ...]]:
        return {}

    @cached_property
    def learned(self) -> Ran:
        """Rules on the same features without replicas, and LightGBM walked forward on all that is known on each date."""
        (found,) = self.source.runs(*control_changes(self.source.config()), *WEEKLY, seeds=1, p_values=True)
        rules = found.strategy(UNIFORM)._replace(name=RULES, label="Rules on the same features")
        return found._replace(found=(rules, *(one for one in found.found if one.name == LIGHTGBM)))


def written_out(config: RunConfig) -> str:
    """A configuration with every default of its searches, as text: equal for two that do the same."""
    searches = [search.written_out() for search in listed_searches(config.search)]
    return json.dumps([config.model_dump(mode="json", exclude={"search"}), searches], sort_keys=True)


def control_changes(config: RunConfig) -> tuple[str, ...]:
    """Assignments that leave the controls without replicas, searches or language models, learning from all that is known.

    The rules are those of the configuration where all its archetypes are rules, else one for each feature of `evaluate.feature_signs`.

    Raises:
        ConfigError: neither are there.
    """
    agents, lightgbm = config.agents, importlib.util.find_spec("lightgbm") is not None
    rules: tuple[str, ...] = ()
    if not agents.archetypes or agents.grid is not None or agents.draw is not None or any(one.rule is None for one in agents.archetypes):
        if not config.evaluate.feature_signs:
            raise ConfigError(
                "evaluate.feature_signs: not set; name features and their signs, for the control of rules on the same features"
            )
        made = [{"name": f"rule-{name}", "rule": {name: sign}} for name, sign in config.evaluate.feature_signs.items()]
        rules = (f"agents.archetypes={json.dumps(made)}", "agents.grid=null", "agents.draw=null", "scores=null", "store=null")
    controls = f"evaluate.controls=[{LIGHTGBM if lightgbm else ''}]"
    return (*rules, "agents.finite=null", "search=[]", "evaluate.lookback=auto", controls)


def kept(result: RunResult) -> Ran:
    """The daily series and portfolios of a run, without its signals and scores."""
    returns = judged_returns(result.panel, result.config.market.execution_lag)
    benchmark = None if result.benchmark is None else _held(result.benchmark)
    found = tuple(_found(strategy, result, returns) for strategy in result.strategies)
    periods, archetypes = result.panel.periods_per_year, len(result.archetypes)
    return Ran(result.panel.dates, result.evaluated, result.horizon, periods, archetypes, found, benchmark)


def _found(strategy: Strategy, result: RunResult, returns: Mapping[int, Float[np.ndarray, "N T"]]) -> Found:
    luck = None if strategy.evidence is None else strategy.evidence.luck
    rank_ic, ic = {}, {}
    ranked_by = strategy.ranked_by
    for signal in own_signals(strategy, signal_name(named_signal(result.config.evaluate.signal))):
        called = signal if strategy.weights.any() else FEATURES_ALONE
        rank_ic[called] = dict(strategy.daily_rank_ic[signal])
        ic[called] = dict(strategy.ic) if signal == ranked_by else _ic(strategy, signal, returns, result)
    return Found(
        name=strategy.name,
        label=strategy.label,
        kind=strategy.kind,
        ranked_by=ranked_by if strategy.weights.any() else FEATURES_ALONE,
        rank_ic=rank_ic,
        ic=ic,
        p_value=np.nan if luck is None else luck.out_of_sample,
        null=np.empty(0) if luck is None else luck.null_rank_ic,
        held=None if strategy.portfolio is None else _held(strategy.portfolio),
    )


def own_signals(strategy: Strategy, ranking: str) -> tuple[str, ...]:
    """The signals by which a strategy differs from itself: one for a single archetype, which never disagrees, and without archetypes."""
    if strategy.name == BEST_SINGLE or not strategy.weights.any():
        return (strategy.ranked_by,)
    return (*SIGNALS, *(() if ranking in SIGNALS else (ranking,)))


def _ic(
    strategy: Strategy, signal: str, returns: Mapping[int, Float[np.ndarray, "N T"]], result: RunResult
) -> dict[int, Float[np.ndarray, " T"]]:
    """IC of a signal that does not rank the stocks of the run."""
    values, member = strategy.signals[signal], result.panel.member
    return {h: np.where(strategy.evaluated, daily_ic(values, after, member), np.nan) for h, after in returns.items()}


def _held(portfolio: Portfolio) -> Held:
    return Held(portfolio.performance, daily_returns(portfolio.backtest))


class Series(NamedTuple):
    """One signal of one strategy under all seeds.

    Attributes:
        name, kind: of the strategy, as `Found` has them.
        strategy, signal: as tables call them.
        ranks: whether it is the signal that ranks the strategy's stocks.
        rank_ic, ic: by horizon.
        evaluated: dates of the run.
        horizon: to which searches are fitted.
        p_value, null: of the first seed, as `Found` has them.
    """

    name: str
    kind: str
    strategy: str
    signal: str
    ranks: bool
    rank_ic: Mapping[int, Float[np.ndarray, "S T"]]
    ic: Mapping[int, Float[np.ndarray, "S T"]]
    evaluated: Bool[np.ndarray, " T"]
    horizon: int
    p_value: float
    null: Float[np.ndarray, " R"]


def series_of(runs: Sequence[Ran]) -> list[Series]:
    """Every signal of every strategy of runs that differ by their seed."""
    first = runs[0]
    found = []
    for one in first.found:
        each = [run.strategy(one.name) for run in runs]
        for signal, by_horizon in one.rank_ic.items():
            found.append(
                Series(
                    name=one.name,
                    kind=one.kind,
                    strategy=one.label,
                    signal=signal,
                    ranks=signal == one.ranked_by,
                    rank_ic={h: np.stack([same.rank_ic[signal][h] for same in each]) for h in by_horizon},
                    ic={h: np.stack([same.ic[signal][h] for same in each]) for h in by_horizon},
                    evaluated=np.logical_or.reduce([run.evaluated for run in runs]),
                    horizon=first.horizon,
                    p_value=one.p_value,
                    null=one.null,
                )
            )
    return found


def gains(series: Sequence[Series]) -> list[Series]:
    """What each search gains a day over uniform weights on every signal, and over the rank sum of the features by what ranks its stocks.

    Args:
        series: of one set of runs; both sides of a difference have the same dates and seeds.
    """
    found = []
    for one in series:
        if one.kind != "search":
            continue
        for other in series:
            if (other.name == UNIFORM and other.signal == one.signal) or (other.name == RAW_FEATURES and one.ranks):
                found.append(
                    one._replace(
                        name=f"{one.name} less {other.name}",
                        kind="gain",
                        strategy=f"{one.strategy} less {other.strategy}",
                        ranks=False,
                        rank_ic={h: values - other.rank_ic[h] for h, values in one.rank_ic.items()},
                        ic={h: values - other.ic[h] for h, values in one.ic.items()},
                        p_value=float("nan"),
                    )
                )
    return found


def ranking_series(runs: Sequence[Ran]) -> list[Series]:
    """Of each strategy the signal that ranks its stocks."""
    return [one for one in series_of(runs) if one.ranks]
