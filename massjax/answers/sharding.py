"""Cutting the work into parts for independent workers: every worker computes the same cut, so that none needs to be told."""

from __future__ import annotations

import math
import re

from massjax.errors import ConfigError
from massjax.scoring.placing import archetype_of, own_units
from massjax.scoring.work import Work
from massjax.store import ScoreStore, Unit


def parse_shard(text: str) -> tuple[int, int]:
    """`3/8` as (3, 8).

    Raises:
        ConfigError: it is not of that form, or the first number is not from 1 to the second.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        raise ConfigError(f"--shard {text}: expected I/N with I from 1 to N, such as 1/8 for the first of eight workers")
    return number, count


def split(work: Work, store: ScoreStore, count: int) -> list[list[Unit]]:
    """All units of the run's archetypes in `count` parts of about as many distinct prompts.

    The cut depends on the configuration, the market data and the store's axes, never on what is finished. An archetype stays whole
    unless it is more than a part's share, because prompts repeat and begin alike within it; one with stages always does, because
    its texts must not be written twice.
    """
    weights = {a.name: float(work.weight(a)) if a.kind == "llm" else 0.01 for a in work.archetypes}
    share = sum(weights.values()) / count
    pieces: list[tuple[float, list[Unit]]] = []
    by_archetype: dict[int, list[Unit]] = {}
    for unit in own_units(work, store):
        by_archetype.setdefault(unit.archetype, []).append(unit)
    for units in by_archetype.values():
        archetype = archetype_of(work, store, units[0])
        weight = weights[archetype.name]
        parts = 1 if archetype.stages else min(len(units), math.ceil(weight / share - 1e-9))
        ordered = sorted(units)
        for part in range(parts):
            piece = ordered[part * len(ordered) // parts : (part + 1) * len(ordered) // parts]
            pieces.append((weight * len(piece) / len(ordered), piece))
    shards: list[list[Unit]] = [[] for _ in range(count)]
    loads = [0.0] * count
    for weight, piece in sorted(pieces, key=lambda item: (-item[0], item[1])):
        lightest = loads.index(min(loads))
        loads[lightest] += weight
        shards[lightest] += piece
    return shards
