"""The two jobs of massjax, each from a configuration to its result: ask a language model for scores, search the mix of archetypes.

`precompute` asks every archetype about every stock and date, and stores the scores. `run` loads them, searches walk-forward, compares
with the controls and backtests. Both read no command line and print nothing.

What needs JAX is imported by `run` itself: processes that only ask need none, and a model in one of them starts beside no other user of
the accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from massjax.agents import knowledge_cutoff_warnings
from massjax.agents.archetype import Archetype
from massjax.answers.sharding import is_shard
from massjax.config import RunConfig
from massjax.errors import ConfigError
from massjax.evaluate.settings import check_feature_signs, check_horizon
from massjax.machine import Machine, free_memory, this_machine, usable_cores
from massjax.market import Panel
from massjax.market.fills import ends_of_prices, fillable, judged_returns, last_prices, priced
from massjax.market.returns import close_to_close
from massjax.progress import SILENT, Speaker, StageTimes, Tell, correcting
from massjax.row_words import row_unit
from massjax.scoring.answering import model_for
from massjax.scoring.cautions import cautions
from massjax.scoring.dtype import with_dtype
from massjax.scoring.gathering import gather_scores, store_facts
from massjax.scoring.outcome import Asked, NothingToAsk
from massjax.scoring.passes import ASKING, run_passes
from massjax.scoring.placing import open_or_create, own_units, shards_of
from massjax.scoring.plan import Plan, plan as plan_of
from massjax.scoring.recording import record_run
from massjax.scoring.settled import settled
from massjax.scoring.work import Work, prepare
from massjax.store import ScoreStore

if TYPE_CHECKING:
    from massjax.evaluate.candidates import Candidate
    from massjax.evaluate.searches import ListedSearch
    from massjax.portfolio.backtest import Backtest
    from massjax.report.run import RunResult

Starting = Callable[[], AbstractContextManager[None]]
"""Makes a context; a model in this process is loaded within it."""

MOST_CORES = 16
"""Of a CPU, unless more are asked for: each has its own share of the dates and candidates, and small shares cost more than they save."""
NO_BACKTEST = "The market data has neither prices nor one-day forward returns, so there is nothing to backtest on."


def precompute(
    config: RunConfig,
    *,
    plan: bool = False,
    shard: tuple[int, int] | None = None,
    ray_workers: int | None = None,
    speaker: Speaker = SILENT,
    starting: Starting = nullcontext,
) -> Plan | NothingToAsk | Asked:
    """Ask a language model for every score that the configuration wants and its store lacks, and store what it says.

    Stopped at any moment, the store keeps what is whole, and the same call goes on from there.

    Args:
        config: the configuration; it names a store.
        plan: only say what would be asked, how long it takes and what it costs; the model is not loaded, and nothing is written.
        shard: (i, n) does the i-th of n parts of the work, i from 1 to n.
        ray_workers: share the work out to so many Ray workers.
        speaker: told of the progress, and of warnings before anything is asked.
        starting: a context within which the model is loaded, where that is to be interrupted in a way of its own.

    Returns:
        A `Plan`; or what was asked; or that the store has it all, in which case nothing is loaded or written.

    Raises:
        MassjaxError: bad settings, data or model, or a store of something else; the message says which and what to do.
    """
    if config.store is None:
        raise ConfigError("store: not set; name the score store that the answers go to")
    if shard is not None and not is_shard(*shard):
        raise ConfigError(f"shard {shard}: expected (i, n) with i from 1 to n, such as (1, 8) for the first of eight workers")
    path, machine, asked = config.store, this_machine(), config.scoring
    if plan or ray_workers is None:  # else each worker looks at its own machine
        config = with_dtype(config, path, machine)
    speaker.tell("reading the market data and writing the prompts", 0, 0)
    work = prepare(config)
    for warning in (*work.panel.warnings, *_knowledge_cutoff(config, work.panel, work.archetypes), *cautions(work, machine)):
        speaker.warn(warning)
    if plan:
        speaker.tell("counting what is left to ask", 0, 0)
        return plan_of(work, path, machine, asked)
    held = settled(work, path)
    if held is not None:
        return NothingToAsk(held, tuple(own_units(work, held.store)))
    if ray_workers is None:
        return _ask_here(work, path, shard, machine, speaker, starting)
    if shard is not None:
        raise ConfigError("--shard and --ray: give one of them; Ray shares the work out by itself")
    return _ask_on_ray(work, path, ray_workers, speaker.tell)


def _ask_here(work: Work, path: Path | str, shard: tuple[int, int] | None, machine: Machine, speaker: Speaker, starting: Starting) -> Asked:
    """Ask in this process: all of the work, or a shard of it."""
    speaker.tell("starting the engine", 0, 0)
    with starting():
        model = model_for(work)
    try:
        store = open_or_create(work, path, model.identity())
        units = None if shard is None else shards_of(work, store, shard[1])[shard[0] - 1]
        expected = plan_of(work, path, machine)
        if shard is None and expected.to_ask:
            speaker.say(f"{expected.to_ask:,} prompts to ask take about {expected.time()}")
        for warning in expected.warnings:
            speaker.warn(warning)
        progress = correcting(speaker, ASKING)
        tally = run_passes(work, store, model, units=None if units is None else frozenset(units), progress=progress)
    finally:
        model.close()
    part = {} if shard is None else {"shard": f"{shard[0]}/{shard[1]}"}
    unrecorded = record_run(work, store, tally, **part)
    return Asked(store, tuple(own_units(work, store) if units is None else units), tally, unrecorded)


def _ask_on_ray(work: Work, path: Path | str, workers: int, tell: Tell) -> Asked:
    """Share the work out to Ray workers."""
    if workers < 1:
        raise ConfigError(f"--ray {workers}: expected at least 1 worker")
    from massjax.scoring.on_ray import run_on_ray

    tally = run_on_ray(work.config, path, workers, tell)
    store = ScoreStore.open(path, mode="r+")
    unrecorded = record_run(work, store, tally, ray_workers=workers)
    return Asked(store, tuple(own_units(work, store)), tally, unrecorded)


def run(config: RunConfig, progress: Tell | None = None) -> RunResult:
    """Do everything that `python -m massjax.optimize` does, short of writing files.

    Args:
        config: the configuration; the result holds it fully resolved.
        progress: told of each stage, and within a search of the dates that are done.

    Raises:
        MassjaxError: bad settings, data or scores; the message says which and what to do.
    """
    import jax

    from massjax.engine.evaluation import ranking_method
    from massjax.evaluate.alone import each_alone
    from massjax.evaluate.candidates import EvaluationData
    from massjax.evaluate.doubts import doubts
    from massjax.evaluate.evidence_of import opinions_of, with_evidence
    from massjax.evaluate.lightgbm_control import lightgbm_package
    from massjax.evaluate.listed_controls import controls
    from massjax.evaluate.result import LIGHTGBM, PERMUTED
    from massjax.evaluate.searches import first_evaluated, listed_searches, on_permuted_scores
    from massjax.evaluate.strategies import evaluated_dates, judge, portfolio_of
    from massjax.evaluate.undefined import check_any_score, nothing_evaluated
    from massjax.evaluate.verdict import verdict
    from massjax.report.remarks import remarks
    from massjax.report.run import ArchetypeFacts, RunResult, made_by_fake

    times = StageTimes(progress)
    searches = listed_searches(config.search)
    with times.stage("reading the market data"):
        work = prepare(config)
    panel, archetypes = work.panel, work.archetypes
    config = _resolved(config, searches, panel)
    settings, lag = config.evaluate, config.market.execution_lag
    forward_returns, returns = judged_returns(panel, lag), close_to_close(panel, lag)
    timings = [search.timing(settings, lag, panel.dates) for search in searches] or [settings.timing(lag, dates=panel.dates)]
    first = first_evaluated(timings, panel.dates, [search.lookback_field for search in searches])
    free, names = free_memory(), [archetype.name for archetype in archetypes]
    if LIGHTGBM in settings.controls:
        lightgbm_package()
    with times.stage("reading the scores"):
        gathered = gather_scores(work)
        scores, store = gathered.scores, store_facts(gathered.store)
        fake = made_by_fake(store)
    for search in searches:
        search.check_memory(len(archetypes), panel.dates.size, free)
    check_any_score(scores, names)

    def walk(search: ListedSearch, scores: Float[np.ndarray, "K N T"], tell: Callable[[int, int], None] | None = None) -> Candidate:
        return search.walk(
            scores,
            panel.member,
            forward_returns,
            settings,
            execution_lag=lag,
            seed=config.seed,
            dates=panel.dates,
            daily_returns=returns,
            progress=tell,
        )

    candidates = []
    for search in searches:
        with times.stage(f"searching walk-forward: {search.name}") as tell:
            candidates.append(walk(search, scores, tell))
    evaluated = evaluated_dates(candidates, first, panel.dates.size)
    if not evaluated.any():
        raise nothing_evaluated(scores, names, panel.warnings)
    with times.stage("judging against the controls"):
        data = EvaluationData(
            scores=scores,
            kinds=tuple(archetype.kind for archetype in archetypes),
            member=panel.member,
            forward_returns=forward_returns,
            settings=settings,
            timing=settings.timing(lag),
            evaluated=evaluated,
            returns=returns,
            fillable=fillable(panel, lag),
            ends=ends_of_prices(panel, lag),
            dates=panel.dates,
            periods_per_year=panel.periods_per_year,
            features={name: feature.values for name, feature in panel.features.items()},
        )
        compared = controls(data, fake=fake)
        if PERMUTED in settings.controls:
            compared += on_permuted_scores(searches, walk, scores, config.seed)
        if not any(np.isfinite(found.fitness[evaluated]).any() for found in (*candidates, *compared) if found.fitness is not None):
            raise nothing_evaluated(scores, names, panel.warnings)
        benchmark = portfolio_of(data, np.where(panel.member, 0.0, np.nan), None, everyone=True)
        strategies = judge(data, [*candidates, *compared], benchmark.backtest if benchmark else None)
        opinions = opinions_of(data)
        facts = tuple(ArchetypeFacts(one, *alone) for one, alone in zip(archetypes, each_alone(data, strategies), strict=True))
        held = [one.backtest for one in (*(s.portfolio for s in strategies), benchmark) if one is not None]
        untraded = _untraded(config, panel, held, returns)
    with times.stage("repeating the procedure where returns are luck") as tell:
        strategies = with_evidence(data, [*candidates, *compared], strategies, timings, tell)
    remembered = [] if fake else _knowledge_cutoff(config, panel, archetypes)
    return RunResult(
        config=config,
        panel=panel,
        evaluated=evaluated,
        strategies=strategies,
        archetypes=facts,
        benchmark=benchmark,
        no_backtest=NO_BACKTEST if returns is None else "",
        platform=jax.default_backend(),
        ranking=ranking_method(len(panel.stocks)),
        store=store,
        verdict=verdict(strategies, settings.horizon) if searches and settings.p_values else None,
        effective_opinions=opinions,
        warnings=(
            *gathered.warnings,
            *untraded,
            *doubts(data, names, strategies),
            *remarks(config, panel, evaluated, first, facts, strategies, remembered),
        ),
        seconds=times.seconds,
    )


def run_over(devices: int | None, config: RunConfig, progress: Tell | None = None) -> RunResult:
    """Do everything that `python -m massjax.optimize` does, short of writing files, with dates and candidates spread over devices.

    Args:
        devices: GPUs, or cores of a CPU, which is split into as many JAX devices; None for all there are, of a CPU at most `MOST_CORES`.
        config: the configuration; the result holds it fully resolved.
        progress: told of each stage, and within a search of the dates that are done.

    Raises:
        MassjaxError: fewer devices than asked for, or bad settings, data or scores; the message says which and what to do.
    """
    import jax

    from massjax.engine.devices import over_devices

    with suppress(RuntimeError):  # JAX has computed in this process before: the devices are what they are
        jax.config.update("jax_num_cpu_devices", min(usable_cores(), MOST_CORES) if devices is None else devices)
    with over_devices(devices):
        return run(config, progress)


def _resolved(config: RunConfig, searches: Sequence[ListedSearch], panel: Panel) -> RunConfig:
    """The configuration with every default of the searches and the gap written out."""
    check_horizon(config.evaluate, panel.forward_returns, row_unit(panel.periods_per_year))
    check_feature_signs(config.evaluate, panel.features)
    gap = config.evaluate.replace(leakage_ablation=True).timing(config.market.execution_lag).gap
    full = tuple(search.written_out() for search in searches)
    return config.model_copy(update={"search": full, "evaluate": config.evaluate.replace(gap=gap)})


def _untraded(config: RunConfig, panel: Panel, held: Sequence[Backtest], returns: Float[np.ndarray, "N T"] | None) -> tuple[str, ...]:
    """Warnings of holdings whose prices ended, and of orders that found none."""
    from massjax.portfolio.untraded import untraded_warnings

    known = priced(panel, config.market.execution_lag)
    return untraded_warnings(
        held,
        config.evaluate.backtest,
        stocks=panel.stocks,
        dates=panel.dates,
        last_price=None if known is None else last_prices(known),
        ready_made=returns if panel.prices is None else None,
    )


def _knowledge_cutoff(config: RunConfig, panel: Panel, archetypes: Sequence[Archetype]) -> list[str]:
    """A warning where the model may remember what happened on the dates that it is asked about."""
    cutoff, mask, texts = config.scoring.knowledge_cutoff, config.agents.mask, bool(config.market.texts)
    return knowledge_cutoff_warnings(cutoff, panel.dates, archetypes, mask=mask, texts=texts)
