"""Which prompt template a run uses: its own, the one that its answers were given under, or the packaged one that leaves less to compute.

Prompts that begin with their archetype share it across all stocks and dates; prompts that begin with their facts share these across all
archetypes that see them. The longer shared text belongs first: a persona of a hundred tokens beats a line of words, a page of news
beats the persona.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from massjax.agents import ARCHETYPE_FIRST, FACTS_FIRST, PromptTemplate
from massjax.agents.archetype import ALONE, Archetype
from massjax.agents.prompts import sampled_prompts
from massjax.answers.order import computed_tokens
from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt
from massjax.scores.inputs import Inputs

PromptLayout: TypeAlias = Literal["archetype-first", "facts-first"]
PACKAGED: dict[PromptLayout, str] = {"archetype-first": ARCHETYPE_FIRST, "facts-first": FACTS_FIRST}
SAMPLED_ARCHETYPES, SAMPLED_CELLS = 32, 64


@dataclass(frozen=True)
class ChosenLayout:
    """A prompt layout, and why.

    Attributes:
        layout: the one taken.
        computed: tokens that a model has to compute under each layout, on the sample of prompts.
        total: tokens in these prompts under the layout taken; 0 where no sample was looked at.
        reason: in words.
    """

    layout: PromptLayout
    computed: dict[str, int]
    total: int
    reason: str


def choose_template(
    inputs: Inputs, answered: Callable[[Sequence[Prompt]], int], held: Callable[[], str | None] = lambda: None
) -> tuple[PromptTemplate, ChosenLayout]:
    """The template, and why.

    Where `agents.layout` is `auto`, answers that are there decide, so that growing data never changes the template that they were given
    under; else the tokens that are left to compute.

    Args:
        inputs: what is wanted.
        answered: how many of some prompts for scores the log answers.
        held: gives the hash of the template of scores that are there; it decides where the log answers none of the prompts.
    """
    settings = inputs.config.agents
    if settings.template is not None:
        layout: PromptLayout = "facts-first" if settings.layout == "facts-first" else "archetype-first"
        return PromptTemplate(settings.template), ChosenLayout(layout, {}, 0, "agents.template is your own")
    if settings.layout != "auto":
        return PromptTemplate(PACKAGED[settings.layout]), ChosenLayout(settings.layout, {}, 0, "agents.layout says so")
    templates = {layout: PromptTemplate(name) for layout, name in PACKAGED.items()}
    rated = [one for one in inputs.asking if one.protocol in ALONE and not inputs.protocols[one.name].replicas]
    sample = rated[:SAMPLED_ARCHETYPES]
    if not sample:
        return templates["archetype-first"], ChosenLayout("archetype-first", {}, 0, "roles and lists have templates of their own")
    samples = {layout: _sampled(inputs, sample, template) for layout, template in templates.items()}
    known = {layout: answered(prompts) for layout, prompts in samples.items()}
    best = max(known, key=lambda layout: known[layout])
    if known[best]:
        return templates[best], ChosenLayout(best, {}, 0, "answers were given under it before")
    there = held()
    for layout, template in templates.items():
        if template.sha256 == there:
            return template, ChosenLayout(layout, {}, 0, "the scores that are there were given under it")
    chosen = choose_layout(samples)
    return templates[chosen.layout], chosen


def _sampled(inputs: Inputs, sample: Sequence[Archetype], template: PromptTemplate) -> list[Prompt]:
    """Prompts of some archetypes, those that see the same facts together."""
    cells, choices, found = SAMPLED_CELLS, inputs.config.scoring.choices, list[Prompt]()
    for facts in (inputs.facts, inputs.other_facts):
        some = [one for one in sample if inputs.facts_for(one) is facts]
        found += sampled_prompts(some, facts, inputs.panel.member, template, choices, cells)
    return found


def choose_layout(samples: Mapping[PromptLayout, Sequence[Prompt]]) -> ChosenLayout:
    """The layout with fewer tokens to compute on the same sample of stocks, dates and archetypes."""
    computed = {layout: computed_tokens(prompts) for layout, prompts in samples.items()}
    layout: PromptLayout = "facts-first" if computed["facts-first"] < computed["archetype-first"] else "archetype-first"
    total = round(sum(len(p.system) + len(p.user) for p in set(samples[layout])) / CHARACTERS_PER_TOKEN)
    return ChosenLayout(layout, {str(name): value for name, value in computed.items()}, total, "fewer tokens to compute")


def acceptable_templates(inputs: Inputs) -> tuple[str, ...]:
    """Hashes of the templates that a run may take: one, or those that `agents.layout: auto` chooses from."""
    settings = inputs.config.agents
    if settings.template is not None:
        return (PromptTemplate(settings.template).sha256,)
    layouts = tuple(PACKAGED) if settings.layout == "auto" else (settings.layout,)
    return tuple(PromptTemplate(PACKAGED[layout]).sha256 for layout in layouts)
