"""Texts one by one, such as news items: what is known with each of them, and on which dates each counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from jaxtyping import Bool, Int

from massjax.agents.facts import UNKNOWN, Fact, text_modalities, texts_masker
from massjax.agents.masking import Masker
from massjax.agents.quoting import one_line, quote
from massjax.agents.settings import AgentsSettings
from massjax.agents.texts import shown_texts
from massjax.market import Panel


@dataclass(frozen=True, eq=False)
class Items:
    """M texts about stocks, in the order of publication, and the S pairs of a text and a date that shows it.

    Attributes:
        facts: known when each text is, [M, 1]: the text itself, and all else as of the first date that shows it.
        stock: place of the stock that each text is about, [M].
        known: place of the first date that shows it, [M].
        item, column: of each pair the text and the place of the date, [S].
    """

    facts: tuple[Fact, ...]
    stock: Int[np.ndarray, " M"]
    known: Int[np.ndarray, " M"]
    item: Int[np.ndarray, " S"]
    column: Int[np.ndarray, " S"]

    def on(self, dates: slice | None, stocks: Bool[np.ndarray, " N"] | None) -> Items:
        """Those that some dates show about some stocks, the dates counted from the first of them; None = all.

        What is known with a text is as of its own first date, whichever dates are asked for.
        """
        start, stop = (0, np.inf) if dates is None else (dates.start, dates.stop)
        kept = (self.column >= start) & (self.column < stop)
        if stocks is not None:
            kept &= stocks[self.stock[self.item]]
        there, item = np.unique(self.item[kept], return_inverse=True)
        facts = tuple(replace(fact, codes=fact.codes[there]) for fact in self.facts)
        return Items(facts, self.stock[there], self.known[there], item.astype(np.int64), self.column[kept] - start)


def items_of(panel: Panel, settings: AgentsSettings, facts: Sequence[Fact], modalities: Collection[str]) -> Items:
    """The texts that prompts show of some modalities, one by one.

    A text counts on every date that `agents.texts_per_prompt` and its window show it on, and is known from the first of these on.

    Args:
        panel: with texts.
        settings: which texts are shown, and whether names are masked in them.
        facts: of all modalities, by stock and date.
        modalities: of texts.
    """
    masker = texts_masker(panel, settings)
    seen = [name for name in text_modalities(panel) if name in modalities]
    tables = [shown_texts(panel, name, settings)[1].with_columns(modality=pl.lit(name)) for name in seen]
    shown = pl.concat(tables).sort("id", "column")
    first = shown.group_by("id", maintain_order=True).agg(pl.col("row", "column", "text", "modality").first())
    stock, known = first["row"].to_numpy().astype(np.int64), first["column"].to_numpy().astype(np.int64)
    own = {name: _own_text(first, name, panel, masker) for name in first["modality"].unique().to_list()}
    found = []
    for fact in facts:
        if fact.modality in own:
            found.append(own[fact.modality])
        elif fact.modality not in text_modalities(panel):
            found.append(replace(fact, codes=fact.codes[stock, known][:, None]))
    item = np.searchsorted(first["id"].to_numpy(), shown["id"].to_numpy())
    return Items(tuple(found), stock, known, item.astype(np.int64), shown["column"].to_numpy().astype(np.int64))


def _own_text(first: pl.DataFrame, modality: str, panel: Panel, masker: Masker | None) -> Fact:
    """Of each text of a modality itself, as a fact; equal ones are one."""
    vocabulary: dict[str, int] = {}
    codes = np.full((len(first), 1), UNKNOWN, np.int32)
    for place, row, text in first.with_row_index().filter(modality=modality).select("index", "row", "text").iter_rows():
        said = text if masker is None else masker.mask(one_line(text), panel.stocks[row])
        codes[place] = vocabulary.setdefault(quote([said]), len(vocabulary))
    return Fact(modality, modality.replace("_", " "), codes, tuple(vocabulary))
