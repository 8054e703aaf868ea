"""Which prompt template a run uses: its own, that of the store it goes on with, or the packaged one that leaves less to compute.

Prompts that begin with their archetype share it across all stocks and dates; prompts that begin with their facts share these across all
archetypes that see them. The longer shared text belongs first: a persona of a hundred tokens beats a line of words, a page of news
beats the persona.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from massjax.agents import ARCHETYPE_FIRST, FACTS_FIRST, Fact, PromptTemplate
from massjax.agents.archetype import Archetype
from massjax.agents.prompts import sampled_prompts
from massjax.answers.order import computed_tokens
from massjax.config import RunConfig
from massjax.errors import StoreError
from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt
from massjax.store import ScoreStore, exists
from massjax.store.folder import Where

PromptLayout = Literal["archetype-first", "facts-first"]
PACKAGED: dict[PromptLayout, str] = {"archetype-first": ARCHETYPE_FIRST, "facts-first": FACTS_FIRST}
SAMPLED_ARCHETYPES, SAMPLED_CELLS = 32, 64


@dataclass(frozen=True)
class ChosenLayout:
    """A prompt layout, and why.

    Attributes:
        layout: the one taken.
        computed: tokens that a model has to compute under each layout, on the sample of prompts.
        total: tokens in these prompts under the layout taken.
        reason: in words.
    """

    layout: PromptLayout
    computed: dict[str, int]
    total: int
    reason: str


def choose_template(
    config: RunConfig, archetypes: Sequence[Archetype], facts: Sequence[Fact], member: np.ndarray
) -> tuple[PromptTemplate, ChosenLayout]:
    """The template, and why. A store that is there keeps the layout that it was begun with, so that growing data never changes it."""
    settings = config.agents
    sample = [a for a in archetypes if a.kind == "llm"][:SAMPLED_ARCHETYPES]
    if settings.template is not None:
        own = PromptTemplate(settings.template)
        layout: PromptLayout = "facts-first" if settings.layout == "facts-first" else "archetype-first"
        return own, ChosenLayout(layout, {}, 0, "agents.template is your own")
    if settings.layout != "auto":
        return PromptTemplate(PACKAGED[settings.layout]), ChosenLayout(settings.layout, {}, 0, "agents.layout says so")
    templates = {layout: PromptTemplate(name) for layout, name in PACKAGED.items()}
    begun = _begun_with(config.store)
    for layout, template in templates.items():
        if template.sha256 == begun:
            return template, ChosenLayout(layout, {}, 0, "the store was begun with it")
    chosen = choose_layout(
        {layout: sampled_prompts(sample, facts, member, t, config.scoring.choices, SAMPLED_CELLS) for layout, t in templates.items()}
    )
    return templates[chosen.layout], chosen


def choose_layout(samples: Mapping[PromptLayout, Sequence[Prompt]]) -> ChosenLayout:
    """The layout with fewer tokens to compute on the same sample of stocks, dates and archetypes."""
    computed = {layout: computed_tokens(prompts) for layout, prompts in samples.items()}
    layout: PromptLayout = "facts-first" if computed["facts-first"] < computed["archetype-first"] else "archetype-first"
    total = round(sum(len(p.system) + len(p.user) for p in set(samples[layout])) / CHARACTERS_PER_TOKEN)
    return ChosenLayout(layout, {str(name): value for name, value in computed.items()}, total, "fewer tokens to compute")


def _begun_with(store: Where | None) -> str | None:
    if store is None or not exists(store):
        return None
    try:
        return str(ScoreStore.open(store).provenance.run_key.get("prompt_template"))
    except StoreError:
        return None
