"""The first rows of a text table: its encoding, its separator, and headings that leave no doubt about which column is which."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

from massjax.errors import DataError, did_you_mean
from massjax.market.identifiers import INVISIBLE

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
WIDE_FROM_PANDAS = (
    "data.stack(level=-1, future_stack=True).rename_axis(['date', 'stock']).reset_index() in pandas, where data is what download() "
    "returned (level 0 if the stocks stand in the first row)"
)


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
            cure = "let its name end in .tsv" if other == "\t" else f"in pandas, pd.read_csv(file, sep={other!r}, dtype=str)"
            decimal = ", decimal=','" if other == ";" else ""
            raise DataError(
                f"{path}: its fields are separated by {name}, and {SEPARATORS[separator]} are expected of this kind of file: {cure}, or "
                f"save it anew with commas (if it has decimal commas, read it with sep={other!r}{decimal} first); {setting} names it"
            )
    refuse_twice(found, path, setting)


def refuse_twice(found: Sequence[str], path: Path, setting: str) -> None:
    """Refuse headings of which two are the same once blanks at their ends are taken off."""
    for heading in found:
        if heading and found.count(heading) > 1:
            places = [str(i + 1) for i, other in enumerate(found) if other == heading]
            raise DataError(
                f"{path}: the heading {heading!r} occurs more than once, in columns {', '.join(places)} (blanks at its ends aside); "
                f"rename or remove all but one; {setting} names the file"
            )


def missing(column: str, found: Sequence[str], path: Path, setting: str, wide: bool) -> DataError:
    """The error that a column is not there, with the nearest heading, and what to do if the file has a column for each stock."""
    listed = ", ".join(found[:MOST_NAMED]) + (f" and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else "")
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
    if "\ufffd" in text.partition("\n")[0]:
        raise DataError(f"{undecodable(path)}; {setting} names it")
    return text


def _first_rows(text: str, separator: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(text.splitlines(), delimiter=separator):
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
            raise DataError(
                f"{path}: is a wide file with {number + 1} rows of headings ({', '.join(levels)}, {row[0].strip() or 'an empty one'}), as "
                f"yfinance's download() writes it, and {setting} needs one row of headings and a row for each stock and date; make it long "
                f"with {WIDE_FROM_PANDAS}"
            )
