"""The main job from a configuration to a judged result: load, search walk-forward, compare with the controls, backtest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Bool, Float

from massjax.agents.archetype import Archetype
from massjax.config import RunConfig
from massjax.errors import ConfigError, DataError, LeakageError, blaming
from massjax.evaluate import span
from massjax.evaluate.controls import single_rank_ic
from massjax.evaluate.memory import check_memory
from massjax.evaluate.result import BENCHMARK, BEST_SINGLE, UNIFORM, UNIFORM_LLM, UNIFORM_RULES, Strategy
from massjax.evaluate.strategies import Arena, Contender, controls, judge, portfolio
from massjax.evaluate.walk_forward import walk_forward
from massjax.machine import free_memory
from massjax.market import Panel
from massjax.market.fills import ends_of_prices, fillable, judged_returns, last_prices, priced
from massjax.market.returns import returns_from_forward, returns_from_prices
from massjax.portfolio.backtest import Backtest
from massjax.portfolio.settings import BacktestSettings
from massjax.portfolio.untraded import untraded_warnings
from massjax.progress import Tell
from massjax.report.remarks import remarks
from massjax.report.run import ArchetypeFacts, RunResult, made_by_fake
from massjax.row_words import counted, row_unit
from massjax.scoring.gathering import gather_scores, score_coverage, store_facts
from massjax.scoring.work import prepare
from massjax.search import Search, settings_from_mapping
from massjax.statistics.series import summarize

MOST_REMARKS = 10
"""Remarks on the data that are repeated where nothing can be evaluated."""
TAKEN_NAMES = {UNIFORM, UNIFORM_LLM, UNIFORM_RULES, BEST_SINGLE, BENCHMARK, "date"}
"""Names that a search of one's own cannot have in the files of a run, where they are those of controls and of a column."""


def run(config: RunConfig, progress: Tell | None = None) -> RunResult:
    """Do everything that `python -m massjax.optimize` does, short of writing files.

    Args:
        config: the configuration; the result holds it fully resolved.
        progress: told of each stage, and within a search of the dates that are done.

    Raises:
        MassjaxError: bad settings, data or scores; the message says which and what to do.
    """
    clock = _Clock(progress)
    searches = _searches(config)
    with clock.stage("reading the market data"):
        work = prepare(config)
    panel, archetypes = work.panel, work.archetypes
    config = _resolved(config, searches, panel)
    settings, lag = config.evaluate, config.market.execution_lag
    judged = replace(panel, forward_returns=judged_returns(panel, lag))
    first = span.first_evaluated(settings, settings.gap or 0, panel.dates, lag)
    with clock.stage("reading the scores"):
        gathered = gather_scores(work)
        store = store_facts(gathered.store)
    free = free_memory()
    for number, search in enumerate(searches):
        with _blaming_search(number, search):
            check_memory(search, len(archetypes), panel.dates.size, free)
    _refuse_silence(gathered.scores, archetypes)
    contenders = []
    for number, (name, search) in enumerate(zip(_names(config), searches, strict=True)):
        with clock.stage(f"searching walk-forward: {name}") as tell:
            contenders.append(_search(config, judged, gathered.scores, name, search, number, tell))
    evaluated = _evaluated(contenders, first, panel.dates.size)
    if not evaluated.any():
        raise _nothing_evaluated(gathered.scores, archetypes, panel.warnings)
    with clock.stage("judging against the controls"):
        returns, no_backtest = _returns(panel, lag)
        kinds = tuple(archetype.kind for archetype in archetypes)
        arena = Arena(
            scores=gathered.scores,
            kinds=kinds,
            member=panel.member,
            forward_returns=judged.forward_returns,
            settings=settings,
            evaluated=evaluated,
            returns=returns,
            execution_lag=lag,
            fillable=fillable(panel, lag),
            ends=ends_of_prices(panel, lag),
            dates=panel.dates,
            periods_per_year=panel.periods_per_year,
        )
        compared = controls(arena, fake=made_by_fake(store))
        if not any(np.isfinite(found.fitness[evaluated]).any() for found in (*contenders, *compared) if found.fitness is not None):
            raise _nothing_evaluated(gathered.scores, archetypes, panel.warnings)
        benchmark = portfolio(arena, np.where(panel.member, 0.0, np.nan), None, everyone=True)
        strategies = judge(arena, [*contenders, *compared], benchmark.backtest if benchmark else None)
        facts = _archetype_facts(arena, archetypes, strategies)
        held = [one.backtest for one in (*(s.portfolio for s in strategies), benchmark) if one is not None]
        untraded = _untraded(panel, held, settings.backtest, lag, returns)
    return RunResult(
        config=config,
        panel=panel,
        evaluated=evaluated,
        strategies=strategies,
        archetypes=facts,
        benchmark=benchmark,
        no_backtest=no_backtest,
        store=store,
        warnings=(*gathered.warnings, *untraded, *remarks(config, panel, evaluated, first, facts, strategies, made_by_fake(store))),
        seconds=clock.seconds,
    )


