"""What a run wants scored: market data, archetypes, the facts that prompts show, and the template they are rendered with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt64

from massjax.agents import STAGE, Fact, PromptTemplate, facts_of, resolve_archetypes
from massjax.agents.archetype import ALONE, Archetype, asks_a_model
from massjax.agents.facts import check_features, text_modalities
from massjax.agents.hindsight import VIEWS, HindsightSettings
from massjax.agents.items import Items, items_of
from massjax.agents.lists import ListMarket, list_market
from massjax.agents.prompts import PICK, STYLE
from massjax.agents.protocols.choosing import Chosen, document_of, protocol_of, seen_modalities
from massjax.agents.protocols.styling import ROLE as STYLE_ROLE
from massjax.agents.rules import rule_scores
from massjax.agents.settings import AgentsSettings, Stage
from massjax.config import RunConfig
from massjax.errors import ConfigError, did_you_mean
from massjax.market import Panel, load_panel
from massjax.market.identifiers import Conventions
from massjax.models.settings import ModelSettings
from massjax.scores.given import scores_from_file
from massjax.scores.made_from import RETURNS, MadeFrom, fact_hashes
from massjax.scores.scores import Scores
from massjax.scores.views import ItemView, ReplicaView, View
from massjax.scores.without_memory import Memory, past_returns_of
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
        facts: what prompts may show of the modalities that archetypes see, names and dates hidden or shown as `agents` has it; none where
            no model is asked.
        given: scores of `scores.path`.
        other_facts: the same facts for archetypes from which names and dates are hidden where `agents` shows them, or shown where it hides
            them; none where there is no such archetype.
        market: what lists are drawn from that a model picks from; None where no model picks.
    """

    config: RunConfig
    panel: Panel
    archetypes: tuple[Archetype, ...]
    facts: tuple[Fact, ...]
    given: Scores | None = None
    other_facts: tuple[Fact, ...] = ()
    market: ListMarket | None = None

    @property
    def asking(self) -> tuple[Archetype, ...]:
        """The archetypes that ask a language model."""
        return tuple(archetype for archetype in self.archetypes if archetype.asks)

    @cached_property
    def rule_scores(self) -> dict[str, Float[np.ndarray, "N T"]]:
        """Scores of the rule archetypes, by name."""
        rules = [a for a in self.archetypes if a.kind == "rule"]
        return {} if not rules else dict(zip([a.name for a in rules], rule_scores(self.panel, rules), strict=True))

    @cached_property
    def protocols(self) -> dict[str, Chosen]:
        """The protocols of archetypes that ask a model, by their name."""
        return {one.name: self._protocol(one) for one in self.asking}

    def _protocol(self, archetype: Archetype) -> Chosen:
        agents = self.config.agents
        chosen, how = protocol_of(archetype, agents, self.config.scoring, self.market), agents.hindsight_of(archetype)
        return self.memory.protocol(chosen, archetype, how, self._cutoff(archetype)) if how in VIEWS else chosen

    def masked(self, archetype: Archetype) -> bool:
        """Whether names and dates are hidden from an archetype."""
        return self.config.agents.hindsight_of(archetype) == "mask"

    def facts_for(self, archetype: Archetype) -> tuple[Fact, ...]:
        """What prompts of an archetype may show."""
        return self.facts if self.masked(archetype) == self.config.agents.masked else self.other_facts

    @cached_property
    def viewed(self) -> tuple[Archetype, ...]:
        """The archetypes whose scores are read with memory taken out."""
        return tuple(one for one in self.asking if self.config.agents.hindsight_of(one) in VIEWS)

    @cached_property
    def memory(self) -> Memory:
        """What their scores are read with."""
        agents, settings = self.config.agents, self.config.agents.hindsight or HindsightSettings()
        wanted = any(agents.hindsight_of(one) == "residual" for one in self.asking)
        lag, horizon = self.config.market.execution_lag, self.config.evaluate.horizon
        returns = past_returns_of(self.panel, settings, horizon, lag) if wanted else None
        return Memory(self.panel, settings, agents.facts == "numbers", returns)

    def _cutoff(self, archetype: Archetype) -> date | None:
        return self.model_settings(self.model_named(archetype.model)).knowledge_cutoff

    def model_named(self, name: str | None) -> str:
        """The name in `models:` of the model that is asked where a role or archetype names one; `DEFAULT_MODEL` for that of `scoring`."""
        return name if name in self.config.models else DEFAULT_MODEL

    def model_names(self, archetype: Archetype) -> tuple[str, ...]:
        """The models that an archetype asks, in the order of asking."""
        return tuple(dict.fromkeys(self.model_named(part.model) for part in self.protocols[archetype.name].parts))

    def _items(self, archetype: Archetype) -> Items:
        """The texts that an archetype sees, one by one."""
        seen = frozenset(seen_modalities(archetype, self.config.agents)) & frozenset(text_modalities(self.panel))
        key, agents = (seen, self.masked(archetype)), self.config.agents.masked_as(self.masked(archetype))
        if key not in self._kept_items:
            self._kept_items[key] = items_of(self.panel, agents, self.facts_for(archetype), seen)
        return self._kept_items[key]

    @cached_property
    def _kept_items(self) -> dict[tuple[frozenset[str], bool], Items]:
        return {}

    def model_settings(self, name: str) -> ModelSettings:
        """The settings of a model by its name."""
        return self.config.scoring if name == DEFAULT_MODEL else self.config.models[name]

    def models(self) -> dict[str, ModelSettings]:
        """The models that archetypes ask, by name, in the order of their first archetype."""
        names = dict.fromkeys(name for archetype in self.asking for name in self.model_names(archetype))
        return {name: self.model_settings(name) for name in names}

    def view(self, archetype: Archetype, dates: slice | None = None, stocks: Bool[np.ndarray, " N"] | None = None) -> View:
        """What the questions of an archetype are about.

        Args:
            dates: these successive ones alone; None = all.
            stocks: True for those that are asked about; None = all.
        """
        replicas, settings = self.protocols[archetype.name].replicas, self.protocols[archetype.name].settings
        facts = self.facts_for(archetype)
        if replicas:
            return ReplicaView(facts, self.panel.member, replicas, dates)
        if settings is not None and settings.unit == "text":
            items = self._items(archetype).on(dates, stocks)
            shape = (len(self.panel.stocks), len(self.panel.dates[dates or slice(None)]))
            return ItemView(items.facts, np.ones((len(items.stock), 1), bool), items, shape, settings.aggregate or "latest")
        member = self.panel.member if stocks is None else self.panel.member & stocks[:, None]
        if dates is None:
            return View(facts, member)
        return View(tuple(replace(fact, codes=fact.codes[:, dates]) for fact in facts), member[:, dates])

    def made_from(
        self,
        template: str,
        models: Mapping[str, Mapping[str, str]] | None = None,
        answers: str = "",
        styles: Mapping[str, Mapping[str, str]] | None = None,
    ) -> MadeFrom:
        """What scores of these inputs are made from.

        Args:
            template: hash of the prompt template.
            models: by name the identity of each model; they are told, not compared.
            answers: hash of all questions and answers.
            styles: by archetype what its style is mostly; they are told, not compared.
        """
        return MadeFrom(
            settings=self.settings(template),
            archetypes={archetype.name: definition(archetype) for archetype in self.asking},
            dates=self.panel.dates,
            facts=self._fact_hashes(),
            answers=answers,
            models=dict(models or {}),
            styles=dict(styles or {}),
        )

    def _fact_hashes(self) -> dict[str, UInt64[np.ndarray, " T"]]:
        """By modality what prompts show on each date, and the past returns that scores are read with."""
        config, panel, masked = self.config, self.panel, self.config.agents.masked
        found = dict[str, UInt64[np.ndarray, " T"]]()
        for facts, alike, prefix in ((self.facts, True, ""), (self.other_facts, False, "names shown: " if masked else "names masked: ")):
            archetypes = [one for one in self.asking if (self.masked(one) == masked) == alike]
            seen = _seen(archetypes, config, panel) if archetypes else set()
            shown = [fact for fact in facts if not fact.modality or fact.modality in seen]
            if alike or archetypes:
                hashes = fact_hashes(shown, panel.stocks, panel.member)
                found |= {prefix + modality: values for modality, values in hashes.items()}
        if self.viewed and self.memory.returns is not None:
            found[RETURNS] = self.memory.returns.hashes(panel.member)
        return found

    def settings(self, template: str) -> dict[str, Any]:
        """The settings that decide what is asked and what an answer comes to, in plain values; models by what names them."""
        scoring, agents = self.config.scoring, self.config.agents
        used = {name for archetype in self.asking for name in archetype.stages}
        stages = {stage.name: _written(stage) for stage in agents.stages if stage.name in used}
        found = {
            "prompt_template": template,
            "facts": agents.facts,
            "mask": agents.masked,
            "choices": list(scoring.choices),
            "prefill": scoring.prefill,
            "calibrate": scoring.calibrate,
            "minimum_coverage": scoring.minimum_coverage,
            "models": {name or "scoring": named(settings) for name, settings in self.models().items()},
            "stages": stages,
            **({} if agents.facts_order == "given" else {"facts_order": agents.facts_order}),
        }
        picking = [chosen for chosen in self.protocols.values() if chosen.replicas]
        if picking and agents.finite is not None:
            lists = agents.finite.model_dump(mode="json", exclude={"preset"})
            templates = {name: PromptTemplate(name).sha256 for name in (PICK, STYLE)}
            found["finite"] = {**lists, "known": picking[0].known, **templates}
        own = {archetype.protocol for archetype in self.asking if archetype.protocol not in ALONE}
        if own:
            found["protocols"] = {name: document_of(agents.protocol(name)) for name in sorted(own)}
        if self.viewed:
            hows = sorted({agents.hindsight_of(one) for one in self.viewed})
            document = self.memory.document(hows, [self._cutoff(one) for one in self.viewed])
            found["hindsight"] = {**({} if agents.hindsight is None else {"how": agents.hindsight.how}), **document}
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
    seen = _seen(archetypes, config, panel)
    market = _list_market(config, panel) if asks_a_model(archetypes) else None
    facts = facts_of(panel, config.agents, seen) if asks_a_model(archetypes) else ()
    others = _otherwise_masked(archetypes, config.agents)
    other_facts = facts_of(panel, config.agents.masked_as(not config.agents.masked), _seen(others, config, panel)) if others else ()
    for archetype in archetypes:
        _check_askable(archetype, facts, config, panel, market)
    if config.agents.finite is not None and config.agents.finite.by_model and not asks_a_model(archetypes):
        raise ConfigError(
            "agents.finite.picked_by: model, and no archetype asks a model: rules and given scores pick by score; leave picked_by out, "
            "or add archetypes that ask one, as agents.draw does"
        )
    named = Counter(archetype.name for archetype in archetypes)
    for name, count in named.items():
        if count > 1:
            raise ConfigError(f"scores.path: has an archetype {name!r}, and so has agents; names must be unique")
    return Inputs(config, panel, archetypes, facts, given, other_facts, market)


