"""What the prompts of a run still tell of company and time where `agents.mask` is on."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from massjax.agents import masker_of
from massjax.models.question import Prompt
from massjax.scores.inputs import Inputs

LOOKED_FOR = (
    "looked for are the tickers, names, short forms, aliases and people of market.stocks, years and dates; products, places, "
    "quarters without a year and names that are not in that table are not recognised"
)
LONGEST_LINE = 100
"""Characters that are shown of a line which tells."""
WHAT = ("a name or ticker", "a year or date")


@dataclass
class Lines:
    """The different lines of prompts, and which prompt of which archetype holds which.

    Attributes:
        numbers: of each line.
        held: by archetype the lines of its prompts, one prompt after the other, and where each prompt ends.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    held: dict[str, tuple[array[int], array[int]]] = field(default_factory=dict)

    def add(self, archetype: str, prompts: Iterable[Prompt]) -> None:
        """Take in all prompts of an archetype."""
        lines, ends = array("I"), array("I")
        for prompt in prompts:
            for message in prompt:
                lines.extend(self.numbers.setdefault(line, len(self.numbers)) for line in message.split("\n"))
            ends.append(len(lines))
        self.held[archetype] = lines, ends

    @property
    def prompts(self) -> int:
        """How many prompts were taken in."""
        return sum(len(ends) for _, ends in self.held.values())


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
    count, first = 0, None
    for archetype, (held, ends) in lines.held.items():
        start = 0
        for end in ends:
            telling = next((number for number in held[start:end] if found[number]), None)
            start = end
            if telling is not None:
                count += 1
                first = first or (found[telling], archetype, texts[telling])
    return Leak(0, "", "", "") if first is None else Leak(count, *first)


def leak_warnings(inputs: Inputs, lines: Lines) -> list[str]:
    """A sentence that counts the prompts which still hold a name or a time, and one where names cannot be known."""
    if not inputs.config.agents.mask:
        return []
    panel, warnings = inputs.panel, []
    shown = panel.texts is not None and any(panel.texts["modality"].is_in(list(a.modalities)).any() for a in inputs.archetypes)
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
