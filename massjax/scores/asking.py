"""The loop that asks: run the protocols, ask what is open, and again, until nothing is open or what is left cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool

from massjax.agents.archetype import Archetype
from massjax.agents.protocols.choosing import Chosen
from massjax.answers.ask import Tally, ask_open
from massjax.answers.files import keys_of
from massjax.answers.sharding import own
from massjax.models.identity import identity_digest
from massjax.models.loading import Models
from massjax.models.question import Question
from massjax.progress import Tell
from massjax.scores.build import Resolver, date_blocks
from massjax.scores.templates import PromptLayout

POOL = 50_000
"""Questions that are gathered before they are asked, so that the order of asking shares the most, and a model is busy to the end."""
ASKING = "asking"


@dataclass(frozen=True)
class Part:
    """Which part of the work is done here: the `number`-th of `count`, from 1 on."""

    number: int = 1
    count: int = 1


WHOLE = Part()


def ask_everything(
    resolver: Resolver,
    models: Models,
    *,
    layout: PromptLayout,
    part: Part = WHOLE,
    total: int = 0,
    tell: Tell | None = None,
    starting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> tuple[Resolver, Tally]:
    """Ask every model, one after the other, what is open of its archetypes, turn after turn, before the next model takes its place.

    Args:
        resolver: of what is wanted.
        models: by name; the last one asked is left at hand.
        layout: of the prompts, which decides the order of asking.
        part: of the work to be done here.
        total: questions that are known to be open, for the progress.
        tell: of the progress.
        starting: a context within which a model is made.

    Returns:
        The resolver with the models as they say that they are, and what was asked.

    Raises:
        ModelError: a model cannot answer at all.
        StoreError: the log cannot be written.
    """
    tally, done, tried = Tally(), 0, set[bytes]()
    while True:
        before = len(tried)
        for name in models:
            given = -1
            while given < len(tried) and _open(resolver, name, tried):
                given = len(tried)
                if tell is not None:
                    tell(ASKING, done, max(total, done))
                with starting():
                    model = models.take(name)
                resolver = resolver.with_model(name, identity_digest(model.identity()))
                for questions in pools(resolver, name, layout, tried, part):
                    told = None if tell is None else partial(_told, tell, done, max(total, done + len(questions)))
                    tally.include(ask_open(resolver.log, model, questions, progress=told).document())
                    done += len(questions)
        if len(tried) == before:
            return resolver, tally


def _open(resolver: Resolver, name: str, tried: set[bytes]) -> bool:
    """Whether a model has anything left to be asked."""
    found = (pair for archetype in _of(resolver, name) for pair in resolver.open_keys(archetype))
    return any(key.tobytes() not in tried for model, keys in found if model == name for key in keys)


def _told(tell: Tell, before: int, total: int, done: int, _: int) -> None:
    tell(ASKING, before + done, total)


def _of(resolver: Resolver, model: str) -> list[Archetype]:
    return [archetype for archetype in resolver.inputs.asking if model in resolver.inputs.model_names(archetype)]


def pools(resolver: Resolver, model: str, layout: PromptLayout, tried: set[bytes], part: Part) -> Iterator[list[Question]]:
    """Open questions to a model that are asked together, each once; those of one pool are asked before the next is gathered.

    Archetype first: archetype by archetype. Facts first: the archetypes of some dates together, so that prompts about the same facts are
    neighbours.

    Args:
        tried: keys of questions that were given out before; grows.
        part: of the work. An archetype with stages, or whose replicas pick, belongs to one part whole, since its texts must not be written
            twice, and earlier picks are told; of those whose roles others may share, a part has the stocks that are its own, and asks all
            roles about them.
    """
    dates, archetypes = len(resolver.inputs.panel.dates), _of(resolver, model)
    together = dates if layout == "archetype-first" else max(1, POOL // max(1, len(archetypes) * len(resolver.inputs.panel.stocks)))
    pool: list[Question] = []
    stocks = _own_stocks(resolver.inputs.panel.stocks, part)
    for block in date_blocks(dates, together):
        for archetype in archetypes:
            chosen = resolver.inputs.protocols[archetype.name]
            if chosen.replicas and block.start:
                continue  # lists of all dates were asked for with the first
            shared = chosen.together
            turn = resolver.turn(archetype, None if together == dates else block, stocks if shared else None)
            to_model = [question for some in turn.open if some.model == model for question in some.questions]
            open_keys = keys_of(to_model)
            group = _group(archetype, chosen, len(open_keys))
            mine = np.ones(len(open_keys), bool) if shared else own(open_keys, part.number, part.count, group)
            for row in np.flatnonzero(mine).tolist():
                key = open_keys[row].tobytes()
                if key not in tried:
                    tried.add(key)
                    pool.append(to_model[row])
            if len(pool) >= POOL and layout == "archetype-first":
                yield pool
                pool = []
        if len(pool) >= POOL:
            yield pool
            pool = []
    if pool:
        yield pool


def _group(archetype: Archetype, chosen: Chosen, count: int) -> list[str] | None:
    return [archetype.name] * count if archetype.stages or chosen.replicas else None


def _own_stocks(stocks: Sequence[str], part: Part) -> Bool[np.ndarray, " N"] | None:
    """The stocks of a part of the work; None for the whole."""
    none = np.zeros((len(stocks), 2), np.uint64)
    return None if part.count == 1 else own(none, part.number, part.count, stocks)
