"""The first rows of a text table: its encoding, its separator, and headings that leave no doubt about which column is which."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from massjax.errors import DataError, did_you_mean
from massjax.market.identifiers import INVISIBLE
from massjax.row_words import first_few

BEGINNING = 2**20
"""Bytes of a file that its headings are looked for in."""
MOST_NAMED = 20
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
OTHER_FILES = {
    b"PAR1": "a parquet file; let its name end in .parquet",
    b"PK\x03\x04": "a workbook or a zip archive; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook; save the sheet as CSV",
    b"\x1f\x8b": "compressed; let its name end in .csv.gz",
    b"<!": "a web page, perhaps an error of the site it came from",
    b"<html": "a web page, perhaps an error of the site it came from",
    b"{": "JSON; save it as CSV or parquet",
}
PRICE_WORDS = {
    "open", "high", "low", "close", "adj close", "adjclose", "adj_close", "volume", "vwap", "dividends", "stock splits", "capital gains",
}  # fmt: skip
"""Headings of the prices of one stock."""


def plain_heading(heading: str) -> str:
    """A heading without blanks at its ends and without characters that cannot be seen, such as a byte-order mark."""
    return heading.strip().strip(INVISIBLE).strip()


def check_headings(path: Path, setting: str, separator: str) -> None:
    """Refuse a text table whose columns cannot be told apart by its first row.

    Args:
        path: a file of separated values, gzipped if its name says so.
        setting: what names the file in the configuration, for messages.
        separator: what should stand between its fields.

    Raises:
        DataError: the file is not UTF-8 text, has another separator, has several rows of headings, or has a heading twice.
    """
    start = _beginning(path, setting)
    for mark, kind in OTHER_FILES.items():
        if start[:8].lower().startswith(mark.lower()):
            raise DataError(f"{path}: is {kind}; {setting} names it")
    rows = _first_rows(_text(start, path, setting), separator)
    if not rows:
        return
    _refuse_several_headings(rows, path, setting)
    found = [plain_heading(heading) for heading in rows[0]]
    for other, name in SEPARATORS.items():
        line = separator.join(rows[0])
        if other != separator and line.count(other) > line.count(separator):
            anew = f"read it with pd.read_csv(file, sep={other!r}, dtype=str) and save it with to_csv; decimal commas must become points"
            cure = {"\t": "let its name end in .tsv", ",": "let its name end in .csv"}.get(other, anew)
            raise DataError(
                f"{path}: its fields are separated by {name}, and {SEPARATORS[separator]} are expected of this kind of file; {cure}; "
                f"{setting} names it"
            )
    refuse_twice(found, path, setting)


def refuse_twice(found: Sequence[str], path: Path, setting: str) -> None:
    """Refuse headings of which two are the same once blanks at their ends are taken off."""
    for heading, count in Counter(found).items():
        if heading and count > 1:
            places = [str(i + 1) for i, other in enumerate(found) if other == heading]
            raise DataError(
                f"{path}: the heading {heading!r} occurs more than once, in columns {', '.join(places)} (blanks at its ends aside); "
                f"rename or remove all but one; {setting} names the file"
            )


def missing(column: str, found: Sequence[str], path: Path, setting: str, wide: bool) -> DataError:
    """The error that a column is not there, with the nearest heading, and what to do if the file has a column for each stock."""
    listed = first_few(found, MOST_NAMED)
    if wide and {heading.lower() for heading in found[1:]} <= PRICE_WORDS:
        return DataError(
            f"{path}: no column {column!r}; it has {listed}: the prices of one stock without a column that names it, and {setting} needs "
            f"a row for each stock and date; add that column, as with frame['stock'] = 'AAPL', put the stocks below each other, and name "
            f"the columns as the file does"
        )
    if wide:
        return DataError(
            f"{path}: no column {column!r}; it has {listed}: a wide file, with a column for each stock, and {setting} needs a row for each "
            f"stock and date; make it long, in polars with frame.unpivot(index={found[0]!r}, variable_name='stock', value_name='close'), "
            f"in pandas with frame.melt"
        )
    return DataError(f"{path}: no column {column!r}{did_you_mean(column, found)}; it has {listed}; {setting} says which column is what")


def undecodable(path: Path) -> str:
    """Which row of a text table is not UTF-8, in words."""
    with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as file:
        for number, line in enumerate(file):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                where = f"row {number} is" if number else "the row of headings is"
                return f"{path}: {where} not UTF-8 text, perhaps Latin-1, Windows-1252 or GBK; save the file as UTF-8"
    return f"{path}: is not UTF-8 text; save the file as UTF-8"


def overlong(path: Path, separator: str) -> str:
    """Which row of a text table has more fields than there are headings, in words."""
    number = None
    with gzip.open(path, "rt", errors="replace") if path.name.lower().endswith(".gz") else path.open(errors="replace") as file:
        rows = (row for row in csv.reader(file, delimiter=separator) if row)
        width = len(next(rows, []))
        with contextlib.suppress(csv.Error):
            number = next((number for number, row in enumerate(rows, start=1) if len(row) > width), None)
    where = "a row" if number is None else f"row {number}"
    return (
        f"{path}: {where} has more fields than the first row has headings, {width}: a decimal comma, a text with a comma that is not in "
        f"quotes, or a title above the headings?"
    )


def _beginning(path: Path, setting: str) -> bytes:
    try:
        if not path.name.lower().endswith(".gz"):
            with path.open("rb") as file:
                return file.read(BEGINNING)
        with gzip.open(path, "rb") as file:
            return file.read(BEGINNING)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}; {setting} names it") from None


def _text(start: bytes, path: Path, setting: str) -> str:
    """The beginning of a file as text; what is not UTF-8 further down is found where its column is read."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in start[:4096]:
        raise DataError(
            f"{path}: is not UTF-8 text but UTF-16 or binary; save it as UTF-8 (in a spreadsheet, CSV UTF-8); {setting} names it"
        )
    text = start.decode("utf-8-sig", errors="replace")
    if "\r" in text and "\n" not in text:
        raise DataError(f"{path}: its rows end with carriage returns alone; save it with newlines; {setting} names it")
    if "\ufffd" in text.partition("\n")[0]:
        raise DataError(f"{undecodable(path)}; {setting} names it")
    return text


def _first_rows(text: str, separator: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            if row:
                rows.append(row)
            if len(rows) == 4:
                break
    except csv.Error:
        return rows
    return rows


def _refuse_several_headings(rows: list[list[str]], path: Path, setting: str) -> None:
    """Refuse the table of a pandas frame whose columns have two levels, as yfinance's download() returns it."""
    names = ("date", "datetime", "time", "index", "")
    for number, row in enumerate(rows[1:4], start=1):
        blank = len(row) > 1 and not any(field.strip() for field in row[1:])
        if blank and row[0].strip().lower() in names and all(field.strip() for above in rows[:number] for field in above[1:]):
            levels = [above[0].strip() or above[1].strip() for above in rows[:number]]
            level = 0 if {field.strip().lower() for field in rows[number - 1][1:]} <= PRICE_WORDS else 1
            raise DataError(
                f"{path}: is a wide file with {number + 1} rows of headings ({', '.join(levels)}, {row[0].strip() or 'an empty one'}), as "
                f"yfinance's download() writes it, and {setting} needs one row of headings and a row for each stock and date; make it "
                f"long with data.stack(level={level}, future_stack=True).rename_axis(['date', 'stock']).reset_index() in pandas, where "
                f"data is what download() returned"
            )
