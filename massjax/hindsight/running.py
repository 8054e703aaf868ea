"""Measuring hindsight: what every part asks goes through the answer log, and what came back is judged part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from massjax.answers.ask import Tally
from massjax.config import RunConfig
from massjax.errors import ConfigError, DataError, ModelError
from massjax.hindsight.audit import Audit, Audited, audited, audits
from massjax.hindsight.controls import market_controls
from massjax.hindsight.familiarity import NO_SCORES, FamiliarScores, familiar_scores, familiarity_questions
from massjax.hindsight.probing import Probed, power_of, probe_questions, probed
from massjax.hindsight.questions import ASKING, Planned, Questions, as_questions, ask_questions, planned
from massjax.hindsight.settings import PARTS, MeasureSettings, Part
from massjax.hindsight.splitting import BLANK, Split, split
from massjax.hindsight.subject import Subject
from massjax.hindsight.swapping import Swapped, SwappedScores, swapped, swapped_scores
from massjax.machine import this_machine
from massjax.models.language_model import LanguageModel
from massjax.models.loading import Models, language_model
from massjax.models.question import Question
from massjax.models.settings import ModelSettings
from massjax.progress import SILENT, Speaker, correcting
from massjax.scores.asked_models import AskedModel, asked_models
from massjax.scores.asking import ask_everything
from massjax.scores.fitting import answer_log, refuse_earlier, resolver_of
from massjax.scores.inputs import prepare
from massjax.scores.measured import named_in_words
from massjax.scores.templates import PromptLayout
from massjax.statistics.probe_power import ProbePower


@dataclass(frozen=True)
class HindsightPlan:
    """What measuring would ask.

    Attributes:
        parts: what each would ask that none before it does, in the order of asking; of the counterfactual about, where texts come first.
        stocks, dates: of the panel.
        power: of the probe as it is sampled, before its answers tell their spread; None where that is undefined, `no_power` says why.
        without_scores: archetypes of which the log has no score, about whose prompts `measure_hindsight` would therefore not ask.
    """

    parts: dict[Part, Planned]
    stocks: int
    dates: int
    power: ProbePower | None
    no_power: str
    without_scores: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Hindsight:
    """What was measured.

    Attributes:
        settings: what was to be measured.
        asked: questions that this call asked, by part.
        horizon: rows, of the run; all but the probe are judged at it alone.
        days: of the panel.
        stocks: likewise.
        cutoffs: of each model, by its name.
        named: engine and name of each model.
        identities: of each model, what is known of it.
        probed: the memory probe of each model.
        audited: masked facts of each archetype, and of each modality alone.
        familiar: the familiarity test of each archetype.
        swapped: the counterfactual of each archetype.
        splits: before and after the cut-off, of each model's blank answers and each archetype.
        fake: whether the answers are noise.
    """

    settings: MeasureSettings
    asked: dict[Part, int]
    horizon: int
    days: tuple[date, ...]
    stocks: tuple[str, ...]
    cutoffs: dict[str, date | None]
    named: dict[str, str]
    identities: dict[str, dict[str, str]]
    probed: tuple[Probed, ...] = ()
    audited: tuple[Audited, ...] = ()
    familiar: tuple[FamiliarScores, ...] = ()
    swapped: tuple[SwappedScores, ...] = ()
    splits: tuple[Split, ...] = ()
    fake: bool = False


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run to be measured, before anything is asked."""

    subject: Subject
    models: dict[str, AskedModel]
    layout: PromptLayout


@dataclass(eq=False)
class Wanted:
    """The questions of every part.

    Attributes:
        probe: blank questions by model.
        audit: of masked facts.
        familiarity: by archetype; or why there are none.
        no_familiarity: why the model, or its server, would not be asked how familiar prompts are; empty where it was.
        counterfactual: None where it is not wanted.
    """

    probe: list[Questions] = field(default_factory=list)
    audit: list[Audit] = field(default_factory=list)
    familiarity: dict[str, Questions | str] = field(default_factory=dict)
    no_familiarity: str = ""
    counterfactual: Swapped | None = None

    def of(self, part: Part) -> list[Questions]:
        """The questions of a part that are not a protocol's."""
        match part:
            case "probe":
                return self.probe
            case "audit":
                return [some for audit in self.audit for some in (*audit.company, *audit.year)]
            case "familiarity":
                return [some for some in self.familiarity.values() if isinstance(some, Questions)]
            case _:
                return []