def _searches(config: RunConfig) -> list[Search]:
    """The searches of the configuration; an empty list runs the controls alone."""
    searches = []
    for number, mapping in enumerate(config.search):
        with blaming(f"search.{number}"):
            searches.append(settings_from_mapping(mapping))
    return searches


def _resolved(config: RunConfig, searches: Sequence[Search], panel: Panel) -> RunConfig:
    """The configuration with every default of the searches and the gap written out."""
    span.check_horizon(config.evaluate, panel.forward_returns, row_unit(panel.periods_per_year))
    gap = span.resolve_gap(config.evaluate, config.market.execution_lag)
    full = tuple(
        {"method": given["method"], **search.model_dump(mode="json")} for given, search in zip(config.search, searches, strict=True)
    )
    return config.model_copy(update={"search": full, "evaluate": config.evaluate.replace(gap=gap)})


def _refuse_silence(scores: Float[np.ndarray, "K N T"], archetypes: Sequence[Archetype]) -> None:
    if not np.isfinite(scores).any():
        names = ", ".join(repr(archetype.name) for archetype in archetypes)
        raise DataError(
            f"no archetype has a score on any date: {names}; "
            "a rule needs features that are known, a language model's scores come from `python -m massjax.precompute`"
        )


def _nothing_evaluated(scores: Float[np.ndarray, "K N T"], archetypes: Sequence[Archetype], doubts: Sequence[str]) -> ConfigError:
    of_data = f". Of the data: {'; '.join(doubts[:MOST_REMARKS])}" if doubts else ""
    return ConfigError(
        "no date can be evaluated: in no look-back window do scores and forward returns allow a rank correlation; "
        "check that the scores differ between stocks, and that returns are known on the dates that have scores"
        + _told_flat(scores, archetypes)
        + of_data
    )


def _told_flat(scores: Float[np.ndarray, "K N T"], archetypes: Sequence[Archetype]) -> str:
    """Names the archetypes that never tell two stocks apart."""
    low, high = np.where(np.isnan(scores), np.inf, scores).min(axis=1), np.where(np.isnan(scores), -np.inf, scores).max(axis=1)
    flat = [repr(archetype.name) for archetype, differs in zip(archetypes, (low < high).any(axis=1), strict=True) if not differs]
    return f". Never a difference between stocks: {', '.join(flat)}" if flat else ""


def _names(config: RunConfig) -> list[str]:
    methods = [str(mapping["method"]).rpartition(":")[2] for mapping in config.search]
    names = [m if methods.count(m) == 1 else f"{m}-{methods[: i + 1].count(m)}" for i, m in enumerate(methods)]
    return [f"{name}-search" if name in TAKEN_NAMES else name for name in names]


