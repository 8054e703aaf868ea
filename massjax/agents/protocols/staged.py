"""Texts that are written before a score is asked for: which are needed, and how they enter the later prompts.

A text is known by a hash of its prompt and of how it was sampled. What comes after a stage can change without its texts being written
again; what comes before it changes its prompts, hence its texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from massjax.agents import STAGE, Fact, PromptTemplate, one_line, prompts_of, quote
from massjax.agents.archetype import Archetype
from massjax.agents.settings import Stage
from massjax.models.language_model import Sampling
from massjax.models.question import Prompt


class Wanted(NamedTuple):
    """A text that has to be written."""

    stage: str
    archetype: str
    prompt: Prompt
    sampling: Sampling

    @property
    def key(self) -> str:
        """Under which the text is kept."""
        body = json.dumps([*self.prompt, *self.sampling], ensure_ascii=False)
        return hashlib.blake2b(body.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Staged:
    """An archetype and its facts after all its stages: what its score's prompts are made from."""

    archetype: Archetype
    facts: tuple[Fact, ...]


def apply_stages(
    archetype: Archetype,
    stages: Sequence[Stage],
    facts: Sequence[Fact],
    member: Bool[np.ndarray, "N T"],
    choices: Sequence[str],
    texts: Mapping[str, str],
) -> Staged | list[Wanted]:
    """Go through an archetype's stages with the texts that are there.

    Args:
        stages: all that the configuration defines.
        texts: by key.

    Returns:
        The archetype with its strategy in its persona and its notes among its facts; or, where a stage lacks texts, what it lacks.
    """
    by_name = {stage.name: stage for stage in stages}
    seen = tuple(facts)
    for name in archetype.stages:
        stage = by_name[name]
        template = PromptTemplate(stage.template or STAGE)
        sampling = sampling_of(stage, archetype)
        if stage.scope == "archetype":
            wanted = [Wanted(name, archetype.name, template.render(archetype, [], choices, stage.instruction), sampling)]
        else:
            asked = prompts_of(archetype, seen, member, template, choices, stage.instruction)
            wanted = [Wanted(name, archetype.name, prompt, sampling) for prompt in asked.prompts]
        missing = [one for one in wanted if one.key not in texts]
        if missing:
            return missing
        written = [texts[one.key] for one in wanted]
        if stage.scope == "archetype":
            strategy = f"Your {stage_title(name)}: {one_line(written[0])}"
            archetype = archetype.model_copy(update={"persona": f"{archetype.persona} {strategy}".strip()})
        else:
            note = Fact(name, stage_title(name), asked.index, tuple(quote([text]) for text in written))
            archetype = archetype.model_copy(update={"modalities": (*archetype.modalities, name)})
            seen = (*seen, note)
    return Staged(archetype, seen)


def stage_title(stage: str) -> str:
    """The name of a stage in words."""
    return stage.replace("_", " ")


def sampling_of(stage: Stage, archetype: Archetype) -> Sampling:
    """How a stage's text is written for an archetype: every replica has its own seed, which counts above temperature 0 only."""
    if stage.temperature == 0.0:
        return Sampling(stage.max_tokens, 0.0, 0)
    seed = hashlib.blake2b(f"{stage.seed}:{archetype.replica}".encode(), digest_size=4).digest()
    return Sampling(stage.max_tokens, stage.temperature, int.from_bytes(seed, "little") >> 1)
