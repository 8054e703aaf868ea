"""Prompt layout and order of asking: what leaves the fewest tokens to compute, given that a model keeps the beginnings of prompts.

Prompts that begin with their archetype share it across all stocks and dates; prompts that begin with their facts share these across all
archetypes that see them. The longer shared text belongs first: a persona of a hundred tokens beats a line of words, a page of news
beats the persona.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt
from massjax.store import ScoreStore, Unit

Layout = Literal["archetype-first", "facts-first"]


@dataclass(frozen=True)
class Choice:
    """A layout, and why.

    Attributes:
        layout: the one taken.
        computed: tokens that a model has to compute under each layout, on the sample of prompts.
        total: tokens in these prompts under the layout taken.
        reason: in words.
    """

    layout: Layout
    computed: dict[str, int]
    total: int
    reason: str


def computed_tokens(prompts: Sequence[Prompt]) -> int:
    """Tokens (at `CHARACTERS_PER_TOKEN`) that are not the beginning of the prompt before, over the sorted prompts."""
    ordered = sorted(set(prompts))
    total = sum(len(prompt.system) + len(prompt.user) for prompt in ordered)
    return round((total - sum(shared(a, b) for a, b in pairwise(ordered))) / CHARACTERS_PER_TOKEN)


def shared(a: Prompt, b: Prompt) -> int:
    """Characters that two prompts have in common from their beginning."""
    if a.system != b.system:
        return _same(a.system, b.system)
    return len(a.system) + _same(a.user, b.user)


def _same(a: str, b: str) -> int:
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def choose(samples: dict[Layout, Sequence[Prompt]]) -> Choice:
    """The layout with fewer tokens to compute on the same sample of stocks, dates and archetypes."""
    computed = {layout: computed_tokens(prompts) for layout, prompts in samples.items()}
    layout: Layout = "facts-first" if computed["facts-first"] < computed["archetype-first"] else "archetype-first"
    total = round(sum(len(p.system) + len(p.user) for p in set(samples[layout])) / CHARACTERS_PER_TOKEN)
    return Choice(layout, {str(name): value for name, value in computed.items()}, total, "fewer tokens to compute")


def groups(store: ScoreStore, units: Sequence[Unit], layout: Layout) -> list[list[Unit]]:
    """Units in the order of asking; the prompts of a group are sorted together.

    Archetype first: block by block, archetype by archetype. Facts first: the archetypes of a block are one group, so that prompts
    about the same facts are neighbours.
    """
    ordered = sorted(units, key=lambda unit: (store.layout.block(unit), unit.first, unit.start, unit.archetype))
    if layout == "archetype-first":
        return [[unit] for unit in sorted(units, key=lambda unit: (store.layout.block(unit), unit.archetype, unit.first, unit.start))]
    together: dict[tuple[int, int, int], list[Unit]] = {}
    for unit in ordered:
        together.setdefault((store.layout.block(unit), unit.first, unit.start), []).append(unit)
    return list(together.values())
