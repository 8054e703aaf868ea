"""What a score tensor was made from, and whether that is what a run wants: settings, archetypes, and the facts shown on each date.

All of it is known before any prompt is rendered, so that a tensor is recognised by comparing hashes, and a difference is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt64

from massjax.agents import Fact
from massjax.agents.facts import UNKNOWN
from massjax.errors import did_you_mean

RETURNS = "past returns"
"""In the place of a modality, of the past returns by which memory is told from skill."""


@dataclass(frozen=True, eq=False)
class MadeFrom:
    """What scores were made from.

    Attributes:
        settings: that decide what is asked, and what an answer comes to; names of models among them.
        archetypes: definitions by name.
        dates: T of them, increasing.
        facts: of each modality the hash of what prompts show of it on each date, [T]; that of the name "" is of identity and membership,
            that of `RETURNS` of returns that have ended.
        answers: hash of all questions' keys, of what came back, and of what rules say; empty where the scores did not come from questions.
        models: by name of a model its identity, for readers.
        styles: by archetype that a model wrote styles for, what these mostly are, for readers.
    """

    settings: Mapping[str, Any]
    archetypes: Mapping[str, Mapping[str, Any]]
    dates: Shaped[np.ndarray, " T"]
    facts: Mapping[str, UInt64[np.ndarray, " T"]]
    answers: str = ""
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    styles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """32 hex digits that stand for all of it."""
        plain = json.dumps([self.settings, self.archetypes, self.answers], sort_keys=True, ensure_ascii=False)
        parts = [plain.encode(), self.dates.astype("<M8[D]").tobytes()]
        parts += [part for name in sorted(self.facts) for part in (name.encode(), self.facts[name].astype("<u8").tobytes())]
        return hashlib.blake2b(b"\0".join(parts), digest_size=16).hexdigest()


def fact_hashes(facts: Sequence[Fact], stocks: Sequence[str], member: Shaped[np.ndarray, "N T"]) -> dict[str, UInt64[np.ndarray, " T"]]:
    """The hash, on every date, of what prompts show of each modality about the members of that date, by modality.

    The name "" stands for who is a member, and for facts about identity, which every archetype sees.

    Args:
        facts: of all modalities.
        stocks: N names.
        member: True where the stock is in the universe.
    """
    names = np.array([_text_hash(stock) for stock in stocks], np.uint64)
    rows = {"": [np.where(member, names[:, None], np.uint64(0))]}
    for fact in facts:
        known = np.array([0, *(_text_hash(f"{fact.label}\0{text}") for text in fact.texts)], np.uint64)
        shown = np.where(member & (fact.codes != UNKNOWN), fact.codes, UNKNOWN)
        rows.setdefault(fact.modality, []).append(known[shown + 1])
    return {modality: _date_hashes(values) for modality, values in rows.items()}


def _date_hashes(values: Sequence[UInt64[np.ndarray, "N T"]]) -> UInt64[np.ndarray, " T"]:
    by_date = np.ascontiguousarray(np.moveaxis(np.stack(values), 2, 0), dtype="<u8")
    kept = by_date.reshape(len(by_date), -1)
    return np.array([_hash(row[row != 0].tobytes() + (row != 0).tobytes()) for row in kept], np.uint64)


def _text_hash(text: str) -> int:
    return _hash(text.encode("utf-8", "surrogatepass")) or 1


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def difference(held: MadeFrom, wanted: MadeFrom) -> str | None:
    """The first thing in which scores that are there differ from those that a run wants, in words; None where they hold all of these.

    They may have further archetypes and dates.

    Args:
        held: what is there.
        wanted: what the run wants; of its archetypes those that a model is asked for.
    """
    for name, value, there in _settings(held.settings, wanted.settings):
        if there != value:
            return f"the setting {name}: they were made with {there!r}, this run has {value!r}"
    for name, definition in wanted.archetypes.items():
        there = held.archetypes.get(name)
        if there is None:
            return f"archetype {name!r} is not among them{did_you_mean(name, held.archetypes)}"
        for key in sorted({*there, *definition}):
            if there.get(key) != definition.get(key):
                return f"archetype {name!r}: its {key} was {there.get(key)!r}, now it is {definition.get(key)!r}"
    places = np.searchsorted(held.dates, wanted.dates)
    absent = places >= len(held.dates)
    absent |= held.dates[np.minimum(places, len(held.dates) - 1)] != wanted.dates
    if absent.any():
        return f"{int(absent.sum())} of {len(wanted.dates)} dates are not among them, the first being {wanted.dates[absent.argmax()]}"
    for modality, hashes in wanted.facts.items():
        there_on = held.facts.get(modality)
        changed = np.ones(len(hashes), bool) if there_on is None else there_on[places] != hashes
        if changed.any():
            if modality == RETURNS:
                return f"the past returns by which memory is told from skill have changed, first on {wanted.dates[changed.argmax()]}"
            what = f"of {modality!r}" if modality else "of who is in the universe, or of its stocks' names, dates and sectors"
            return (
                f"what prompts show {what} has changed on {int(changed.sum())} of {len(hashes)} dates, the first being "
                f"{wanted.dates[changed.argmax()]}"
            )
    return None


def _settings(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Each setting that a run wants, and the one that is there; of models and stages, which archetypes name, each by itself."""
    for name, value in wanted.items():
        there = held.get(name)
        if isinstance(value, Mapping):
            named = there if isinstance(there, Mapping) else {}
            yield from ((f"{name}.{entry}", one, named.get(entry)) for entry, one in value.items())
        else:
            yield name, value, there
    yield from ((name, None, there) for name, there in held.items() if name not in wanted)