def _search(
    config: RunConfig,
    panel: Panel,
    scores: Float[np.ndarray, "K N T"],
    name: str,
    search: Search,
    number: int,
    tell: Callable[[int, int], None],
) -> Contender:
    settings, began = config.evaluate, time.perf_counter()
    with _blaming_search(number, search):
        found = walk_forward(
            scores,
            panel.member,
            panel.forward_returns[settings.horizon],
            search,
            lookback=settings.lookback,
            gap=settings.gap or 0,
            delay=settings.delay,
            key=jax.random.fold_in(jax.random.key(config.seed), number),
            alpha=settings.alpha,
            signal=settings.signal,
            missing=settings.missing,
            warm_start=settings.warm_start,
            horizon=settings.horizon,
            execution_lag=config.market.execution_lag,
            leakage_ablation=settings.leakage_ablation,
            dates=panel.dates,
            progress=tell,
        )
    weights, fitness = np.asarray(found.weights, np.float64), np.asarray(found.fitness, np.float64)
    about = f"{counted(search.population, 'chain')} of {counted(search.steps, 'step')}, every date"
    label = name.replace("_", " ").replace("-", " ").capitalize()
    return Contender(name, label, "search", settings.signal, weights, fitness, about, time.perf_counter() - began)


@contextmanager
def _blaming_search(number: int, search: Search) -> Iterator[None]:
    """Errors that are the fault of a search name its place in the configuration; a gap that leaks is not."""
    try:
        yield
    except LeakageError:
        raise
    except ConfigError as error:
        raise ConfigError(f"search.{number}: {error}") from error
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise ConfigError(f"search.{number}: {search.population:,} chains do not fit into the memory of the device; take fewer") from error


def _returns(panel: Panel, execution_lag: int) -> tuple[Float[np.ndarray, "N T"] | None, str]:
    if panel.prices is not None:
        return returns_from_prices(panel.prices), ""
    if 1 in panel.forward_returns:
        return returns_from_forward(panel.forward_returns[1], execution_lag), ""
    return None, "The market data has neither prices nor one-day forward returns, so there is nothing to backtest on."


def _untraded(
    panel: Panel, held: Sequence[Backtest], settings: BacktestSettings, execution_lag: int, returns: Float[np.ndarray, "N T"] | None
) -> tuple[str, ...]:
    known = priced(panel, execution_lag)
    return untraded_warnings(
        held,
        settings,
        stocks=panel.stocks,
        dates=panel.dates,
        last_price=None if known is None else last_prices(known),
        ready_made=returns if panel.prices is None else None,
    )


def _evaluated(contenders: Sequence[Contender], first: int, dates: int) -> Bool[np.ndarray, " T"]:
    """Dates from the first that can be evaluated on, on which a search has a fitness; all of these where there is no search."""
    known = [np.isfinite(contender.fitness) for contender in contenders if contender.fitness is not None]
    return (np.arange(dates) >= first) & (np.any(known, axis=0) if known else True)


def _mean_weights(strategy: Strategy) -> Float[np.ndarray, " K"]:
    chosen = strategy.weights[strategy.evaluated]
    return chosen.mean(axis=0) if len(chosen) else np.full(strategy.weights.shape[1], np.nan)


def _archetype_facts(arena: Arena, archetypes: Sequence[Archetype], strategies: Sequence[Strategy]) -> tuple[ArchetypeFacts, ...]:
    horizon = arena.settings.horizon
    alone = single_rank_ic(arena.scores, arena.member, arena.forward_returns[horizon], missing=arena.settings.missing)
    coverage = score_coverage(arena.scores, arena.member)
    means = {strategy.name: _mean_weights(strategy) for strategy in strategies}
    return tuple(
        ArchetypeFacts(
            archetype=archetype,
            coverage=float(coverage[k]),
            rank_ic=summarize(np.where(arena.evaluated, alone[k], np.nan), horizon),
            mean_weight={name: float(mean[k]) for name, mean in means.items()},
        )
        for k, archetype in enumerate(archetypes)
    )


class _Clock:
    """Tells of each stage as it begins and remembers how long it took."""

    def __init__(self, progress: Tell | None) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, what: str) -> Iterator[Callable[[int, int], None]]:
        def tell(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(what, done, total)

        tell(0, 0)
        begin = time.perf_counter()
        yield tell
        self.seconds[what] = time.perf_counter() - begin
