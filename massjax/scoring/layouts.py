"""Which prompt template a run uses: its own, that of the store it goes on with, or the packaged one that leaves less to compute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from massjax.agents import ARCHETYPE_FIRST, FACTS_FIRST, Fact, PromptTemplate
from massjax.agents.archetype import Archetype
from massjax.agents.prompts import sampled_prompts
from massjax.answers.order import Choice, Layout, choose
from massjax.config import RunConfig
from massjax.errors import StoreError
from massjax.store import ScoreStore, exists
from massjax.store.folder import Where

PACKAGED: dict[Layout, str] = {"archetype-first": ARCHETYPE_FIRST, "facts-first": FACTS_FIRST}
SAMPLED_ARCHETYPES, SAMPLED_CELLS = 32, 64


def choose_template(
    config: RunConfig, archetypes: Sequence[Archetype], facts: Sequence[Fact], member: np.ndarray
) -> tuple[PromptTemplate, Choice]:
    """The template, and why. A store that is there keeps the layout that it was begun with, so that growing data never changes it."""
    settings = config.agents
    sample = [a for a in archetypes if a.kind == "llm"][:SAMPLED_ARCHETYPES]
    if settings.template is not None:
        own = PromptTemplate(settings.template)
        layout: Layout = "facts-first" if settings.layout == "facts-first" else "archetype-first"
        return own, Choice(layout, {}, 0, "agents.template is your own")
    if settings.layout != "auto":
        return PromptTemplate(PACKAGED[settings.layout]), Choice(settings.layout, {}, 0, "agents.layout says so")
    templates = {layout: PromptTemplate(name) for layout, name in PACKAGED.items()}
    begun = _begun_with(config.store)
    for layout, template in templates.items():
        if template.sha256 == begun:
            return template, Choice(layout, {}, 0, "the store was begun with it")
    choice = choose(
        {layout: sampled_prompts(sample, facts, member, t, config.scoring.choices, SAMPLED_CELLS) for layout, t in templates.items()}
    )
    return templates[choice.layout], choice


def _begun_with(store: Where | None) -> str | None:
    if store is None or not exists(store):
        return None
    try:
        return str(ScoreStore.open(store).provenance.run_key.get("prompt_template"))
    except StoreError:
        return None
