"""Stock identifiers as tables spell them: brought to one spelling by settings, and the nearest spelling where they still differ."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import polars as pl

from massjax.market.settings import MarketSettings

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
"""Characters without width that spreadsheets and web pages leave in a field."""
MOST_COMPARED = 2_000
"""Identifiers of the other side that a typing error is looked for in."""

Difference = Literal["case", "zeros", "marks", "exchange", "letters"]


@dataclass(frozen=True)
class Conventions:
    """How the tables of a market write dates and stocks.

    Attributes:
        timezone: the market's zone, in which a day begins and ends; None where it is not given.
        fold_case: identifiers are taken in capitals.
        ticker_map: a file's spelling of a stock to that of the panel.
    """

    timezone: str | None = None
    fold_case: bool = False
    ticker_map: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: MarketSettings) -> Conventions:
        """The conventions that the settings name."""
        return cls(settings.timezone, settings.fold_case, settings.ticker_map)


PLAIN = Conventions()
"""No zone, and identifiers as they are."""


def spelled(given: pl.Series, conventions: Conventions) -> pl.Series:
    """Identifiers in the panel's spelling: without blanks at their ends, mapped by `ticker_map`, in capitals under `fold_case`.

    A letter and its mark, as ü may be written, are one character (Unicode's NFC).
    """
    distinct = given.drop_nulls().unique()
    return _spelled(distinct, conventions).gather(given.cast(pl.Enum(distinct)).to_physical()).alias(given.name)


def _spelled(given: pl.Series, conventions: Conventions) -> pl.Series:
    stripped = given.str.strip_chars().str.strip_chars(INVISIBLE).str.strip_chars().str.normalize("NFC")
    if not conventions.fold_case:
        return stripped.replace(dict(conventions.ticker_map)) if conventions.ticker_map else stripped
    folded = {key.upper(): stock.upper() for key, stock in conventions.ticker_map.items()}
    capitals = stripped.str.to_uppercase()
    return capitals.replace(folded) if folded else capitals


class Pair(NamedTuple):
    """An identifier of a table, the one of the market data that it resembles most, and what sets them apart."""

    here: str
    there: str
    difference: Difference


def pairs(strange: Collection[str], panel: Collection[str], absent: Collection[str]) -> list[Pair]:
    """For each identifier that the market data lacks, the nearest one of the market data, if one is near.

    Args:
        strange: identifiers of a table that the market data lacks.
        panel: all identifiers of the market data.
        absent: those of `panel` that the table lacks.

    Returns:
        Pairs that differ in case, blanks, marks or leading zeros alone are made with any stock of the panel; those that differ
        in the name of an exchange or in some letters with absent ones only, because another listing may be another stock.
    """
    bare = {_bare(stock): stock for stock in (*panel, *absent)}
    parts = {part: stock for stock in absent for part in _parts(stock)}
    whole = {_bare(stock): stock for stock in absent}
    found = []
    for stock in sorted(strange):
        if (twin := bare.get(_bare(stock))) is not None:
            found.append(Pair(stock, twin, _difference(stock, twin)))
        elif (kin := parts.get(_bare(stock)) or _first(whole.get(part) for part in _parts(stock)) or _same_code(stock, parts)) is not None:
            found.append(Pair(stock, kin, "exchange"))
    taken, left = {pair.here for pair in found}, sorted(set(absent) - {pair.there for pair in found})
    rest = sorted(set(strange) - taken)
    if left and len(rest) <= MOST_COMPARED and len(left) <= MOST_COMPARED:
        for stock in left[:20]:
            close = difflib.get_close_matches(stock, rest, n=1, cutoff=0.8)
            found += [Pair(near, stock, "letters") for near in close]
    return found


def twins(stocks: Iterable[str]) -> list[tuple[str, str]]:
    """Identifiers of one table that differ in case, marks or leading zeros alone."""
    seen: dict[str, str] = {}
    found = []
    for stock in stocks:
        first = seen.setdefault(_bare(stock), stock)
        if first != stock:
            found.append((first, stock))
    return found


def _bare(stock: str) -> str:
    """Letters and digits alone, in small letters and plain digits; a number without its leading zeros."""
    letters = "".join(c for c in _as_text(unicodedata.normalize("NFKC", stock)).casefold() if c.isalnum())
    return letters.lstrip("0") or "0" if letters.isdecimal() else letters or stock


def _as_text(stock: str) -> str:
    """A code without the `.0` that it gets where it is read as a number beside empty fields."""
    return re.sub(r"^(\d+)\.0+$", r"\1", stock)


def _parts(stock: str) -> set[str]:
    """What stands before or behind a mark, as 600000 in 600000.SH and BRK/B in `BRK/B US Equity`; the code in sh600000."""
    words = [word for word in re.split(r"[^0-9a-z]+", unicodedata.normalize("NFKC", stock).casefold()) if word]
    if len(words) == 1:
        code = re.fullmatch(r"[a-z]{2,5}(\d{4,})|(\d{4,})[a-z]{2,5}", words[0])
        return {_bare(code.group(1) or code.group(2))} if code else set()
    cuts = range(1, len(words))
    return {_bare("".join(part)) for cut in cuts for part in (words[:cut], words[cut:])}


def _same_code(stock: str, parts: Mapping[str, str]) -> str | None:
    """The stock with the same code of four or more digits under another exchange's name."""
    return _first(parts.get(part) for part in sorted(_parts(stock)) if part.isdecimal() and len(part) >= 3)


def _first(found: Iterable[str | None]) -> str | None:
    return next((stock for stock in found if stock is not None), None)


def _difference(here: str, there: str) -> Difference:
    if here.upper() == there.upper():
        return "case"
    return "zeros" if _as_text(here).isdecimal() and _as_text(there).isdecimal() else "marks"
