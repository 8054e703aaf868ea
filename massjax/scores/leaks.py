"""What the prompts of a run still tell of company and time where `agents.mask` is on."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from massjax.agents import masker_of
from massjax.agents.protocols.choosing import seen_modalities
from massjax.models.question import Prompt
from massjax.scores.inputs import Inputs

LOOKED_FOR = (
    "looked for are the tickers, names, short forms, aliases and people of market.stocks, years and dates; products, places, "
    "quarters without a year and names that are not in that table are not recognised"
)
LONGEST_LINE = 100
"""Characters that are shown of a line which tells."""
WHAT = ("a name or ticker", "a year or date")


class Numbers(dict[str, int]):
    """Numbers from 0 on; a line that has none yet gets the next."""

    def __missing__(self, line: str) -> int:
        self[line] = number = len(self)
        return number


@dataclass
class Lines:
    """The different lines of prompts, and which prompt of which archetype holds which.

    Attributes:
        numbers: of each line.
        held: by archetype the lines of its prompts, one prompt after the other, and where each prompt begins.
    """

    numbers: Numbers = field(default_factory=Numbers)
    held: dict[str, tuple[array[int], array[int]]] = field(default_factory=dict)

    def add(self, archetype: str, prompts: Iterable[Prompt]) -> None:
        """Take in all prompts of an archetype."""
        lines, starts, number = array("I"), array("I"), self.numbers.__getitem__
        for prompt in prompts:
            starts.append(len(lines))
            for message in prompt:
                lines.extend(map(number, message.split("\n")))
        self.held[archetype] = lines, starts

    @property
    def prompts(self) -> int:
        """How many prompts were taken in."""
        return sum(len(starts) for _, starts in self.held.values())


class Leak(NamedTuple):
    """How many prompts hold something, and the first of it: what, in whose prompts, and in which line."""

    prompts: int
    first: str
    archetype: str
    line: str


def leaks(inputs: Inputs, lines: Lines) -> tuple[Leak, Leak]:
    """The names of companies and people, and the years and dates, that finished prompts hold, whatever part of a prompt they come from.

    Args:
        inputs: whose market data say which stocks and people are looked for, in any case unless they are words of their own.
        lines: of all prompts.
    """
    masker = masker_of(inputs.panel, lines.numbers)
    left = [masker.left(line) for line in lines.numbers]
    texts = list(lines.numbers)
    return _leak(lines, texts, [found[0] for found in left]), _leak(lines, texts, [found[1] for found in left])


def _leak(lines: Lines, texts: Sequence[str], found: Sequence[str]) -> Leak:
    count, first, tells = 0, None, np.array([bool(what) for what in found])
    for archetype, (held, starts) in lines.held.items():
        if not starts:
            continue
        telling = tells[np.frombuffer(held, np.uint32)]
        count += int(np.logical_or.reduceat(telling, np.frombuffer(starts, np.uint32)).sum())
        if first is None and telling.any():
            number = held[int(telling.argmax())]
            first = found[number], archetype, texts[number]
    return Leak(0, "", "", "") if first is None else Leak(count, *first)


def leak_warnings(inputs: Inputs, lines: Lines) -> list[str]:
    """A sentence that counts the prompts which still hold a name or a time, and one where names cannot be known."""
    if not any(inputs.masked(one) for one in inputs.asking):
        return []
    panel, warnings = inputs.panel, []
    seen = [seen_modalities(archetype, inputs.config.agents) for archetype in inputs.archetypes]
    shown = panel.texts is not None and any(panel.texts["modality"].is_in(list(names)).any() for names in seen)
    if shown and not panel.names:
        warnings.append(
            "agents.mask is on and texts are shown, but the market data gives no company names, so only tickers, years and dates are "
            "hidden in them; name the columns with them in market.stocks (name, aliases, people)"
        )
    for what, leak in zip(WHAT, leaks(inputs, lines), strict=True):
        if leak.prompts:
            warnings.append(
                f"agents.mask is on, but {leak.prompts:,} of {lines.prompts:,} prompts still hold {what}, the first {leak.first!r} of "
                f"archetype {leak.archetype!r} in the line {leak.line.strip()[:LONGEST_LINE]!r}; {LOOKED_FOR}"
            )
    return warnings
