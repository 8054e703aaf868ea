"""Running an experiment: ask every variant into one log, so that what they share is asked once, and compare what came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int8, UInt64

from massjax.agents.archetype import ALONE, Archetype
from massjax.agents.protocols.graph import organisation
from massjax.agents.protocols.opinion import UNDECIDED, likeliest
from massjax.config import RunConfig
from massjax.errors import ConfigError
from massjax.experiments.comparing import Answers, Comparison, compare, likeliest_side
from massjax.experiments.variants import Variant, Varied, variants
from massjax.pipeline import precompute
from massjax.progress import SILENT, Speaker
from massjax.scores.build import Resolver
from massjax.scores.fitting import resolver_of_store
from massjax.scores.inputs import prepare
from massjax.scores.opinions import answers_of_roles, opinions
from massjax.scores.outcome import Asked
from massjax.scores.plan import Plan
from massjax.statistics.decisions import FOLLOW, MISSING, NOT_FOLLOW


@dataclass(frozen=True, eq=False)
class Experiment:
    """What an experiment found.

    Attributes:
        varied: what was changed.
        variants: each with its configuration.
        asked: questions that each variant asked, those of variants before it left out.
        answers: by archetype those of each variant.
        comparisons: of each archetype, every variant with the first.
        stocks, dates: what the answers are about.
        fake: whether the answers are noise.
        alike: archetypes and two variants that ask the very same for their scores, so that nothing can differ.
    """

    varied: Varied
    variants: tuple[Variant, ...]
    asked: tuple[int, ...]
    answers: dict[str, tuple[Answers, ...]]
    comparisons: tuple[Comparison, ...]
    stocks: tuple[str, ...]
    dates: np.ndarray
    fake: bool
    alike: tuple[tuple[str, str, str], ...] = ()


def plan_experiment(config: RunConfig, varied: Varied, only: Sequence[str] = (), speaker: Speaker = SILENT) -> list[tuple[Variant, Plan]]:
    """What each variant would ask if it were the first; what they share is asked once.

    Raises:
        MassjaxError: bad settings or data; the message says which.
    """
    plans = []
    for variant in variants(config, prepare(config).asking, varied, only):
        found = precompute(variant.config, plan=True, speaker=speaker)
        assert isinstance(found, Plan)
        plans.append((variant, found))
    return plans


def run_experiment(
    config: RunConfig,
    varied: Varied,
    only: Sequence[str] = (),
    *,
    speaker: Speaker = SILENT,
    starting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Experiment:
    """Ask all variants and compare them. Stopped at any moment, the same call goes on from there.

    Args:
        config: of a run; it names a store.
        varied: what is changed.
        only: names of the archetypes that take part; empty for all that ask a model.
        speaker: told of the progress and of warnings.
        starting: a context within which a model is loaded.

    Raises:
        MassjaxError: bad settings, data or model; the message says which and what to do.
    """
    if config.store is None:
        raise ConfigError("store: not set; name the score store that the answers go to")
    inputs = prepare(config)
    chosen, asked, answers = variants(config, inputs.asking, varied, only), [], dict[str, list[Answers]]()
    keys, alike, fake = dict[str, UInt64[np.ndarray, "Q 2"]](), list[tuple[str, str, str]](), False
    for variant in chosen:
        speaker.say(f"asking with {variant.label}")
        done = precompute(variant.config, speaker=speaker, starting=starting)
        asked.append(done.tally.asked if isinstance(done, Asked) else 0)
        resolver = resolver_of_store(prepare(variant.config), config.store)
        fake |= any(settings.engine == "fake" for settings in resolver.inputs.models().values())
        for archetype in resolver.inputs.asking:
            answers.setdefault(archetype.name, []).append(answers_of(resolver, archetype))
            own = np.unique(resolver.asks(archetype).all_keys, axis=0)
            if variant is not chosen[0] and np.array_equal(own, keys[archetype.name]):
                alike.append((archetype.name, chosen[0].label, variant.label))
            keys.setdefault(archetype.name, own)
    comparisons = tuple(
        compare(name, (chosen[0].label, chosen[number].label), found[0], found[number], config.seed)
        for name, found in answers.items()
        for number in range(1, len(chosen))
    )
    together = {name: tuple(found) for name, found in answers.items()}
    return Experiment(
        varied, chosen, tuple(asked), together, comparisons, tuple(inputs.panel.stocks), inputs.panel.dates, fake, tuple(alike)
    )


def answers_of(resolver: Resolver, archetype: Archetype) -> Answers:
    """What the log has of an archetype's questions: scores, and where there is one also decisions and approvals."""
    minimum, asks = resolver.inputs.config.scoring.minimum_coverage, resolver.asks(archetype)
    found = opinions(asks, resolver.log, minimum)
    if asks.apart:
        return Answers(found.score, np.full(found.score.shape, MISSING, np.int8), {}, asks.situations)
    scored = np.isfinite(found.score)
    said = {role: one.probability for role, one in answers_of_roles(asks, resolver.log).items()}
    if archetype.protocol in ALONE:
        return Answers(found.score, _where(scored, likeliest_side(said[asks.reads[-1].role])), {}, asks.situations)
    decision = np.full(found.score.shape, MISSING, np.int8) if found.decision is None else found.decision
    settings = resolver.inputs.config.agents.protocol(archetype.protocol)
    if settings.file is not None or settings.unit == "text":
        return Answers(found.score, decision, {}, asks.situations)
    following = {role.name for role in organisation(settings, archetype.roles).votes if role.follows}
    approvals = {role: _where(scored, _approval(said[role])) for role in said if role in following}
    return Answers(found.score, decision, approvals, asks.situations)


def _where(scored: Bool[np.ndarray, "N T"], answers: Int8[np.ndarray, "N T"]) -> Int8[np.ndarray, "N T"]:
    return np.where(scored, answers, np.int8(MISSING)).astype(np.int8)


def _approval(probability: np.ndarray) -> Int8[np.ndarray, "N T"]:
    """Whether somebody is followed: the likeliest choice is not the last."""
    choice, known = likeliest(probability), np.isfinite(probability).all(axis=2)
    follows = np.where((choice != UNDECIDED) & (choice < probability.shape[2] - 1), FOLLOW, NOT_FOLLOW)
    return np.where(known, follows, MISSING).astype(np.int8)
