"""One look at everything that a run would ask: how much of it is open, what it looks like, and what should be known before it is asked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64

from massjax.agents.protocols.turns import Ask
from massjax.answers.plan import Batch, Plan as Asking, joined, plan
from massjax.models.forms import Write
from massjax.models.model_check import ModelCheck, too_long
from massjax.models.question import Prompt, Question
from massjax.progress import Tell
from massjax.scores.asks import Open, Turn
from massjax.scores.build import Resolver
from massjax.scores.inputs import named
from massjax.scores.leaks import Lines


class Example(NamedTuple):
    """A prompt as it would be asked.

    Attributes:
        archetypes: whose it is; several where they ask the very same.
        about: stock and date.
        prompt: its two messages.
        role: who is asked, where archetypes have roles.
    """

    archetypes: tuple[str, ...]
    about: str
    prompt: Prompt
    role: str = ""


class RoleCount(NamedTuple):
    """What one role, in whatever archetypes, would ask of one model.

    Attributes:
        asking: what is open of it and can be asked.
        later: about what follows answers that are not there yet.
    """

    asking: Asking = Asking()
    later: Asking = Asking()


@dataclass
class Survey:
    """What a run would ask.

    Attributes:
        scores: cells of archetypes that ask a model with something to ask; `stored` of them have an answer.
        distinct: different questions for scores.
        open: questions without an answer, by model: for scores and for texts of the first stage that lacks any.
        texts, calibrating: of the open ones those for texts, and those without facts in them that calibrate scores.
        asking: what asking them would take, by model.
        roles: the same by role and model, with what follows later.
        waiting: archetypes whose scores wait for texts, with the stage.
        examples: one whole prompt an archetype.
        same: pairs of archetypes that ask the very same prompts everywhere.
        twins: archetypes and two of their roles that ask the very same of the same model.
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
    roles: dict[tuple[str, str], RoleCount] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    same: list[tuple[str, str]] = field(default_factory=list)
    twins: list[tuple[str, str, str]] = field(default_factory=list)
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
    asked: dict[str, set[Question]] = {}
    scored: list[UInt64[np.ndarray, "Q 2"]] = []
    alike: dict[bytes, str] = {}
    examples: dict[tuple[Prompt, str, str], list[str]] = {}
    for done, archetype in enumerate(inputs.asking):
        if tell is not None:
            tell(SURVEYING, done, len(inputs.asking))
        turn = resolver.turn(archetype)
        later = resolver.later(archetype) if turn.asks is None else ()
        found.twins += [(archetype.name, *roles) for roles in dict.fromkeys(_twins((*turn.asked, *later), resolver))]
        for some in turn.open:
            new = _new(resolver, some.model, some.questions, asked)
            _count(found, resolver, some, new)
        if inputs.masked(archetype):
            together = inputs.protocols[archetype.name].several
            found.lines.add(archetype.name, [p for ask in turn.asked for p in ask.prompts] if together else turn.prompts)
        if turn.asks is None:
            if later:
                found.waiting[archetype.name] = turn.stage or ""
            first = [ask.index >= 0 for ask in turn.asked if ask.index is not None]
            of_all = np.any if inputs.protocols[archetype.name].replicas else np.all
            found.scores += int(of_all(first, axis=0).sum()) if first else 0
            _count_later(found, resolver, later, asked)
            if inputs.protocols[archetype.name].several:
                _look_at(found, turn, archetype.name, resolver, checks, examples)
            continue
        found.scores += int(turn.asks.wanted.sum())
        found.stored += turn.asks.answered([resolver.log.known(read.keys) for read in turn.asks.reads])
        scored.append(turn.asks.keys)
        read_as = inputs.config.agents.hindsight_of(archetype).encode()
        digest = hashlib.blake2b(turn.asks.keys.tobytes() + turn.asks.index.tobytes() + read_as).digest()
        if digest in alike:
            found.same.append((alike[digest], archetype.name))
        alike.setdefault(digest, archetype.name)
        _look_at(found, turn, archetype.name, resolver, checks, examples)
    found.distinct = len(np.unique(np.concatenate(scored), axis=0)) if scored else 0
    found.examples = [Example(tuple(names), about, prompt, role) for (prompt, about, role), names in examples.items()]
    return found


