"""What a language model may remember: dates before its knowledge ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from jaxtyping import Shaped

from massjax.agents.archetype import Archetype, asks_a_model
from massjax.row_words import first_few

MOST_NAMED = 3
"""Archetypes that a warning names at most."""


def knowledge_cutoff_warnings(
    cutoff: date | None,
    dates: Shaped[np.ndarray, " T"],
    archetypes: Sequence[Archetype],
    *,
    model: str = "",
    mask: bool,
    texts: bool,
    taken_out: bool = False,
    exposed: Sequence[str] = (),
) -> list[str]:
    """A warning where a language model may have read what happened on the dates it is asked about.

    Args:
        cutoff: when the model's knowledge ends (`knowledge_cutoff` of its settings).
        dates: of the panel, ascending.
        archetypes: of the run; those that are rules remember nothing.
        model: its name, where several are asked.
        mask: names and dates are hidden.
        texts: prompts show texts, in which names can stand.
        taken_out: memory is taken out of the scores of all archetypes.
        exposed: where others are masked or have memory taken out, those for which neither is done.
    """
    if cutoff is None or dates[0].item() > cutoff or not asks_a_model(archetypes):
        return []
    known = int((dates <= np.datetime64(cutoff)).sum())
    helps = "names and dates are masked, in texts as far as market.stocks knows them, which helps"
    helps = helps if texts else "names and dates are masked, which helps"
    if taken_out:
        helps = "agents.hindsight takes out of the scores what it can tell is memory, which helps"
    masked = helps if mask or taken_out else "set agents.mask: true to hide names and dates"
    if exposed:
        masked = f"nothing is done about it for {first_few(exposed, MOST_NAMED)}; set hindsight: residual, contrast or mask for them"
    told = f"{model}: " if model else ""
    return [
        f"{told}the model's knowledge ends {cutoff}, so it may remember what happened on {known} of {len(dates)} dates; {masked}; "
        "python -m massjax.hindsight with this config measures how much it does"
    ]