def opened(config: RunConfig, speaker: Speaker = SILENT) -> Prepared:
    """Read the market data and look what answers there are.

    Raises:
        ConfigError: no store is named, no archetype asks a model, or the market data lack the run's horizon.
    """
    if config.store is None:
        raise ConfigError("store: not set; name the score store that the answers go to")
    refuse_earlier(config.store)
    speaker.tell("reading the market data", 0, 0)
    inputs = prepare(config)
    if not inputs.asking:
        raise ConfigError("agents: no archetype asks a model, so there is no model whose hindsight could be measured")
    log = answer_log(config.store)
    for name, why in log.damaged:
        speaker.warn(
            f"{config.store}: {name} {why}; it is left aside, and what it answered is asked again (python -m massjax.answers repair)"
        )
    models = asked_models(inputs, log, this_machine())
    digests = {name: asked.digest for name, asked in models.items()}
    resolver, order = resolver_of(inputs, log, digests, config.store)
    subject = Subject(inputs, resolver.template, log, digests)
    if subject.horizon not in subject.forward_returns:
        known = ", ".join(map(str, subject.forward_returns)) or "none"
        raise DataError(f"evaluate.horizon: the market data have no forward returns over {subject.horizon} rows (there: {known})")
    return Prepared(subject, models, order.layout)


def wanted(subject: Subject, settings: MeasureSettings) -> Wanted:
    """The questions of the parts that are wanted; the cut-off's are the probe's."""
    found = Wanted()
    if {"probe", "cutoff"} & set(settings.parts):
        found.probe = probe_questions(subject, settings)
    if "audit" in settings.parts:
        found.audit = audits(subject, settings)
    if "familiarity" in settings.parts:
        found.familiarity = familiarity_questions(subject, settings)
    if "counterfactual" in settings.parts:
        found.counterfactual = swapped(subject, settings)
    return found


def plan_hindsight(config: RunConfig, settings: MeasureSettings, speaker: Speaker = SILENT) -> HindsightPlan:
    """What measuring would ask, part by part; nothing is asked and no model is loaded.

    Raises:
        MassjaxError: bad settings or data; the message says which.
    """
    ready = opened(config, speaker)
    subject, ask = ready.subject, wanted(ready.subject, settings)
    there, parts = set[Question](), dict[Part, Planned]()
    settings_of = subject.inputs.models()
    for part in PARTS:
        if asked := ask.of(part):
            parts[part] = planned(asked, subject.log, subject.models, settings_of, there)
    if ask.counterfactual is not None:
        asked = list(_of_protocols(ask.counterfactual))
        parts["counterfactual"] = planned(asked, subject.log, subject.models, settings_of, there)
    cells = [int((some.index >= 0).sum()) / max(int((some.index >= 0).any(axis=0).sum()), 1) for some in ask.probe]
    controls = len(market_controls(subject.panel).names) + 1
    power = power_of(subject, settings, min(cells), controls) if cells else (None, "the probe is not asked")
    return HindsightPlan(parts, len(subject.panel.stocks), subject.panel.dates.size, *power, _without_scores(subject, ask))


def _without_scores(subject: Subject, ask: Wanted) -> tuple[str, ...]:
    """The archetypes that familiarity is to be asked for, and of which the log has no score that it could be held against."""
    found = []
    for archetype in subject.inputs.asking:
        if isinstance(ask.familiarity.get(archetype.name), Questions):
            asks = subject.asks(archetype)
            assert not isinstance(asks, str)
            if not np.isfinite(subject.opinions(asks).score).any():
                found.append(archetype.name)
    return tuple(found)


def _of_protocols(asked: Swapped) -> Iterator[Questions]:
    """What protocols ask; what follows answers that are not there, as far as made-up ones tell."""
    for resolver in asked.resolvers:
        for archetype in resolver.inputs.asking:
            turn = resolver.turn(archetype)
            for ask in (*turn.asked, *(resolver.later(archetype) if turn.asks is None else ())):
                yield as_questions("counterfactual", ask, resolver.inputs.model_named(ask.model))