def _otherwise_masked(archetypes: Sequence[Archetype], agents: AgentsSettings) -> list[Archetype]:
    """The archetypes from which names and dates are hidden where `agents` shows them, or shown where it hides them."""
    return [one for one in archetypes if one.asks and (agents.hindsight_of(one) == "mask") != agents.masked]


def _given_archetypes(given: Scores | None) -> list[Archetype]:
    """Archetypes whose scores are given, by the names that they have there."""
    names = () if given is None else given.archetypes
    return [validate(Archetype, {"name": name, "protocol": "given"}, f"scores.path: archetype {name!r}") for name in names]


def _list_market(config: RunConfig, panel: Panel) -> ListMarket | None:
    """What lists are drawn from that a model picks from; None where no model picks."""
    finite = config.agents.finite
    if finite is None or finite.picked_by != "model":
        return None
    return list_market(panel, finite, config.market.execution_lag)


def _seen(archetypes: Sequence[Archetype], config: RunConfig, panel: Panel) -> set[str]:
    """The modalities that prompts show: those that archetypes see, and those about the whole market where styles are written from them."""
    seen = {modality for archetype in archetypes for modality in seen_modalities(archetype, config.agents)}
    finite = config.agents.finite
    if finite is not None and finite.style is not None and finite.style.when == "daily":
        seen |= {fact.modality for fact in panel.market_facts.values()}
    return seen


