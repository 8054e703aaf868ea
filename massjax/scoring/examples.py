"""One whole prompt an archetype, to be read before any is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from massjax.models.question import Prompt
from massjax.scoring.work import Work
from massjax.terminal import escaped_text


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


def examples_of(work: Work) -> tuple[Example, ...]:
    """Of each language-model archetype the prompt about the first stock on the first date that it is asked about.

    Archetypes whose stages lack texts have none yet.
    """
    found: dict[tuple[Prompt, str], list[str]] = {}
    for name, prompts in work.prompts.items():
        cells = np.argwhere(prompts.index.T >= 0)
        if len(cells):
            t, n = cells[0]
            about = f"stock {work.panel.stocks[n]} on {work.panel.dates[t]}"
            found.setdefault((prompts.prompts[prompts.index[n, t]], about), []).append(name)
    return tuple(Example(tuple(names), about, prompt) for (prompt, about), names in found.items())


def lines_of(example: Example) -> Iterator[str]:
    """An example as lines for a terminal, which nothing in the prompt can steer."""
    many = "archetypes" if len(example.archetypes) > 1 else "archetype"
    yield escaped_text(f"Prompt of {many} {', '.join(example.archetypes)} about {example.about}")
    for title, text in (("system", example.prompt.system), ("user", example.prompt.user)):
        yield f"  {title}:"
        yield from (f"    {escaped_text(line, keep=chr(9))}" for line in text.split(chr(10)))
