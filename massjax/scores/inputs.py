"""What a run wants scored: market data, archetypes, the facts that prompts show, and the template they are rendered with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from massjax.agents import STAGE, Fact, PromptTemplate, facts_of, resolve_archetypes
from massjax.agents.archetype import Archetype, asks_a_model
from massjax.agents.facts import check_features
from massjax.agents.rules import rule_scores
from massjax.agents.settings import Stage
from massjax.config import RunConfig
from massjax.errors import ConfigError, did_you_mean
from massjax.market import Panel, load_panel
from massjax.market.identifiers import Conventions
from massjax.models.settings import ModelSettings
from massjax.scores.given import scores_from_file
from massjax.scores.made_from import MadeFrom, fact_hashes
from massjax.scores.scores import Scores
from massjax.settings import validate

DEFAULT_MODEL = ""
"""The model of archetypes that name none: that of `scoring`."""


@dataclass(frozen=True)
class Inputs:
    """What scores are made from.

    Attributes:
        config: the settings.
        panel: the market data.
        archetypes: one a row of the score tensor.
        facts: what prompts may show of the modalities that archetypes see; none where no model is asked.
        given: scores of `scores.path`.
        dates: that prompts are about; None = all.
    """

    config: RunConfig
    panel: Panel
    archetypes: tuple[Archetype, ...]
    facts: tuple[Fact, ...]
    given: Scores | None = None
    dates: slice | None = None

    @property
    def asking(self) -> tuple[Archetype, ...]:
        """The archetypes that ask a language model."""
        return tuple(archetype for archetype in self.archetypes if archetype.asks)

    @cached_property
    def rule_scores(self) -> dict[str, Float[np.ndarray, "N T"]]:
        """Scores of the rule archetypes, by name."""
        rules = [a for a in self.archetypes if a.kind == "rule"]
        return {} if not rules else dict(zip([a.name for a in rules], rule_scores(self.panel, rules), strict=True))

    def model_name(self, archetype: Archetype, stage: Stage | None = None) -> str:
        """The name in `models:` of the model that an archetype, or a stage of it, asks; `DEFAULT_MODEL` for that of `scoring`."""
        named = archetype.model if stage is None or stage.model is None else stage.model
        return named if named in self.config.models else DEFAULT_MODEL

    def stages_of(self, archetype: Archetype) -> tuple[Stage, ...]:
        """The stages of an archetype, in order."""
        by_name = {stage.name: stage for stage in self.config.agents.stages}
        return tuple(by_name[name] for name in archetype.stages)

    def model_names(self, archetype: Archetype) -> tuple[str, ...]:
        """The models that an archetype asks, in the order of asking."""
        return tuple(dict.fromkeys(self.model_name(archetype, stage) for stage in (*self.stages_of(archetype), None)))

    def model_settings(self, name: str) -> ModelSettings:
        """The settings of a model by its name."""
        return self.config.scoring if name == DEFAULT_MODEL else self.config.models[name]

    def models(self) -> dict[str, ModelSettings]:
        """The models that archetypes ask, by name, in the order of their first archetype."""
        names = dict.fromkeys(name for archetype in self.asking for name in self.model_names(archetype))
        return {name: self.model_settings(name) for name in names}

    def on(self, dates: slice) -> Inputs:
        """The same on some successive dates alone; the market data stay whole, what prompts show does not."""
        facts = tuple(replace(fact, codes=fact.codes[:, dates]) for fact in self.facts)
        return replace(self, facts=facts, dates=dates)

    @property
    def member(self) -> np.ndarray:
        """[N, T] True where prompts are asked about a stock."""
        return self.panel.member if self.dates is None else self.panel.member[:, self.dates]

    def made_from(self, template: str, models: Mapping[str, Mapping[str, str]] | None = None, answers: str = "") -> MadeFrom:
        """What scores of these inputs are made from.

        Args:
            template: hash of the prompt template.
            models: by name the identity of each model; they are told, not compared.
            answers: hash of all questions and answers.
        """
        seen = {modality for archetype in self.asking for modality in archetype.modalities}
        facts = [fact for fact in self.facts if not fact.modality or fact.modality in seen]
        return MadeFrom(
            settings=self.settings(template),
            archetypes={archetype.name: definition(archetype) for archetype in self.asking},
            dates=self.panel.dates,
            facts=fact_hashes(facts, self.panel.stocks, self.panel.member),
            answers=answers,
            models=dict(models or {}),
        )

    def settings(self, template: str) -> dict[str, Any]:
        """The settings that decide what is asked and what an answer comes to, in plain values; models by what names them."""
        scoring, agents = self.config.scoring, self.config.agents
        used = {name for archetype in self.asking for name in archetype.stages}
        stages = {stage.name: _written(stage) for stage in agents.stages if stage.name in used}
        found = {
            "prompt_template": template,
            "facts": agents.facts,
            "mask": agents.mask,
            "choices": list(scoring.choices),
            "prefill": scoring.prefill,
            "calibrate": scoring.calibrate,
            "minimum_coverage": scoring.minimum_coverage,
            "models": {name or "scoring": named(settings) for name, settings in self.models().items()},
            "stages": stages,
            **({} if agents.facts_order == "given" else {"facts_order": agents.facts_order}),
        }
        plain: dict[str, Any] = json.loads(json.dumps(found))
        return plain


def named(settings: ModelSettings) -> dict[str, str]:
    """What names a model where its files are not at hand: engine, and the last part of its name."""
    served = settings.endpoint.model if settings.endpoint is not None else ""
    return {"engine": settings.engine, "model": Path(settings.model).name or served}


def prepare(config: RunConfig) -> Inputs:
    """Load the market data and work out archetypes and facts.

    Raises:
        ConfigError, DataError: a setting or the market data is wrong.
    """
    panel = load_panel(config.market)
    given = None if config.scores is None else scores_from_file(config.scores.path, Conventions.of(config.market))
    own = resolve_archetypes(config.agents, panel)
    for archetype in own:
        if archetype.protocol == "given":
            raise ConfigError(
                f"agents: archetype {archetype.name!r}: those whose scores are given are not listed; all that scores.path has take part, "
                "so leave it out here"
            )
    archetypes = (*_given_archetypes(given), *own)
    check_features(panel, config.agents)
    seen = {modality for archetype in archetypes for modality in archetype.modalities}
    facts = facts_of(panel, config.agents, seen) if asks_a_model(archetypes) else ()
    for archetype in archetypes:
        _check_askable(archetype, facts, config)
    named = Counter(archetype.name for archetype in archetypes)
    for name, count in named.items():
        if count > 1:
            raise ConfigError(f"scores.path: has an archetype {name!r}, and so has agents; names must be unique")
    return Inputs(config, panel, archetypes, facts, given)


def _given_archetypes(given: Scores | None) -> list[Archetype]:
    """Archetypes whose scores are given, by the names that they have there."""
    names = () if given is None else given.archetypes
    return [validate(Archetype, {"name": name, "protocol": "given"}, f"scores.path: archetype {name!r}") for name in names]


def _check_askable(archetype: Archetype, facts: Sequence[Fact], config: RunConfig) -> None:
    for stage in config.agents.stages:
        if stage.name in archetype.stages and stage.model is not None and stage.model not in config.models:
            known = ", ".join(config.models) or "none"
            raise ConfigError(
                f"stage {stage.name!r} asks the model {stage.model!r}, which is no entry of `models` (there: {known})"
                f"{did_you_mean(stage.model, config.models)}"
            )
    model = config.scoring.model
    if archetype.model is not None and archetype.model not in config.models and Path(archetype.model).name != Path(model).name:
        known = ", ".join(config.models) or "none"
        raise ConfigError(
            f"archetype {archetype.name!r} asks the model {archetype.model!r}, which is neither an entry of `models` (there: {known})"
            f"{did_you_mean(archetype.model, config.models)} nor scoring.model, {model!r}"
        )
    for modality in archetype.modalities:
        if not any(fact.modality == modality for fact in facts):
            raise ConfigError(
                f"archetype {archetype.name!r} sees the modality {modality!r}, of which agents.features shows nothing; "
                "add one of its features there, or leave agents.features empty to show all"
            )


def definition(archetype: Archetype) -> dict[str, Any]:
    """An archetype as it is kept beside its scores, its kind included, in plain values."""
    found: dict[str, Any] = json.loads(archetype.model_dump_json(exclude_defaults=True))
    return {"kind": archetype.kind, **found}


def _written(stage: Stage) -> dict[str, Any]:
    """How a stage's texts are written, the text of its template by its hash."""
    template = PromptTemplate(stage.template or STAGE).sha256
    return {**stage.model_dump(mode="json", exclude={"name", "template"}), "template": template}
