"""Which stocks of a table meet the panel's, and which of either side do not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from massjax.errors import DataError
from massjax.market.identifiers import Pair, pairs, twins
from massjax.row_words import counted, first_few

MOST_NAMED = 5


def misaligned(
    rows: pl.Series,
    stocks: Sequence[str],
    wanted: Collection[str],
    path: Path,
    expects_all: bool = True,
    names_others: bool = False,
    dates: pl.Series | None = None,
) -> tuple[str, ...]:
    """Sentences about the stocks that a table and the market data do not have in common.

    A table may hold more stocks than the market data. It is remarked on where stocks of the market data have no row in it, and
    where an identifier differs from one of the market data in its spelling alone.

    Args:
        rows: the stock of each row of the table.
        stocks: those of the market data.
        wanted: those of them that are ever members.
        path: the table.
        expects_all: a member without a row is worth telling, as in a table of features; not in one of texts.
        names_others: so is a stock without market data, as in a table of members.
        dates: of each row, where a stock has one row a date: identifiers that are there on the same dates are two stocks, however
            alike they are, as MS-I and MSI.

    Raises:
        DataError: no stock of the table is one of the market data, or codes lack their leading zeros on one side.
    """
    if rows.is_empty():
        return ()
    counts = dict(rows.value_counts().iter_rows())
    known, universe = set(stocks), set(wanted)
    strange = {stock for stock in counts if stock not in known}
    absent = [stock for stock in stocks if stock in universe and stock not in counts]
    near = pairs(strange, stocks, [stock for stock in stocks if stock not in counts]) if strange else []
    if dates is not None:
        near = [pair for pair in near if pair.there not in counts or not _both_there(pair, rows, dates)]
    _refuse_lost_zeros(near, counts, path)
    if len(strange) == len(counts):
        raise DataError(
            f"{path}: has stocks such as {rows[0]!r}, but the market data has stocks such as {stocks[0]!r}; "
            f"do the identifiers match? {_cure(near)}".rstrip()
        )
    sentences = []
    if expects_all and absent:
        sentences.append(
            f"{path}: has no row of {len(absent):,} of the {len(universe):,} stocks of the universe: {_listed(absent, near, there=True)}"
        )
    others = sorted(strange) if names_others or (expects_all and absent) else sorted({pair.here for pair in near})
    if others:
        count = sum(counts[stock] for stock in others)
        what = f"{counted(count, 'row')} of {counted(len(others), 'stock')} without market data: {_listed(others, near)}"
        sentences.append("; ".join(filter(None, (f"{path}: left out {what}", _cure(near)))))
    return tuple(sentences)


def _both_there(pair: Pair, rows: pl.Series, dates: pl.Series) -> bool:
    """Whether a table has rows of both identifiers on the same dates, on half of those of the rarer one at least."""
    here, there = (set(dates.filter(rows == stock)) for stock in (pair.here, pair.there))
    return 2 * len(here & there) >= min(len(here), len(there))


def split_histories(rows: pl.DataFrame, path: Path) -> tuple[str, ...]:
    """A sentence about identifiers of one table that differ in spelling alone and never have a row on the same date.

    Args:
        rows: columns date and stock.
        path: the table.
    """
    found = []
    for first, second in twins(rows["stock"].unique().sort()):
        dates = [set(rows.filter(stock=stock)["date"]) for stock in (first, second)]
        if not dates[0] & dates[1]:
            found.append(Pair(second, first, "case" if first.upper() == second.upper() else "marks"))
    if not found:
        return ()
    shown = first_few([f"{pair.here!r} and {pair.there!r}" for pair in found], MOST_NAMED)
    return (f"{path}: {shown} never have a row on the same date; are they one stock? {_cure(found)}",)


def _refuse_lost_zeros(near: Sequence[Pair], counts: dict[str, int], path: Path) -> None:
    zeros = [pair for pair in near if pair.difference == "zeros" and pair.there not in counts]
    if not zeros:
        return
    here, there = zeros[0].here, zeros[0].there
    number, code = (here, there) if here.endswith(".0") or (len(here) < len(there) and not there.endswith(".0")) else (there, here)
    side = "this table" if here == number else "the market data"
    fault = "got a decimal point" if number.endswith(".0") else "lost their leading zeros"
    raise DataError(
        f"{path}: has stock {here!r} where the market data has {there!r} ({counted(len(zeros), 'such stock')}, "
        f"{counted(sum(counts[pair.here] for pair in zeros), 'row')}): in {side} the codes were read as numbers and {fault}; "
        f"write them as text, as with dtype=str or .str.zfill({len(code)}) in pandas, or map each: "
        f"market.ticker_map: {{{_quoted(number)}: {_quoted(code)}}}"
    )


def _listed(stocks: Sequence[str], near: Sequence[Pair], there: bool = False) -> str:
    """The first few stocks, those with a near spelling first, each with it."""
    partner = {pair.there: pair.here for pair in near} if there else {pair.here: pair.there for pair in near}
    ordered = sorted(stocks, key=lambda stock: stock not in partner)
    where = "there" if there else "in the market data"
    return first_few([f"{stock} (nearest {where}: {partner[stock]})" if stock in partner else stock for stock in ordered], MOST_NAMED)


def _cure(near: Sequence[Pair]) -> str:
    if not near:
        return ""
    if all(pair.difference == "case" for pair in near):
        return "market.fold_case: true takes capitals and small letters for the same"
    pair = next(pair for pair in near if pair.difference != "case")
    return f"if they are the same stocks, map them: market.ticker_map: {{{_quoted(pair.here)}: {_quoted(pair.there)}}}"


def _quoted(stock: str) -> str:
    return f"'{stock}'" if stock[:1].isdecimal() else stock
