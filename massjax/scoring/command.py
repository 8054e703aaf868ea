"""What `python -m massjax.precompute` does: prepare the work, then plan it, find it done, or ask, here or on Ray workers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rich.console import Console

from massjax.agents import hindsight_warnings
from massjax.agents.archetype import asks_a_model
from massjax.answers.sharding import parse_shard
from massjax.config import RunConfig, default_config, load_config
from massjax.errors import ConfigError
from massjax.flags import Loudness, loudness
from massjax.progress import Speaker, correcting, speaking
from massjax.scoring.answering import model_for
from massjax.scoring.leaks import leak_warnings
from massjax.scoring.machine import Machine, dtype_warnings, this_machine, with_dtype
from massjax.scoring.passes import ASKING, run_passes
from massjax.scoring.placing import open_or_create, own_units, shards_of
from massjax.scoring.plan import plan
from massjax.scoring.printing import conclude, nothing_to_ask, show_plan, warn
from massjax.scoring.recording import record_run
from massjax.scoring.settled import settled
from massjax.scoring.work import Work, prepare, same_prompts
from massjax.settings import absolute
from massjax.stopping import RESUMABLE, ending_at_once
from massjax.store import ScoreStore
from massjax.terminal import result_console
from massjax.version import massjax_version

Show = Callable[[Console, Console], int]
"""Prints what came of it, the result on the first console and warnings on the second; returns the exit code."""


def precompute(options: argparse.Namespace) -> int:
    """Do what the command line says.

    Returns:
        0 when every score is stored, 1 when some could not be had.

    Raises:
        MassjaxError: whatever the user can mend.
    """
    console, how = result_console(), loudness(options)
    errors = console if how is Loudness.QUIET else Console(stderr=True)  # what warns of the result belongs to it
    with speaking(how) as speaker:
        show = _done(options, speaker, errors)
    return show(console, errors)


def _done(options: argparse.Namespace, speaker: Speaker, errors: Console) -> Show:
    """Plan or do the work; what is returned is called when no progress is shown any more."""
    config, path = _configured(options)
    speaker.detail(f"massjax {massjax_version()}, settings {options.config or default_config()}, store {path}")
    machine, asked = this_machine(), config.scoring
    if options.plan or options.ray is None:  # else each worker looks at its own machine
        config = with_dtype(config, path, machine)
    speaker.tell("reading the market data and writing the prompts", 0, 0)
    work = prepare(config)
    for warning in _warnings(work, machine):
        warn(errors, warning)
    if options.plan:
        speaker.tell("counting what is left to ask", 0, 0)
        return partial(show_plan, plan(work, path, machine, asked), path)
    held = settled(work, path)
    if held is not None:
        return partial(nothing_to_ask, held, own_units(work, held.store))
    if options.ray is not None:
        return _on_ray(options, work, path, speaker)
    return _here(options, work, path, machine, speaker, errors)


def _configured(options: argparse.Namespace) -> tuple[RunConfig, Path | str]:
    """The settings, and the store that they or the command line name."""
    config = load_config(options.config, options.set)
    named = options.store or config.store
    if named is None:
        file, agents = options.config or default_config(), config.agents
        if agents.grid is None and agents.draw is None and not asks_a_model(agents.archetypes):
            raise ConfigError(
                f"{file}: all its archetypes are rules, so there is nothing to ask; run python -m massjax.optimize --config {file}"
            )
        raise ConfigError(f"{file}: names no store; add `store: FOLDER.zarr` or give --store")
    path = absolute(named)
    return config.replace(store=path), path


def _warnings(work: Work, machine: Machine) -> Iterator[str]:
    """What is to be said before anything is asked."""
    yield from work.panel.warnings
    config = work.config
    cutoff, mask, texts = config.scoring.knowledge_cutoff, config.agents.mask, bool(config.market.texts)
    yield from hindsight_warnings(cutoff, work.panel.dates, work.archetypes, mask=mask, texts=texts)
    if work.config.scoring.engine == "fake":
        yield "scoring.engine is 'fake': the scores are noise, for tests of the machinery only"
    yield from dtype_warnings(work.config.scoring, machine)
    for first, second in same_prompts(work):
        yield (
            f"archetypes {first!r} and {second!r} ask the very same prompts, so their scores are the same; "
            "give one another persona, preference or modality, or a template that uses archetype.replica"
        )
    yield from leak_warnings(work)


def _here(options: argparse.Namespace, work: Work, path: Path | str, machine: Machine, speaker: Speaker, errors: Console) -> Show:
    """Ask in this process: all of the work, or a shard of it."""
    shard = None if options.shard is None else parse_shard(options.shard)
    speaker.tell("starting the engine", 0, 0)
    with ending_at_once(RESUMABLE):
        model = model_for(work)
    try:
        store = open_or_create(work, path, model.identity())
        units = None if shard is None else shards_of(work, store, shard[1])[shard[0] - 1]
        expected = plan(work, path, machine)
        if shard is None and expected.to_ask:
            speaker.say(f"{expected.to_ask:,} prompts to ask take about {expected.time()}")
        for warning in expected.warnings:
            warn(errors, warning)
        progress = correcting(speaker, ASKING)
        tally = run_passes(work, store, model, units=None if units is None else frozenset(units), progress=progress)
    finally:
        model.close()
    part = {} if shard is None else {"shard": f"{shard[0]}/{shard[1]}"}
    return partial(conclude, tally, store, record_run(work, store, tally, **part), own_units(work, store) if units is None else units)


def _on_ray(options: argparse.Namespace, work: Work, path: Path | str, speaker: Speaker) -> Show:
    """Share the work out to Ray workers."""
    if options.shard is not None:
        raise ConfigError("--shard and --ray: give one of them; Ray shares the work out by itself")
    if options.ray < 1:
        raise ConfigError(f"--ray {options.ray}: expected at least 1 worker")
    from massjax.scoring.on_ray import run_on_ray

    tally = run_on_ray(work.config, path, options.ray, speaker.tell)
    store = ScoreStore.open(path, mode="r+")
    return partial(conclude, tally, store, record_run(work, store, tally, ray_workers=options.ray), own_units(work, store))
