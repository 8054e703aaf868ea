"""What a run wants scored: panel, archetypes and prompts, before any model is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from massjax.agents import ArchetypePrompts, Fact, PromptTemplate, content_free, facts_of, prompts_of, resolve_archetypes
from massjax.agents.archetype import Archetype, asks_a_model
from massjax.agents.facts import check_features
from massjax.agents.protocols.staged import Staged, Wanted, apply_stages
from massjax.agents.rules import rule_scores
from massjax.config import RunConfig
from massjax.errors import ConfigError, StoreError
from massjax.market import Panel, load_panel
from massjax.models.question import Prompt
from massjax.scoring.stage_texts import stored_texts
from massjax.scoring.templates import ChosenLayout, choose_template

NOT_ASKED_DIGEST = 0


@dataclass(frozen=True)
class Work:
    """The scores a configuration asks for.

    Attributes:
        config: the settings.
        panel: the market data.
        archetypes: one per row of the score tensor.
        facts: what prompts may show of the modalities that archetypes see; none where all of them are rules.
        template: the prompt template.
        order: which prompt layout was chosen, and why.
        texts: texts of the stages before a score, by key, as far as they are written.
    """

    config: RunConfig
    panel: Panel
    archetypes: tuple[Archetype, ...]
    facts: tuple[Fact, ...]
    template: PromptTemplate
    order: ChosenLayout
    texts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def prompts(self) -> dict[str, ArchetypePrompts]:
        """Every distinct prompt of every LLM archetype whose stages have their texts, by its name."""
        ready = {a.name: self._staged(a, self.facts, self.panel.member) for a in self.archetypes if a.kind == "llm"}
        return {name: self._prompts(staged, self.panel.member) for name, staged in ready.items() if isinstance(staged, Staged)}

    @cached_property
    def digests(self) -> dict[str, np.ndarray]:
        """[N, T] fingerprint of the prompt asked for each stock and date, 0 where none is, by the archetype's name."""
        return {name: digests_of(prompts) for name, prompts in self.prompts.items()}

    @cached_property
    def rule_scores(self) -> dict[str, Float[np.ndarray, "N T"]]:
        """Scores of the rule archetypes, by name."""
        rules = [a for a in self.archetypes if a.kind == "rule"]
        return {} if not rules else dict(zip([a.name for a in rules], rule_scores(self.panel, rules), strict=True))

    @cached_property
    def _content_free(self) -> dict[str, Prompt]:
        return {}

    def content_free(self, archetype: Archetype) -> Prompt:
        """The archetype's prompt with every fact withheld."""
        known = self._content_free
        if archetype.name not in known:
            staged = self._needed(archetype, self.facts, self.panel.member)
            known[archetype.name] = content_free(staged.archetype, staged.facts, self.template, self.config.scoring.choices)
        return known[archetype.name]

    def prompts_between(self, archetype: Archetype, dates: slice) -> ArchetypePrompts:
        """The archetype's prompts on some of the panel's dates alone.

        Raises:
            StoreError: its stages lack texts.
        """
        facts = [replace(fact, codes=fact.codes[:, dates]) for fact in self.facts]
        member = self.panel.member[:, dates]
        return self._prompts(self._needed(archetype, facts, member), member)

    def missing_texts(self, archetype: Archetype, texts: Mapping[str, str]) -> list[Wanted]:
        """What the archetype's first stage that lacks texts lacks, given the texts there are."""
        staged = replace(self, texts=texts)._staged(archetype, self.facts, self.panel.member)
        return [] if isinstance(staged, Staged) else staged

    def weight(self, archetype: Archetype) -> int:
        """How many distinct prompts an LLM archetype has, its stages left aside."""
        if not archetype.stages:
            return len(self.prompts[archetype.name].prompts)
        return len(self._prompts(Staged(archetype, self.facts), self.panel.member).prompts)

    def _staged(self, archetype: Archetype, facts: Sequence[Fact], member: np.ndarray) -> Staged | list[Wanted]:
        return apply_stages(archetype, self.config.agents.stages, facts, member, self.config.scoring.choices, self.texts)

    def _needed(self, archetype: Archetype, facts: Sequence[Fact], member: np.ndarray) -> Staged:
        staged = self._staged(archetype, facts, member)
        if isinstance(staged, Staged):
            return staged
        raise StoreError(
            f"archetype {archetype.name!r}: stage {staged[0].stage!r} lacks {len(staged)} texts; python -m massjax.precompute writes them"
        )

    def _prompts(self, staged: Staged, member: np.ndarray) -> ArchetypePrompts:
        return prompts_of(staged.archetype, staged.facts, member, self.template, self.config.scoring.choices)


