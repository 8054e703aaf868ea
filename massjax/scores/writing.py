"""Writing the score tensor of a run from the answers in its log."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from massjax.agents.archetype import ALONE, Archetype
from massjax.agents.protocols.turns import NO_DECISION
from massjax.errors import StoreError
from massjax.models.forms import Decide, Form, Pick, Rate
from massjax.progress import Tell
from massjax.scores import tensor
from massjax.scores.build import Resolver, date_blocks
from massjax.scores.made_from import MadeFrom, difference
from massjax.scores.opinions import opinions
from massjax.scores.picked_places import PickedPlaces, picked_places
from massjax.scores.places import Place, inside, remove
from massjax.scores.scores import TENSORS, Scores, tensor_names
from massjax.scores.status import Status

WRITING = "writing the score tensor"
TENSORS_KEPT = 4
"""Tensors of one store at most, each of another configuration."""


class Written(NamedTuple):
    """A tensor that was written, or found to be there already.

    Attributes:
        scores: opened.
        unscored: cells that were asked and have no score, by the value of their `Reason`.
        mass: mean probability on the choices of all answers of archetypes without roles.
        scored, rules, empty: cells with a score of a model, of a rule, and with nothing to ask.
        distinct: different questions for scores.
        roles: mean probability on the choices of each role that decides, by its name and form; those of archetypes without roles aside.
        places: by place in the list, how often stocks were picked; None where no lists were picked from.
        memory: where memory is taken out of scores, of how many stocks and dates of all such archetypes each thing was done, in words.
        strengths: by archetype, how much of it was taken out on average, by the symbol of the formula.
    """

    scores: Scores
    unscored: Counter[str]
    mass: float
    scored: int
    rules: int
    empty: int
    distinct: int
    roles: Mapping[tuple[str, Form], float]
    places: PickedPlaces | None = None
    memory: Mapping[str, int] = MappingProxyType({})
    strengths: Mapping[str, Mapping[str, float]] = MappingProxyType({})


def write_scores(resolver: Resolver, store: Place, identities: Mapping[str, Mapping[str, str]], tell: Tell | None = None) -> Written:
    """Write the tensor of all archetypes, some of them at a time, unless one of the same name is there and whole.

    Args:
        resolver: of what is wanted; nothing of it is open but questions that failed.
        store: the folder of log and tensors.
        identities: of the models, by name.
        tell: of the progress.

    Raises:
        ModelError: the question that calibrates an archetype has no answer.
        StoreError: texts of a stage are not there, or the tensor cannot be written.
    """
    inputs = resolver.inputs
    panel, archetypes = inputs.panel, tuple(one for one in inputs.archetypes if one.protocol != "given")
    styles = {one.name: dict(told) for one in inputs.asking if (told := resolver.asks(one).told)}
    made_from = inputs.made_from(resolver.template.sha256, identities, _answers_hash(resolver), styles)
    place = inside(store, TENSORS, made_from.digest)
    names = [archetype.name for archetype in archetypes]
    choices = inputs.config.scoring.choices if inputs.config.scoring.keep_probabilities else None
    holds = "score" if choices is None else "probability"
    if not tensor.is_sound(place, holds):
        with tensor.new_group(place, holds) as group:
            decides = any(chosen.decides for chosen in inputs.protocols.values())
            writer = tensor.TensorWriter(group, panel.dates, names, panel.stocks, choices, decides=decides)
            for start in range(0, len(archetypes), writer.archetypes_together):
                some = archetypes[start : start + writer.archetypes_together]
                if tell is not None:
                    tell(WRITING, start, len(archetypes))
                writer.write(slice(start, start + len(some)), _cells(resolver, some))
            writer.finish(made_from)
    _remove_superseded(store, made_from.digest, made_from)
    tensor.sweep(inside(store, TENSORS))
    return _summary(resolver, Scores.open(place))


def _summary(resolver: Resolver, scores: Scores) -> Written:
    """What a tensor holds, read from it some dates at a time."""
    counts, mass, answered = np.zeros(len(Status), np.int64), 0.0, 0
    alone = [k for k, name in enumerate(scores.archetypes) if name in resolver.inputs.protocols]
    alone = [k for k in alone if not resolver.inputs.protocols[scores.archetypes[k]].together]
    for dates in date_blocks(len(scores.dates), tensor.DATES_IN_CHUNK):
        counts += np.bincount(scores.status(dates).reshape(-1), minlength=len(Status))
        known = scores.mass(dates)[:, alone].astype(np.float64)
        known = known[np.isfinite(known)]
        mass, answered = mass + float(known.sum()), answered + known.size
    by, scoring = {status: int(counts[status]) for status in Status}, resolver.inputs.config.scoring
    unscored, memory, strengths = Counter[str](), Counter[str](), dict[str, Mapping[str, float]]()
    for archetype in resolver.inputs.asking if by[Status.FAILED] or by[Status.INVALID] else resolver.inputs.viewed:
        found = opinions(resolver.asks(archetype), resolver.log, scoring.minimum_coverage)
        unscored.update(found.reasons)
        memory.update(found.memory)
        if found.strengths:
            strengths[archetype.name] = found.strengths
    keys = [resolver.asks(archetype).keys for archetype in resolver.inputs.asking]
    distinct = len(np.unique(np.concatenate(keys), axis=0)) if keys else 0
    mean = mass / answered if answered else float("nan")
    cells = by[Status.SCORED], by[Status.RULE], by[Status.NOT_APPLICABLE]
    roles, places = _mass_of_roles(resolver), _places_picked(resolver)
    return Written(scores, unscored, mean, *cells, distinct, roles, places, dict(memory.most_common()), strengths)


def _places_picked(resolver: Resolver) -> PickedPlaces | None:
    """How often each place of the lists was picked, over all different questions of all archetypes."""
    keys = dict[Pick, list[np.ndarray]]()
    for archetype in resolver.inputs.asking:
        if resolver.inputs.protocols[archetype.name].replicas:
            for read in resolver.asks(archetype).reads:
                assert isinstance(read.form, Pick)
                keys.setdefault(read.form, []).append(read.keys)
    lists = [(len(form.items), resolver.log.picks(np.unique(np.concatenate(some), axis=0), form.count)) for form, some in keys.items()]
    return picked_places(lists)


def _mass_of_roles(resolver: Resolver) -> dict[tuple[str, Form], float]:
    """Mean probability on its choices of each role that scores are read from, over its different questions."""
    keys = dict[tuple[str, Form], list[np.ndarray]]()
    for archetype in resolver.inputs.asking:
        if resolver.inputs.protocols[archetype.name].together:
            for read in resolver.asks(archetype).reads:
                keys.setdefault((read.role, read.form), []).append(read.keys)
    means = dict[tuple[str, Form], float]()
    for (role, form), some in keys.items():
        assert isinstance(form, Rate | Decide)
        mass = resolver.log.choices(np.unique(np.concatenate(some), axis=0), len(form.choices))[1]
        if np.isfinite(mass).any():
            means[role, form] = float(np.nanmean(mass))
    return means


def _cells(resolver: Resolver, archetypes: tuple[Archetype, ...]) -> tensor.Cells:
    """What is known of some archetypes."""
    inputs, scoring = resolver.inputs, resolver.inputs.config.scoring
    shape = (len(inputs.panel.dates), len(archetypes), len(inputs.panel.stocks))
    score, mass = np.empty(shape, np.float32), np.full(shape, np.nan, np.float16)
    status = np.empty(shape, np.uint8)
    kept = np.full((*shape, len(scoring.choices)), np.nan, np.float16) if scoring.keep_probabilities else None
    decides = any(chosen.decides for chosen in inputs.protocols.values())
    decision = np.full(shape, NO_DECISION, np.int8) if decides else None
    for k, archetype in enumerate(archetypes):
        if archetype.kind == "rule":
            score[:, k] = inputs.rule_scores[archetype.name].T
            status[:, k] = np.where(np.isfinite(score[:, k]), Status.RULE, Status.NOT_APPLICABLE)
            continue
        asks = resolver.asks(archetype)
        rated = archetype.protocol in ALONE and not inputs.protocols[archetype.name].replicas
        found = opinions(asks, resolver.log, scoring.minimum_coverage, probabilities=kept is not None and rated)
        if kept is not None and found.probability is not None:
            kept[:, k] = np.moveaxis(found.probability, 1, 0)
        if decision is not None and found.decision is not None:
            decision[:, k] = found.decision.T
        score[:, k], mass[:, k], status[:, k] = found.score.T, found.mass.T, found.status.T
    return tensor.Cells(score, mass, status, kept, decision)


def _answers_hash(resolver: Resolver) -> str:
    """Hash of the keys of all questions for scores and of what came back to each, and of what rules say."""
    total = hashlib.blake2b(digest_size=16)
    for archetype in resolver.inputs.asking:
        asks = resolver.asks(archetype)
        total.update(archetype.name.encode() + b"\0")
        for read in asks.reads:
            keys = read.all_keys
            total.update(keys.astype("<u8").tobytes() + (asks.lost.tobytes() if asks.lost.any() else b""))
            picks = (resolver.log.picks(keys, read.form.count),) if isinstance(read.form, Pick) else ()
            for part in (*resolver.log.choices(keys, len(read.choices)), *picks):
                total.update(np.nan_to_num(part, nan=-1.0).astype(part.dtype.newbyteorder("<")).tobytes())
    for name, scores in resolver.inputs.rule_scores.items():
        total.update(name.encode() + b"\0" + np.nan_to_num(scores, nan=-1.0).astype("<f4").tobytes())
    return total.hexdigest()


def _remove_superseded(store: Place, kept: str, made_from: MadeFrom) -> None:
    """Delete the tensors of which the one just written holds everything, the damaged ones, and all but the latest `TENSORS_KEPT`.

    Every tensor can be written again from the answers; those of other configurations of the same store are kept for their next run.
    """
    others: list[tuple[datetime, str]] = []
    for name in tensor_names(store):
        if name == kept:
            continue
        try:
            other = Scores.open(inside(store, TENSORS, name))
            wanted = other.made_from
        except StoreError:
            wanted = None
        if wanted is None or difference(made_from, wanted) is None:
            remove(inside(store, TENSORS, name))
        else:
            others.append((other.written, name))
    for _, name in sorted(others)[: max(0, len(others) + 1 - TENSORS_KEPT)]:
        remove(inside(store, TENSORS, name))
