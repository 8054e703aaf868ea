"""The two jobs of massjax, each from a configuration to its result: ask a language model for scores, search the mix of archetypes.

`precompute` asks every archetype about every stock and date, and stores the scores. `run` loads them, searches walk-forward, compares
with the controls and backtests. Both read no command line and print nothing.

What needs JAX is imported by `run` itself: processes that only ask need none, and a model in one of them starts beside no other user of
the accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from massjax.agents.archetype import ALONE, Archetype
from massjax.agents.protocols.graph import told_roles
from massjax.agents.watchlists import draw_weights, watch_warnings
from massjax.answers.sharding import is_shard
from massjax.config import RunConfig
from massjax.errors import ConfigError
from massjax.evaluate.settings import check_feature_signs, check_horizon
from massjax.machine import free_memory, this_machine, usable_cores
from massjax.mapped import is_mapped
from massjax.market import Panel
from massjax.market.fills import ends_of_prices, fillable, judged_returns, last_prices, priced
from massjax.market.returns import close_to_close
from massjax.models.loading import Models
from massjax.models.model_check import check_model
from massjax.progress import SILENT, Speaker, StageTimes, Tell, correcting
from massjax.row_words import row_unit
from massjax.scores.asked_models import AskedModel, asked_models
from massjax.scores.asking import ASKING, WHOLE, Part, ask_everything
from massjax.scores.build import Resolver, forms_of
from massjax.scores.cautions import cautions, cutoff_warnings
from massjax.scores.fitting import answer_log, refuse_earlier, resolver_of
from massjax.scores.gathering import gather_scores
from massjax.scores.inputs import Inputs, prepare
from massjax.scores.measured import latest_cutoff, memory_picture, memory_words
from massjax.scores.outcome import Asked, NothingToAsk, concluded
from massjax.scores.plan import Plan, plan as plan_of, said_time
from massjax.scores.survey import survey
from massjax.scores.writing import write_scores

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
    if shard is not None and ray_workers is not None:
        raise ConfigError("--shard and --ray: give one of them; Ray shares the work out by itself")
    store, machine = config.store, this_machine()
    refuse_earlier(store)
    speaker.tell("reading the market data", 0, 0)
    inputs = prepare(config)
    log = answer_log(store)
    for name, why in log.damaged:
        speaker.warn(f"{store}: {name} {why}; it is left aside, and what it answered is asked again (python -m massjax.answers repair)")
    models = asked_models(inputs, log, machine)
    resolver, order = resolver_of(inputs, log, {name: asked.digest for name, asked in models.items()}, store)
    checks = {name: check_model(asked.settings, forms_of(inputs, name)) for name, asked in models.items()}
    found = survey(resolver, checks, speaker.tell)
    for warning in (*inputs.panel.warnings, *cutoff_warnings(inputs), *cautions(inputs, found, machine)):
        speaker.warn(warning)
    expected = plan_of(resolver, found, order, models, checks, machine)
    if plan:
        return expected
    if not found.open.total():
        written = write_scores(resolver, store, {name: asked.identity for name, asked in models.items()}, speaker.tell)
        return NothingToAsk(written, tuple(asked.unread for asked in models.values() if asked.unread))
    for warning in expected.warnings:
        speaker.warn(warning)
    if ray_workers is not None:
        return _ask_on_ray(inputs, resolver, models, store, ray_workers, speaker)
    if shard is None:
        for model in expected.models:
            if model.open and model.seconds is not None:
                speaker.say(f"{model.open:,} questions{f' to {model.name}' if model.name else ''} take about {said_time(model)}")
    part, progress = WHOLE if shard is None else Part(*shard), correcting(speaker, ASKING)
    with Models({name: asked.settings for name, asked in models.items()}) as at_hand:
        resolver, tally = ask_everything(
            resolver, at_hand, layout=order.layout, part=part, total=found.open.total(), tell=progress, starting=starting
        )
    return concluded(resolver, models, store, tally, speaker, whole=shard is None)


def _ask_on_ray(
    inputs: Inputs, resolver: Resolver, models: Mapping[str, AskedModel], store: Path | str, workers: int, speaker: Speaker
) -> Asked:
    """Share the work out to Ray workers, and write the tensor here."""
    if workers < 1:
        raise ConfigError(f"--ray {workers}: expected at least 1 worker")
    from massjax.scores.on_ray import run_on_ray

    tally = run_on_ray(inputs.config, store, workers, speaker.tell)
    return concluded(resolver, models, store, tally, speaker, whole=True)


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
    from massjax.engine.finite.pooled import pool_some
    from massjax.evaluate.alone import each_alone
    from massjax.evaluate.candidates import EvaluationData
    from massjax.evaluate.doubts import doubts
    from massjax.evaluate.evidence_of import opinions_of, with_evidence
    from massjax.evaluate.learned_alpha import LEARNED, applied, learned_alphas
    from massjax.evaluate.lightgbm_control import lightgbm_package
    from massjax.evaluate.listed_controls import controls
    from massjax.evaluate.named_signals import check_signals
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
        inputs = prepare(config)
    panel, archetypes, finite = inputs.panel, inputs.archetypes, config.agents.finite
    by_score = [k for k, archetype in enumerate(archetypes) if finite is not None and not (finite.by_model and archetype.asks)]
    weights = None if finite is None else draw_weights(panel, finite)
    config = _resolved(config, searches, panel)
    settings, lag = config.evaluate, config.market.execution_lag
    forward_returns, returns = judged_returns(panel, lag), close_to_close(panel, lag)
    timings = [search.timing(settings, lag, panel.dates) for search in searches] or [settings.timing(lag, dates=panel.dates)]
    first = first_evaluated(timings, panel.dates, [search.lookback_field for search in searches])
    check_signals(settings, len(archetypes))
    free, names = free_memory(), [archetype.name for archetype in archetypes]
    if LIGHTGBM in settings.controls:
        lightgbm_package()
    with times.stage("reading the scores"):
        whole = [f"search.{search.place}, {search.method}," for search in searches if not search.reads_windows(settings)]
        held_beside = max((search.held_with_scores(len(archetypes), *panel.member.shape) for search in searches), default=0)
        gathered = gather_scores(inputs, windows=not whole, whole=whole, held=held_beside)
        scores, store = gathered.scores, gathered.source
        fake = made_by_fake(store)
    for search in searches:
        search.check_memory(len(archetypes), panel.dates.size, free, stocks=len(panel.stocks), mapped=is_mapped(scores))
    check_any_score(scores, names)
    agents: dict[str, Any] = {}
    if finite is not None:
        with times.stage("pooling the replicas' picks"):
            watching = pool_some(scores, by_score, panel.member, panel.day_numbers, weights=weights, seed=finite.seed, **finite.drawing())
            agents = {**finite.told(), **watching._asdict()}

    alphas = None
    if settings.alpha == LEARNED:
        with times.stage("learning alpha"):
            alphas = learned_alphas(scores, panel.member, forward_returns[settings.horizon], settings.timing(lag), settings.missing)

    def walk(
        search: ListedSearch, stocks: Int[np.ndarray, " N"] | None = None, tell: Callable[[int, int], None] | None = None
    ) -> Candidate:
        return search.walk(
            scores,
            panel.member,
            forward_returns,
            settings,
            execution_lag=lag,
            seed=config.seed,
            dates=panel.dates,
            daily_returns=returns,
            stocks=stocks,
            alpha=alphas,
            progress=tell,
        )

    candidates = []
    for search in searches:
        with times.stage(f"searching walk-forward: {search.name}") as tell:
            candidates.append(walk(search, tell=tell))
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
            learned_alpha=None if alphas is None else applied(alphas, settings.timing(lag)),
        )
        compared = controls(data, fake=fake)
        if PERMUTED in settings.controls:
            compared += on_permuted_scores(searches, walk, len(panel.stocks), config.seed)
        if not any(np.isfinite(found.fitness[evaluated]).any() for found in (*candidates, *compared) if found.fitness is not None):
            raise nothing_evaluated(scores, names, panel.warnings)
        benchmark = portfolio_of(data, np.where(panel.member, 0.0, np.nan), None, everyone=True)
        strategies = judge(data, [*candidates, *compared], benchmark.backtest if benchmark else None)
        opinions, decided, styles, said = opinions_of(data), gathered.decisions, gathered.styles, config.agents.said_hindsight
        facts = tuple(
            ArchetypeFacts(one, *alone, _told_roles(config, one), decided.get(one.name), styles.get(one.name), said(one))
            for one, alone in zip(archetypes, each_alone(data, strategies), strict=True)
        )
        held = [one.backtest for one in (*(s.portfolio for s in strategies), benchmark) if one is not None]
        untraded = _untraded(config, panel, held, returns)
    with times.stage("repeating the procedure where returns are luck") as tell:
        strategies = with_evidence(data, [*candidates, *compared], strategies, timings, tell)
    identities: dict[str, dict[str, str]] = store.get("identity", {})
    asked = () if fake or not inputs.asking else memory_words(inputs, config.store, identities)
    remembered = [] if fake else cutoff_warnings(inputs)
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
        agents=agents,
        learned_alpha=data.learned_alpha,
        memory=asked,
        memory_picture=memory_picture(inputs, config.store, identities) if asked else b"",
        cutoff=latest_cutoff(inputs) if asked else None,
        verdict=verdict(strategies, settings.horizon) if searches and settings.p_values else None,
        effective_opinions=opinions,
        warnings=(
            *gathered.warnings,
            *(() if finite is None else watch_warnings(panel, finite)),
            *untraded,
            *doubts(data, names, strategies),
            *remarks(config, panel, evaluated, first, facts, strategies, remembered),
        ),
        seconds=times.seconds,
    )


def _told_roles(config: RunConfig, archetype: Archetype) -> tuple[str, ...]:
    return () if archetype.protocol in ALONE else told_roles(config.agents.protocol(archetype.protocol), archetype.roles)


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