def prepare(config: RunConfig) -> Work:
    """Load the panel and work out archetypes, facts and template; texts of stages are taken from the configuration's store.

    Raises:
        ConfigError, DataError: a setting or the market data is wrong.
    """
    panel = load_panel(config)
    archetypes = resolve_archetypes(config.agents, panel)
    check_features(panel, config.agents)
    seen = {modality for archetype in archetypes for modality in archetype.modalities}
    facts = facts_of(panel, config.agents, seen) if asks_a_model(archetypes) else ()
    for archetype in archetypes:
        _check_askable(archetype, facts, config)
    template, order = choose_template(config, archetypes, facts, panel.member)
    staged = any(archetype.stages for archetype in archetypes)
    texts = stored_texts(config.store) if staged and config.store is not None else {}
    return Work(config, panel, archetypes, facts, template, order, texts)


def _check_askable(archetype: Archetype, facts: Sequence[Fact], config: RunConfig) -> None:
    model = config.scoring.model
    if archetype.model is not None and Path(archetype.model).name != Path(model).name:
        raise ConfigError(
            f"archetype {archetype.name!r} asks the model {archetype.model!r}, but scoring.model is {model!r}; "
            "a score store holds the answers of one model: score this archetype with a config and store of its own"
        )
    for modality in archetype.modalities:
        if not any(fact.modality == modality for fact in facts):
            raise ConfigError(
                f"archetype {archetype.name!r} sees the modality {modality!r}, of which agents.features shows nothing; "
                "add one of its features there, or leave agents.features empty to show all"
            )


def same_prompts(work: Work) -> list[tuple[str, str]]:
    """Pairs of LLM archetypes that ask the very same prompts everywhere, so that their scores cannot differ."""
    first: dict[bytes, str] = {}
    pairs = []
    for name, digests in work.digests.items():
        key = hashlib.sha256(digests.tobytes()).digest()
        if key in first:
            pairs.append((first[key], name))
        first.setdefault(key, name)
    return pairs


def settings_key(config: RunConfig, template: PromptTemplate) -> dict[str, Any]:
    """The part of a store's identity that the configuration determines, what answers and its files aside."""
    scoring = config.scoring
    return {
        "prompt_template": template.sha256,
        "facts": config.agents.facts,
        "mask": config.agents.mask,
        "choices": list(scoring.choices),
        "prefill": scoring.prefill,
        "calibrate": scoring.calibrate,
        "minimum_coverage": scoring.minimum_coverage,
        "dtype": scoring.dtype,
        "head_dtype": scoring.head_dtype,
        "compile": scoring.compile,
        "seed": scoring.seed,
    }


def definition(archetype: Archetype) -> dict[str, Any]:
    """An archetype as kept in a store, its kind included."""
    return {"kind": archetype.kind, **archetype.model_dump(mode="json", exclude_defaults=True)}


def digests_of(prompts: ArchetypePrompts) -> Int[np.ndarray, "N T"]:
    """Fingerprints of the prompts asked for each stock and date, as uint64; 0 where none is."""
    table = np.array([NOT_ASKED_DIGEST, *(prompt.digest() for prompt in prompts.prompts)], dtype=np.uint64)
    return table[prompts.index + 1]


def prompts_key(digests: Int[np.ndarray, "D N"], prior: Prompt | None) -> str:
    """The key of a unit of LLM answers: which prompt was asked in each cell, and which one calibrated the answers."""
    body = np.ascontiguousarray(digests, dtype="<u8").tobytes()
    return hashlib.sha256(f"{digests.shape}:{prior.digest() if prior else 0}:".encode() + body).hexdigest()


def rule_key(archetype: Archetype, scores: Float[np.ndarray, "D N"]) -> str:
    """The key of a unit of rule scores: the rule and its values."""
    body = np.ascontiguousarray(scores, dtype="<f4").tobytes()
    return hashlib.sha256(f"{sorted((archetype.rule or {}).items())}:{scores.shape}:".encode() + body).hexdigest()


def describe_panel(panel: Panel, config: RunConfig) -> Mapping[str, Any]:
    """What a store says of the data and the model it was made from, for its reader."""
    return {
        "source": config.market.source,
        "model": Path(config.scoring.model).name or (config.scoring.endpoint.model if config.scoring.endpoint else ""),
        "first_date": str(panel.dates[0]),
        "last_date": str(panel.dates[-1]),
        "stocks": len(panel.stocks),
        "features": list(config.agents.features) or list(panel.features),
    }
