"""The first rows of text tables: what cannot be read rightly is refused by name, with the cause and the cure."""

from __future__ import annotations

import gzip
import os
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from massjax.errors import DataError
from massjax.market.reading import read_long

GOOD = "date,stock,close\n2021-01-04,A,1.5\n2021-01-05,A,2\n"
ROWS = [(date(2021, 1, 4), "A", 1.5), (date(2021, 1, 5), "A", 2.0)]


def read(path: Path) -> list[tuple[object, ...]]:
    return read_long(path, "market.prices", "date", "stock", ["close"]).rows()


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("date,stock,close", ' date , stock,"close "'),
        GOOD.replace(",A,", ", A ,").replace("1.5", " 1.5 "),
        GOOD.replace(",A,", ",\u3000A\u200b,"),
        GOOD.replace("close\n", "close,,\n").replace("1.5\n", "1.5,,\n").replace("2\n", "2,,\n"),
    ],
)
def test_blanks_and_marks_at_the_ends_do_not_matter(tmp_path: Path, content: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(content.encode())
    assert read(path) == ROWS


@pytest.mark.parametrize("heading", ["close", " close", '"close"', "\ufeffclose", "close\u00a0"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "tsv.gz", "parquet"])
def test_a_heading_that_occurs_twice_is_refused(tmp_path: Path, heading: str, kind: str) -> None:
    path = tmp_path / f"prices.{kind}"
    text = f"date,stock,close,{heading}\n2021-01-04,A,1,2\n"
    text = text.replace(",", "\t") if kind.startswith("tsv") else text
    if kind == "parquet":
        if heading in ("close", '"close"'):
            pytest.skip("parquet cannot hold it")
        pl.DataFrame({"date": ["2021-01-04"], "stock": ["A"], "close": [1.0], heading: [2.0]}).write_parquet(path)
    else:
        path.write_bytes(gzip.compress(text.encode()) if kind.endswith("gz") else text.encode())
    with pytest.raises(DataError, match=rf"prices.{kind}: the heading 'close' occurs more than once, in columns 3, 4"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "p.csv",
            GOOD.replace(",", ";").replace(".", ",").encode(),
            r"by semicolons.*sep=';'.*decimal commas must become points",
        ),
        ("p.csv", GOOD.replace(",", "\t").encode(), "separated by tabs.*let its name end in .tsv"),
        ("p.csv", GOOD.replace(",", "|").encode(), "separated by vertical bars"),
        ("p.tsv", GOOD.encode(), "separated by commas.*let its name end in .csv"),
        ("p.csv", GOOD.encode("utf-16"), "UTF-16 or binary; save it as UTF-8"),
        ("p.csv", GOOD.encode("utf-16-le"), "UTF-16 or binary; save it as UTF-8"),
        ("p.csv", GOOD.encode("utf-32"), "UTF-16 or binary; save it as UTF-8"),
        ("p.csv", GOOD.replace("05,A", "05,Société").encode("latin-1"), "row 2 is not UTF-8 text, perhaps Latin-1"),
        ("p.csv", GOOD.replace("04,A", "04,浦发银行").encode("gb18030"), "row 1 is not UTF-8 text, perhaps .* GBK"),
        ("p.csv", GOOD.replace("close", "clôse").encode("latin-1"), "the row of headings is not UTF-8 text"),
        ("p.csv", GOOD.replace("\n", "\r").encode(), "carriage returns alone"),
        ("p.csv", gzip.compress(GOOD.encode(), mtime=0), r"is compressed; let its name end in .csv.gz"),
        ("p.csv.gz", GOOD.encode(), "cannot be read: Not a gzipped file"),
        ("p.csv.gz", gzip.compress(GOOD.encode() * 99, mtime=0)[:40], "cannot be read: Compressed file ended"),
        ("p.csv", b"PK\x03\x04", "a workbook or a zip archive"),
        ("p.csv", b"PAR1", "is a parquet file"),
        ("p.csv", b"<!DOCTYPE html>", "is a web page"),
        ("p.csv", b'{"date": 1}', "is JSON"),
        ("p.csv", GOOD.replace("1.5", "1,5").encode(), "row 1 has more fields than the first row has headings, 3: a decimal comma"),
        ("p.csv", ("Prices\n" + GOOD).encode(), "a title above the headings"),
        ("p.csv", b"Date,AAPL,MSFT\n2021-01-04,1,2\n", r"a wide file, with a column for each stock.*unpivot\(index='Date'"),
        ("p.csv", b",AAPL,MSFT\n2021-01-04,1,\n", "a wide file, with a column for each stock"),
        ("p.csv", b"Date,Open,Close\n2021-01-04,1,2\n", "the prices of one stock without a column that names it"),
        ("p.csv", b"Price,Close,High\nTicker,A,A\nDate,,\n2021-01-04,1,2\n", r"3 rows of headings \(Price, Ticker, Date\).*stack\(level=1"),
        ("p.csv", b"Ticker,A,B\nPrice,Open,Open\nDate,,\n2021-01-04,1,2\n", r"3 rows of headings \(Ticker, Price, Date\).*stack\(level=0"),
        ("p.csv", b",Close,Close\n,A,B\nDate,,\n2021-01-04,1,2\n", r"wide file with 3 rows of headings"),
    ],
)
def test_other_kinds_of_text_are_refused_with_the_cure(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: .*{message}"):
        read(path)


def test_a_wide_table_in_parquet_and_one_of_thousands_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    pl.DataFrame({"Date": [date(2021, 1, 4)]} | {f"('Close', 'S{i}')": [1.0] for i in range(3000)}).write_parquet(path)
    with pytest.raises(DataError, match=r"\('Close', 'S0'\).* and 2,981 more: a wide file") as caught:
        read(path)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("name", ["prices.csv", "prices.parquet", "prices.tsv.gz"])
@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    match kind:
        case "a named pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()
    with pytest.raises(DataError, match=f"{name}: is {kind}; market.prices expects a parquet, CSV or tab-separated file"):
        read(path)
