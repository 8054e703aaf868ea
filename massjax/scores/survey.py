"""One look at everything that a run would ask: how much of it is open, what it looks like, and what should be known before it is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from massjax.answers.order import shared
from massjax.models.model_check import ModelCheck, too_long
from massjax.models.question import Prompt, Question
from massjax.progress import Tell
from massjax.scores.build import Resolver, Turn
from massjax.scores.leaks import Lines

COMPARED = 50_000
"""Open prompts of one archetype that are compared with their neighbours; of more evenly spread ones."""


class Example(NamedTuple):
    """A prompt as it would be asked.

    Attributes:
        archetypes: whose it is; several where they ask the very same.
        about: stock and date.
        prompt: its two messages.
    """

    archetypes: tuple[str, ...]
    about: str
    prompt: Prompt


@dataclass
class Load:
    """What is open of one model.

    Attributes:
        questions: for scores; `calibrating` more have no facts in them.
        texts: to be written before the scores that need them, of the first stage of each archetype that lacks any.
        characters: of all open prompts; `repeated` of them are the beginning of the prompt before.
        sample: some of the open prompts, to count their tokens.
    """

    questions: int = 0
    calibrating: int = 0
    texts: int = 0
    characters: int = 0
    repeated: int = 0
    sample: list[Prompt] = field(default_factory=list)

    @property
    def open(self) -> int:
        """Questions of all kinds."""
        return self.questions + self.calibrating + self.texts


@dataclass
class Survey:
    """What a run would ask.

    Attributes:
        scores: cells of archetypes that ask a model with something to ask; `stored` of them have an answer.
        distinct: different questions for scores.
        loads: what is open, by model.
        waiting: archetypes whose scores wait for texts, with the stage.
        examples: one whole prompt an archetype.
        same: pairs of archetypes that ask the very same prompts everywhere.
        lines: of all prompts, where they are to be masked.
        long: too long prompts: how many, and the first by date, stock and archetype with its tokens.
    """

    scores: int = 0
    stored: int = 0
    distinct: int = 0
    loads: dict[str, Load] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    same: list[tuple[str, str]] = field(default_factory=list)
    lines: Lines = field(default_factory=Lines)
    long: list[tuple[int, int, str, int]] = field(default_factory=list)
    too_long: int = 0

    @property
    def open(self) -> int:
        """Questions that the log does not answer, of all models."""
        return sum(load.open for load in self.loads.values())


SURVEYING = "writing the prompts"


def survey(resolver: Resolver, checks: Mapping[str, ModelCheck], tell: Tell | None = None) -> Survey:
    """Go through the archetypes one after the other, holding the prompts of one at a time.

    Args:
        resolver: of what is wanted.
        checks: by model, what is known of it before it is loaded; counts tokens.
        tell: of the progress.
    """
    found, inputs = Survey(), resolver.inputs
    asked: set[bytes] = set()
    scored: set[bytes] = set()
    alike: dict[bytes, str] = {}
    examples: dict[tuple[Prompt, str], list[str]] = {}
    for done, archetype in enumerate(inputs.asking):
        if tell is not None:
            tell(SURVEYING, done, len(inputs.asking))
        name = inputs.model_name(archetype)
        turn = resolver.turn(archetype)
        load = found.loads.setdefault(name, Load())
        new = [question for question in turn.open if question.key not in asked]
        asked.update(question.key for question in new)
        _add(load, turn, new)
        if inputs.config.agents.mask:
            found.lines.add(archetype.name, turn.prompts)
        if turn.asks is None:
            found.waiting[archetype.name] = turn.stage or ""
            continue
        cells = turn.asks.index >= 0
        found.scores += int(cells.sum())
        known = resolver.log.known(turn.asks.keys)
        found.stored += int(known[turn.asks.index[cells]].sum())
        scored.update(map(bytes, turn.asks.keys))
        digest = hashlib.blake2b(turn.asks.keys.tobytes() + turn.asks.index.tobytes()).digest()
        if digest in alike:
            found.same.append((alike[digest], archetype.name))
        alike.setdefault(digest, archetype.name)
        _look_at(found, turn, archetype.name, resolver, checks.get(name), examples)
    found.distinct = len(scored)
    found.examples = [Example(tuple(names), about, prompt) for (prompt, about), names in examples.items()]
    return found


def _add(load: Load, turn: Turn, new: Sequence[Question]) -> None:
    prior = bool(turn.asks is not None and turn.asks.prior is not None and new and new[-1].key == turn.asks.prior.tobytes())
    load.calibrating += prior
    if turn.stage is None:
        load.questions += len(new) - prior
    else:
        load.texts += len(new)
    prompts = sorted(question.prompt for question in new)
    part = prompts[:: max(1, len(prompts) // COMPARED)]
    size = sum(len(p.system) + len(p.user) for p in part)
    scale = len(prompts) / max(1, len(part))
    load.characters += int(size * scale)
    load.repeated += int(sum(shared(a, b) for a, b in pairwise(part)) * scale)
    load.sample += prompts[:: max(1, len(prompts) // 50)][:50]


def _look_at(
    found: Survey,
    turn: Turn,
    archetype: str,
    resolver: Resolver,
    check: ModelCheck | None,
    examples: dict[tuple[Prompt, str], list[str]],
) -> None:
    asks, panel = turn.asks, resolver.inputs.panel
    assert asks is not None
    cells = np.argwhere(asks.index.T >= 0)
    if len(cells):
        t, n = cells[0]
        about = f"stock {panel.stocks[n]} on {panel.dates[t]}"
        examples.setdefault((turn.prompts[asks.index[n, t]], about), []).append(archetype)
    if check is None:
        return
    settings = resolver.inputs.model_settings(resolver.inputs.model_name(next(a for a in resolver.inputs.asking if a.name == archetype)))
    long = too_long(check, settings, [question.prompt for question in turn.open])
    if long:
        found.too_long += len(long)
        rows = {row: long[prompt.digest()] for row, prompt in enumerate(turn.prompts) if prompt.digest() in long}
        first = np.argwhere(np.isin(asks.index, list(rows)).T)
        if len(first):
            t, n = first[0]
            found.long.append((int(t), int(n), archetype, rows[int(asks.index[n, t])]))
