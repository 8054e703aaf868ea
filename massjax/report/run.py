"""What a run found: every strategy on the same dates, with the controls beside the searches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from massjax.agents.archetype import Archetype
from massjax.config import RunConfig
from massjax.evaluate.evidence import Verdict
from massjax.evaluate.result import Portfolio, Strategy
from massjax.market.panel import Panel
from massjax.statistics.series import SeriesSummary


@dataclass(frozen=True)
class ArchetypeFacts:
    """One archetype in a run: what it is, how much of the panel it scored, and how it did alone.

    Attributes:
        archetype: its definition; `kind` is `llm` or `rule`.
        coverage: share of members with a score.
        rank_ic: its own, over the evaluated dates, at the fitted horizon; nobody knew it beforehand.
        mean_weight: by strategy name, over the evaluated dates of that strategy.
        roles: of an archetype that is an organisation who is asked, in words, in the order of asking.
        decisions: of one that decides, about how many members it was for long, neither and short, over all dates.
        style: of one that a model wrote styles for, their most frequent values, such as `holding_period` and `risk_appetite`.
        hindsight: what is done about its model's memory (`agents.hindsight`); empty where the configuration does not say.
    """

    archetype: Archetype
    coverage: float
    rank_ic: SeriesSummary
    mean_weight: Mapping[str, float]
    roles: tuple[str, ...] = ()
    decisions: tuple[int, int, int] | None = None
    style: Mapping[str, str] | None = None
    hindsight: str = ""


@dataclass(frozen=True, eq=False)
class RunResult:
    """Everything a run found; what the report and the run directory are made of.

    Attributes:
        config: fully resolved, gap included.
        panel: the market data.
        evaluated: True on the dates that the run is about: a full look-back behind them and a fitness for at least one search, if any. Each
            strategy is judged on its own of these, `Strategy.evaluated`; differences of two on those they share.
        strategies: searches first, then controls.
        archetypes: in the order of the weights.
        benchmark: equal-weight members with the same accounting.
        no_backtest: why there is no portfolio, or empty.
        platform: on which JAX computed: `cpu`, `gpu` or `tpu`.
        ranking: which kernel ranked the stocks while searching (see `massjax.engine.evaluation.ranking_method`).
        store: what made the language models' scores; empty where all archetypes are rules.
        agents: of a run with finitely many agents, how watch lists and picks were drawn (the settings of `agents.finite`), what is
            `changed` from the preset, and how much was watched, as `massjax.engine.finite.pooled.Watching` has it; else empty.
        warnings: sentences that a reader should see before the figures.
        verdict: what to do with the weights found; None where nothing was searched or p-values were turned off.
        effective_opinions: number of independent opinions among the archetypes, by the participation ratio of their correlation.
        seconds: wall time by stage.
        learned_alpha: share of the mean in the combined signal that applied on each date, where it is learned.
        memory: of each model that was asked what is known of its memory of these dates, in words; empty where none was.
        memory_picture: an SVG drawing of RankIC by year without facts and with them; empty where there is none.
        cutoff: the latest date at which the knowledge of a model that was asked ends; None where that of one is not known, or none was
            asked.
    """

    config: RunConfig
    panel: Panel
    evaluated: Bool[np.ndarray, " T"]
    strategies: tuple[Strategy, ...]
    archetypes: tuple[ArchetypeFacts, ...]
    benchmark: Portfolio | None
    no_backtest: str
    platform: str
    ranking: str
    store: Mapping[str, Any] = field(default_factory=dict)
    agents: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    verdict: Verdict | None = None
    effective_opinions: float = float("nan")
    seconds: Mapping[str, float] = field(default_factory=dict)
    learned_alpha: Float[np.ndarray, " T"] | None = None
    memory: tuple[str, ...] = ()
    memory_picture: bytes = b""
    cutoff: date | None = None

    def __repr__(self) -> str:
        names = ", ".join(strategy.name for strategy in self.strategies)
        return f"RunResult({self.config.name!r}, {self.panel!r}, {int(self.evaluated.sum())} dates evaluated, {names})"

    @property
    def horizon(self) -> int:
        """The forward-return horizon that the searches were fitted to."""
        return self.config.evaluate.horizon

    @property
    def searches(self) -> tuple[Strategy, ...]:
        """The strategies that a search has chosen; none where only the controls were run."""
        return tuple(strategy for strategy in self.strategies if strategy.kind == "search")

    @property
    def fake(self) -> bool:
        """Whether the scores that stand for a language model's are the fake engine's noise, as the store itself says."""
        return made_by_fake(self.store)

    def strategy(self, name: str) -> Strategy:
        """The strategy of that name."""
        return next(strategy for strategy in self.strategies if strategy.name == name)


def made_by_fake(store: Mapping[str, Any]) -> bool:
    """Whether the facts about a store name the fake engine as the one that answered.

    Args:
        store: names, nested or dotted, and values, as `massjax.scores.gathering.source_facts` returns them.
    """
    for name, value in store.items():
        if isinstance(value, Mapping):
            if made_by_fake(value):
                return True
        elif str(name).rpartition(".")[2] == "engine" and str(value).partition(" ")[0] == "fake":
            return True
    return False
