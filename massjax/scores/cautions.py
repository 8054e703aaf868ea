"""What whoever asks a model should know before anything is asked: noise for scores, slow numbers, prompts alike, names that leak."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from massjax.agents import knowledge_cutoff_warnings
from massjax.agents.hindsight import VIEWS
from massjax.machine import Machine
from massjax.models.dtype import dtype_warnings
from massjax.scores.inputs import Inputs
from massjax.scores.leaks import leak_warnings
from massjax.scores.survey import Survey
from massjax.scores.without_memory import shown_numbers


def cautions(inputs: Inputs, found: Survey, machine: Machine) -> Iterator[str]:
    """Sentences on the settings and the prompts of a run, those on the market data aside.

    Args:
        inputs: what is wanted.
        found: its prompts, whose lines are searched for names and dates where they are to be masked.
        machine: where a model in this process would run.
    """
    if any(settings.engine == "fake" for settings in inputs.models().values()):
        yield "scoring.engine is 'fake': the scores are noise, for tests of the machinery only"
    for settings in inputs.models().values():
        yield from dtype_warnings(settings, machine)
    for first, second in found.same:
        yield (
            f"archetypes {first!r} and {second!r} ask the very same prompts, so their scores are the same; "
            "give one another persona, preference or modality, or a template that uses archetype.replica"
        )
    for archetype, first, second in found.twins:
        yield (
            f"archetype {archetype!r}: roles {first!r} and {second!r} ask the very same of the same model, so they always agree; "
            "give one another persona, seniority, horizon or model"
        )
    yield from _nothing_to_tell_skill_by(inputs)
    yield from leak_warnings(inputs, found.lines)


def _nothing_to_tell_skill_by(inputs: Inputs) -> Iterator[str]:
    """Archetypes with `residual` that see texts alone, or facts about the whole market."""
    agents = inputs.config.agents
    for archetype in inputs.viewed:
        if agents.hindsight_of(archetype) != "residual":
            continue
        shown = shown_numbers(inputs.facts_for(archetype), archetype.modalities, inputs.panel, numbers=agents.facts == "numbers")
        if not any((column != column[:1]).any() for column in np.nan_to_num(shown, nan=-1.0)):
            yield (
                f"archetype {archetype.name!r} sees no number about a stock, by which residual tells memory from skill, so skill is taken "
                "for memory; set hindsight: contrast or mask, or give it a modality with numbers"
            )


def cutoff_warnings(inputs: Inputs) -> list[str]:
    """A warning for each model that may remember what happened on the dates that it is asked about."""
    config, models, found = inputs.config, inputs.models(), list[str]()
    for name, settings in models.items():
        asking = [one for one in inputs.asking if name in inputs.model_names(one)]
        hows = {config.agents.hindsight_of(one) for one in asking}
        exposed = [one.name for one in asking if config.agents.hindsight_of(one) == "none"]
        found += knowledge_cutoff_warnings(
            settings.knowledge_cutoff,
            inputs.panel.dates,
            inputs.archetypes,
            model=(name or "scoring") if len(models) > 1 else "",
            mask=hows == {"mask"},
            texts=bool(config.market.texts),
            taken_out=hows <= set(VIEWS),
            exposed=exposed if config.agents.hindsight is not None or len(hows) > 1 else (),
        )
    return found
