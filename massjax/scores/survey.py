"""One look at everything that a run would ask: how much of it is open, what it looks like, and what should be known before it is asked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64

from massjax.answers.plan import Batch, Plan as Asking, joined, plan
from massjax.models.model_check import ModelCheck, too_long
from massjax.models.question import Prompt, Question
from massjax.progress import Tell
from massjax.scores.build import Open, Resolver, Turn
from massjax.scores.leaks import Lines


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
class Survey:
    """What a run would ask.

    Attributes:
        scores: cells of archetypes that ask a model with something to ask; `stored` of them have an answer.
        distinct: different questions for scores.
        open: questions without an answer, by model: for scores and for texts of the first stage that lacks any.
        texts, calibrating: of the open ones those for texts, and those without facts in them that calibrate scores.
        asking: what asking them would take, by model.
        waiting: archetypes whose scores wait for texts, with the stage.
        examples: one whole prompt an archetype.
        same: pairs of archetypes that ask the very same prompts everywhere.
        lines: of all prompts, where they are to be masked.
        long: too long prompts: how many, and the first by date, stock and archetype with its tokens.
    """

    scores: int = 0
    stored: int = 0
    distinct: int = 0
    open: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    calibrating: Counter[str] = field(default_factory=Counter)
    asking: dict[str, Asking] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    same: list[tuple[str, str]] = field(default_factory=list)
    lines: Lines = field(default_factory=Lines)
    long: list[tuple[int, int, str, int]] = field(default_factory=list)
    too_long: int = 0


SURVEYING = "writing the prompts"


def survey(resolver: Resolver, checks: Mapping[str, ModelCheck], tell: Tell | None = None) -> Survey:
    """Go through the archetypes one after the other, holding the prompts of one at a time.

    Args:
        resolver: of what is wanted.
        checks: by model, what is known of it before it is loaded; counts tokens.
        tell: of the progress.
    """
    found, inputs = Survey(), resolver.inputs
    asked: set[Question] = set()
    scored: list[UInt64[np.ndarray, "Q 2"]] = []
    alike: dict[bytes, str] = {}
    examples: dict[tuple[Prompt, str], list[str]] = {}
    for done, archetype in enumerate(inputs.asking):
        if tell is not None:
            tell(SURVEYING, done, len(inputs.asking))
        turn = resolver.turn(archetype)
        for some in turn.open:
            new = [question for question in some.questions if question not in asked]
            asked.update(new)
            _count(found, resolver, some, turn, new)
        if inputs.config.agents.mask:
            found.lines.add(archetype.name, turn.prompts)
        if turn.asks is None:
            found.waiting[archetype.name] = turn.stage or ""
            continue
        cells = turn.asks.index >= 0
        found.scores += int(cells.sum())
        found.stored += int(resolver.log.known(turn.asks.keys)[turn.asks.index[cells]].sum())
        scored.append(turn.asks.keys)
        digest = hashlib.blake2b(turn.asks.keys.tobytes() + turn.asks.index.tobytes()).digest()
        if digest in alike:
            found.same.append((alike[digest], archetype.name))
        alike.setdefault(digest, archetype.name)
        _look_at(found, turn, archetype.name, resolver, checks, examples)
    found.distinct = len(np.unique(np.concatenate(scored), axis=0)) if scored else 0
    found.examples = [Example(tuple(names), about, prompt) for (prompt, about), names in examples.items()]
    return found


def _count(found: Survey, resolver: Resolver, some: Open, turn: Turn, new: Sequence[Question]) -> None:
    """Count the open questions of an archetype that no archetype before it asks."""
    name = some.model
    prior = turn.asks is not None and turn.asks.prior is not None and bool(new) and new[-1].key == turn.asks.prior.tobytes()
    found.open[name] += len(new)
    found.calibrating[name] += prior
    found.texts[name] += len(new) if some.stage is not None else 0
    if new:
        model = resolver.models[name] if resolver.models[name] in resolver.log.models() else None
        batch = Batch(model, new[0].form, [question.prompt for question in new])
        found.asking[name] = joined([found.asking.get(name, Asking()), plan(resolver.log, [batch])])


def _look_at(
    found: Survey,
    turn: Turn,
    archetype: str,
    resolver: Resolver,
    checks: Mapping[str, ModelCheck],
    examples: dict[tuple[Prompt, str], list[str]],
) -> None:
    asks, panel = turn.asks, resolver.inputs.panel
    assert asks is not None
    cells = np.argwhere(asks.index.T >= 0)
    if len(cells):
        t, n = cells[0]
        about = f"stock {panel.stocks[n]} on {panel.dates[t]}"
        examples.setdefault((turn.prompts[asks.index[n, t]], about), []).append(archetype)
    name = next((some.model for some in turn.open if some.stage is None), None)
    if name is None or name not in checks:
        return
    open_prompts = [question.prompt for some in turn.open if some.stage is None for question in some.questions]
    long = too_long(checks[name], resolver.inputs.model_settings(name), open_prompts)
    if long:
        found.too_long += len(long)
        rows = {row: long[prompt.digest()] for row, prompt in enumerate(turn.prompts) if prompt.digest() in long}
        first = np.argwhere(np.isin(asks.index, list(rows)).T)
        if len(first):
            t, n = first[0]
            found.long.append((int(t), int(n), archetype, rows[int(asks.index[n, t])]))
