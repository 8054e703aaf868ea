"""Which texts the prompt about a stock on a date shows: those known within a window, equal ones once, at most so many."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import polars as pl

from massjax.agents.settings import AgentsSettings
from massjax.market import Panel
from massjax.market.grid import days, rows_of


def shown_texts(panel: Panel, modality: str, settings: AgentsSettings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The texts of a modality that prompts could show, and those that they do.

    Args:
        panel: with texts.
        modality: of the texts.
        settings: `texts_per_prompt` and `texts_order` say how many are shown, and which.

    Returns:
        Both with the columns id (number of the text among those of the panel), row, column (position of the stock and of the date
        on which it is shown), text and key (equal for equal texts). The first has every text on every date of its window on which
        its stock is a member; in the second equal texts of a stock and date are there once, as the first of them was published,
        and those of a stock and date are in the order of publication.
    """
    assert panel.texts is not None
    texts = panel.texts.with_row_index("id").filter(pl.col("modality") == modality)
    window = np.timedelta64(panel.text_windows.get(modality, 0), "D")
    known = days(texts["date"])
    first = np.searchsorted(panel.dates, known)
    end = np.searchsorted(panel.dates, known + window, side="right")
    rows = rows_of(texts, panel.stocks)
    usable = (rows >= 0) & (first < end)
    spans = texts.select("id", "text", row=pl.Series(rows), first=pl.Series(first), end=pl.Series(end)).filter(pl.Series(usable))
    dated = spans.with_columns(column=pl.int_ranges("first", "end")).drop("first", "end").explode("column", empty_as_null=False)
    listed = panel.member[dated["row"].to_numpy(), dated["column"].to_numpy()]
    could = _with_keys(dated.filter(pl.Series(listed, dtype=pl.Boolean)))
    distinct = could.unique(["row", "column", "key"], keep="first", maintain_order=True)
    return could, distinct.filter(_chosen(settings) < settings.texts_per_prompt)


def _chosen(settings: AgentsSettings) -> pl.Expr:
    """Place of each text among those of its stock and date, the ones to be shown first."""
    rank = {
        "latest": pl.col("id").rank("ordinal", descending=True),
        "first": pl.col("id").rank("ordinal"),
        "longest": pl.col("text").str.len_chars().rank("ordinal", descending=True),
    }[settings.texts_order]
    return rank.over("row", "column") - 1


def _with_keys(texts: pl.DataFrame) -> pl.DataFrame:
    distinct = texts.select("text").unique(maintain_order=True)
    keys = distinct.with_columns(key=pl.Series([same_text(text) for text in distinct["text"]], dtype=pl.String))
    return texts.join(keys, on="text", how="left", maintain_order="left")


def same_text(text: str) -> str:
    """What is equal for texts that differ in case, blanks, punctuation or compatibility forms alone.

    A sign before a digit and a mark between two digits stay, so that -5 and 5, or 1.5 and 15, differ. A text of punctuation alone is
    itself.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_MARK.sub(_kept, plain).split()) or " ".join(plain.split())


def _kept(mark: re.Match[str]) -> str:
    """A symbol, a sign of a number or a mark within one; a blank for other marks."""
    text, at, category = mark.string, mark.start(), unicodedata.category(mark[0])
    if category[0] not in "PCZ":
        return mark[0]
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    sign = category == "Pd" and after.isdigit() and not before.isalnum()
    within = category == "Po" and before.isdigit() and after.isdigit()
    return mark[0] if sign or within else " "


_MARK = re.compile(r"[^\w\s]|_")
