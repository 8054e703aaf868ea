"""What the prompts of a run still tell of company and time where `agents.mask` is on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from massjax.agents import masker_of
from massjax.market import Panel
from massjax.models.question import Prompt
from massjax.scoring.work import Work

LOOKED_FOR = (
    "looked for are the tickers, names, short forms, aliases and people of market.stocks, years and dates; products, places, "
    "quarters without a year and names that are not in that table are not recognised"
)
LONGEST_LINE = 100
"""Characters that are shown of a line which tells."""


class Leak(NamedTuple):
    """How many prompts hold something, and the first of it: what, in whose prompts, and in which line."""

    prompts: int
    first: str
    archetype: str
    line: str


def leaks(panel: Panel, prompts: Mapping[str, Sequence[Prompt]]) -> tuple[Leak, Leak]:
    """The names of companies and people, and the years and dates, that finished prompts hold, whatever part of a prompt they come from.

    Args:
        panel: whose stocks and people are looked for, in any case unless they are words of their own.
        prompts: by archetype.
    """
    lines: dict[str, tuple[str, str]] = dict.fromkeys(
        (line for asked in prompts.values() for prompt in asked for message in prompt for line in message.split("\n")), ("", "")
    )
    masker = masker_of(panel, lines)
    lines = {line: masker.left(line) for line in lines}
    found = []
    for kind in (0, 1):
        holding = {line: left[kind] for line, left in lines.items() if left[kind]}
        hits = [
            (archetype, next((line for message in prompt for line in message.split("\n") if line in holding), None))
            for archetype, asked in prompts.items()
            for prompt in asked
            if holding
        ]
        there = [(archetype, line) for archetype, line in hits if line is not None]
        found.append(Leak(len(there), holding[there[0][1]], *there[0]) if there else Leak(0, "", "", ""))
    return found[0], found[1]


def leak_warnings(work: Work) -> list[str]:
    """A sentence that counts the prompts which still hold a name or a time, and one where names cannot be known."""
    if not work.config.agents.mask:
        return []
    panel, asked = work.panel, {name: prompts.prompts for name, prompts in work.prompts.items()}
    total, warnings = sum(map(len, asked.values())), []
    shown = panel.texts is not None and any(panel.texts["modality"].is_in(list(a.modalities)).any() for a in work.archetypes)
    if shown and not panel.names:
        warnings.append(
            "agents.mask is on and texts are shown, but the market data gives no company names, so only tickers, years and dates are "
            "hidden in them; name the columns with them in market.stocks (name, aliases, people)"
        )
    for what, leak in zip(("a name or ticker", "a year or date"), leaks(panel, asked), strict=True):
        if leak.prompts:
            warnings.append(
                f"agents.mask is on, but {leak.prompts:,} of {total:,} prompts still hold {what}, the first {leak.first!r} of archetype "
                f"{leak.archetype!r} in the line {leak.line.strip()[:LONGEST_LINE]!r}; {LOOKED_FOR}"
            )
    return warnings