def _check_askable(archetype: Archetype, facts: Sequence[Fact], config: RunConfig, panel: Panel, market: ListMarket | None) -> None:
    if not archetype.asks:
        return
    for part in protocol_of(archetype, config.agents, config.scoring, market).parts:
        if part.model is None or part.model in config.models:
            continue
        known = ", ".join(config.models) or "none"
        meant = did_you_mean(part.model, config.models)
        if part.model != archetype.model:
            kind = "stage" if part.role in (*archetype.stages, STYLE_ROLE) else "role"
            raise ConfigError(f"{kind} {part.role!r} asks the model {part.model!r}, which is no entry of `models` (there: {known}){meant}")
        if Path(archetype.model).name != Path(config.scoring.model).name:
            raise ConfigError(
                f"archetype {archetype.name!r} asks the model {archetype.model!r}, which is neither an entry of `models` (there: {known})"
                f"{meant} nor scoring.model, {config.scoring.model!r}"
            )
    protocol, texts = archetype.protocol, text_modalities(panel)
    each_text = protocol not in ALONE and config.agents.protocol(protocol).unit == "text"
    if each_text and not set(texts) & set(seen_modalities(archetype, config.agents)):
        what = f"protocol {protocol!r} decides on each text, but sees no modality of texts"
        raise ConfigError(f"archetype {archetype.name!r}: {what} (there: {', '.join(texts) or 'none'})")
    for modality in seen_modalities(archetype, config.agents):
        if not any(fact.modality == modality for fact in facts):
            raise ConfigError(
                f"archetype {archetype.name!r} sees the modality {modality!r}, of which agents.features shows nothing; "
                "add one of its features there, or leave agents.features empty to show all"
            )


def definition(archetype: Archetype) -> dict[str, Any]:
    """An archetype as it is kept beside its scores, its kind included, in plain values."""
    found: dict[str, Any] = json.loads(archetype.model_dump_json(exclude_defaults=True))
    for name, change in archetype.roles.items():
        if change.template is not None:
            found["roles"][name]["template"] = PromptTemplate(change.template).sha256
    return {"kind": archetype.kind, **found}


def _written(stage: Stage) -> dict[str, Any]:
    """How a stage's texts are written, the text of its template by its hash."""
    template = PromptTemplate(stage.template or STAGE).sha256
    return {**stage.model_dump(mode="json", exclude={"name", "template"}), "template": template}