def measure_hindsight(
    config: RunConfig,
    settings: MeasureSettings,
    *,
    speaker: Speaker = SILENT,
    starting: Callable[[], AbstractContextManager[None]] = nullcontext,
    make: Callable[[ModelSettings], LanguageModel] = language_model,
) -> Hindsight:
    """Ask what is open of the parts that are wanted, and judge the answers. Stopped at any moment, the same call goes on from there.

    Args:
        config: of a run; it names a store, whose answer log the answers go to.
        settings: what is measured, and on how many questions.
        speaker: told of the progress and of warnings.
        starting: a context within which a model is loaded.
        make: makes a model of its settings, as `massjax.models.loading.language_model` does.

    Raises:
        MassjaxError: bad settings, data or model; the message says which and what to do.
    """
    ready = opened(config, speaker)
    subject, ask = ready.subject, wanted(ready.subject, settings)
    ask.familiarity |= dict.fromkeys(_without_scores(subject, ask), NO_SCORES)
    asked, digests = dict[Part, int](), dict(subject.models)
    progress = correcting(speaker, ASKING)
    with Models({name: one.settings for name, one in ready.models.items()}, make) as at_hand:
        for part in PARTS:
            if mine := ask.of(part):
                speaker.say(f"asking: {part}")
                try:
                    digests, tally = ask_questions(mine, subject.log, at_hand, digests, tell=progress, starting=starting)
                except ModelError as error:
                    if part != "familiarity" or len(settings.parts) == 1:
                        raise
                    ask.no_familiarity = str(error)  # of which other parts have no need
                    continue
                asked[part] = tally.asked
        if ask.counterfactual is not None and ask.counterfactual.own.inputs.asking:
            speaker.say("asking: counterfactual")
            ask.counterfactual = ask.counterfactual.with_models(digests)
            tally, run = Tally(), list[dict[str, str]]()
            for resolver in ask.counterfactual.resolvers:
                after, some = ask_everything(resolver, at_hand, layout=ready.layout, tell=progress, starting=starting)
                tally.include(some.document())
                run.append(dict(after.models))
            digests = run[-1]
            ask.counterfactual = ask.counterfactual.with_models(digests)
            asked["counterfactual"] = tally.asked
    subject.log.refresh()
    speaker.say("judging the answers")
    return judged(replace(subject, models=digests), settings, ask, asked, ready)


def judged(subject: Subject, settings: MeasureSettings, ask: Wanted, asked: dict[Part, int], ready: Prepared) -> Hindsight:
    """What the answers that are there come to."""
    controls, names = market_controls(subject.panel), subject.inputs.models()
    probes = tuple(probed(subject, settings, some, controls) for some in ask.probe)
    recorded = subject.log.models()
    identities = {
        name: dict(recorded[digest].identity if digest in recorded else ready.models[name].identity)
        for name, digest in subject.models.items()
    }
    return Hindsight(
        settings=settings,
        asked=asked,
        horizon=subject.horizon,
        days=tuple(subject.days),
        stocks=tuple(subject.panel.stocks),
        cutoffs={name: subject.cutoff(name) for name in names},
        named={name: named_in_words(one) for name, one in names.items()},
        identities=identities,
        probed=probes,
        audited=tuple(audited(subject, one) for one in ask.audit),
        familiar=tuple(familiar_scores(subject, name, some, controls, ask.no_familiarity) for name, some in ask.familiarity.items()),
        swapped=() if ask.counterfactual is None else tuple(swapped_scores(subject, ask.counterfactual)),
        splits=tuple(_splits(subject, probes)) if "cutoff" in settings.parts else (),
        fake=any(one.engine == "fake" for one in names.values()),
    )


def _splits(subject: Subject, probes: tuple[Probed, ...]) -> Iterator[Split]:
    for one in probes:
        name = BLANK if len(probes) == 1 else f"{BLANK} of {one.model or 'scoring'}"
        yield split(subject, name, one.model, one.blank)
    for archetype in subject.inputs.asking:
        model = subject.inputs.model_named(archetype.model)
        asks = subject.resolver.turn(archetype).asks
        score = np.full(subject.panel.member.shape, np.nan) if asks is None else subject.opinions(asks).score
        found = split(subject, archetype.name, model, score)
        yield (replace(found, reason=NO_SCORES) if (found.reason and not np.isfinite(score).any()) else found)