def _twins(asks: Sequence[Ask], resolver: Resolver) -> Iterator[tuple[str, str]]:
    """Pairs of roles whose questions are the same wherever they are asked."""
    for first, second in combinations(asks, 2):
        same_model = resolver.inputs.model_named(first.model) == resolver.inputs.model_named(second.model)
        if not same_model or first.form != second.form or first.index is None or second.index is None:
            continue
        if np.array_equal(first.index, second.index) and list(first.prompts) == list(second.prompts):
            yield first.role, second.role


def _count(found: Survey, resolver: Resolver, some: Open, new: Sequence[Question]) -> None:
    """Count the open questions of an archetype that no archetype before it asks."""
    name = some.model
    prior = bool(new) and some.ask.prior is not None and new[-1].prompt == some.ask.prior
    found.open[name] += len(new)
    found.calibrating[name] += prior
    found.texts[name] += len(new) if isinstance(some.ask.form, Write) else 0
    if new:
        asking = _asking(resolver, name, new)
        found.asking[name] = joined([found.asking.get(name, Asking()), asking])
        there = found.roles.get((some.ask.role, name), RoleCount())
        found.roles[some.ask.role, name] = there._replace(asking=joined([there.asking, asking]))


def _count_later(found: Survey, resolver: Resolver, later: Sequence[Ask], asked: dict[str, set[Question]]) -> None:
    """Count about what follows answers that are not there yet."""
    for ask in later:
        name = resolver.inputs.model_named(ask.model)
        prompts = dict.fromkeys(ask.prompts if ask.prior is None else [*ask.prompts, ask.prior])
        new = _new(resolver, name, [Question(resolver.models[name], prompt, ask.form) for prompt in prompts], asked)
        if new:
            there = found.roles.get((ask.role, name), RoleCount())
            found.roles[ask.role, name] = there._replace(later=joined([there.later, _asking(resolver, name, new)]))


def _new(resolver: Resolver, name: str, questions: Sequence[Question], asked: dict[str, set[Question]]) -> list[Question]:
    """The questions, all different, that no archetype before asks; models whose files are not here are told apart by what names them."""
    there = asked.setdefault(named(resolver.inputs.model_settings(name))["model"], set())
    found = [question for question in questions if question not in there]
    there.update(found)
    return found


def _asking(resolver: Resolver, name: str, questions: Sequence[Question]) -> Asking:
    model = resolver.models[name] if resolver.models[name] in resolver.log.models() else None
    return plan(resolver.log, [Batch(model, questions[0].form, [question.prompt for question in questions])])


def _look_at(
    found: Survey,
    turn: Turn,
    archetype: str,
    resolver: Resolver,
    checks: Mapping[str, ModelCheck],
    examples: dict[tuple[Prompt, str, str], list[str]],
) -> None:
    """Take an example of the prompts of each role of an organisation, or of those for scores, and find the too long ones."""
    view, panel = turn.view, resolver.inputs.panel
    together = resolver.inputs.protocols[archetype].several
    for ask in turn.asked if together else turn.asked[-1:]:
        assert ask.index is not None
        cells = np.argwhere(ask.index.T >= 0)
        if len(cells):
            n, t, which = view.about((int(cells[0][1]), int(cells[0][0])))
            about = f"stock {panel.stocks[n]} on {panel.dates[t]}{which}"
            prompt = ask.prompts[int(ask.index[cells[0][1], cells[0][0]])]
            examples.setdefault((prompt, about, ask.role if together else ""), []).append(archetype)
    for some in turn.open if together else turn.open[-1:]:
        if (some.last or together) and some.model in checks:
            _find_too_long(found, some, turn, archetype, resolver, checks[some.model])


def _find_too_long(found: Survey, some: Open, turn: Turn, archetype: str, resolver: Resolver, check: ModelCheck) -> None:
    long = too_long(check, resolver.inputs.model_settings(some.model), [question.prompt for question in some.questions])
    if not long:
        return
    found.too_long += len(long)
    rows = {row: long[prompt.digest()] for row, prompt in enumerate(some.ask.prompts) if prompt.digest() in long}
    assert some.ask.index is not None
    first = np.argwhere(np.isin(some.ask.index, list(rows)).T)
    if len(first):
        n, t, _ = turn.view.about((int(first[0][1]), int(first[0][0])))
        found.long.append((t, n, archetype, rows[int(some.ask.index[first[0][1], first[0][0]])]))
