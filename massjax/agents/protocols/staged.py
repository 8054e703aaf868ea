"""Texts that are written before a score is asked for: which are needed, and how they enter the later prompts.

A text is kept under a hash of its prompt and of how it was sampled, beside the scores of the same model. What comes after a stage can
change without its texts being written again; what comes before it changes its prompts, hence its texts.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from massjax.agents import STAGE, Fact, PromptTemplate, one_line, prompts_of, quote
from massjax.agents.archetype import Archetype
from massjax.agents.settings import Stage
from massjax.errors import ModelError
from massjax.models.language_model import LanguageModel, Sampling
from massjax.models.question import Prompt
from massjax.store.folder import Where
from massjax.store.log import TEXTS, Log

LONGEST_TEXT = 4000
"""Characters of a text that are kept."""


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
            strategy = f"Your {title(name)}: {one_line(written[0])}"
            archetype = archetype.model_copy(update={"persona": f"{archetype.persona} {strategy}".strip()})
        else:
            note = Fact(name, title(name), asked.index, tuple(quote([text]) for text in written))
            archetype = archetype.model_copy(update={"modalities": (*archetype.modalities, name)})
            seen = (*seen, note)
    return Staged(archetype, seen)


def title(stage: str) -> str:
    """The name of a stage in words."""
    return stage.replace("_", " ")


def sampling_of(stage: Stage, archetype: Archetype) -> Sampling:
    """How a stage's text is written for an archetype: every replica has its own seed, which counts above temperature 0 only."""
    if stage.temperature == 0.0:
        return Sampling(stage.max_tokens, 0.0, 0)
    seed = hashlib.blake2b(f"{stage.seed}:{archetype.replica}".encode(), digest_size=4).digest()
    return Sampling(stage.max_tokens, stage.temperature, int.from_bytes(seed, "little") >> 1)


def text_log(store: Where) -> Log:
    """Where the texts of a store are."""
    return Log(store, TEXTS)


def stored_texts(store: Where) -> dict[str, str]:
    """All texts of a store, by key; of two under one key the first."""
    texts: dict[str, str] = {}
    for body in text_log(store).records():
        for key, text in json.loads(body.decode()).items():
            texts.setdefault(key, text)
    return texts


def write_texts(
    model: LanguageModel,
    store: Where,
    texts: Mapping[str, str],
    missing: Callable[[Mapping[str, str]], Iterable[Wanted]],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, str], int, float]:
    """Write all texts that are missing, stage after stage; each call's are kept before the next begins.

    Args:
        missing: what is missing given the texts so far; asked again after every round, because a stage may need another's texts.

    Returns:
        All texts; how many were written; the seconds that the model took.

    Raises:
        ModelError: a text could not be had.
    """
    log, known, count, seconds = text_log(store), dict(texts), 0, 0.0
    model.load()
    while wanted := {one.key: one for one in missing(known)}:
        ordered = sorted(wanted.values(), key=lambda one: (one.sampling, one.prompt))
        done, failed = 0, []
        while done < len(ordered):
            batch = ordered[done : done + max(1, model.prompts_at_once)]
            began = time.monotonic()
            written = model.write([one.prompt for one in batch], [one.sampling for one in batch])
            seconds += time.monotonic() - began
            new = {one.key: text[:LONGEST_TEXT] for one, text in zip(batch, written.texts, strict=True) if text is not None}
            if new:
                log.append(json.dumps(new, ensure_ascii=False).encode())
            failed += [(batch[row], reason) for row, reason in written.failures.items()]
            known |= new
            done, count = done + len(batch), count + len(new)
            if progress is not None:
                progress(done, len(ordered))
        if failed:
            one, reason = failed[0]
            raise ModelError(
                f"stage {one.stage!r}: {len(failed)} of {len(ordered)} texts could not be had, the first for archetype "
                f"{one.archetype!r} ({reason}); the others are stored: start again to ask for these alone"
            )
    return known, count, seconds
