"""Which tables hold MASS's fundamentals, risk factors, price features and news, by the headings that they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from massjax.errors import DataError, did_you_mean
from massjax.market.mass_columns import FUNDAMENTALS, KEYS, PRICE_FEATURE, MassColumn, recognise
from massjax.market.mass_settings import MassSettings
from massjax.market.reading import headings_of
from massjax.market.settings import FeatureColumn, FeaturesTable, TextsTable

FUNDAMENTALS_FILE, PRICE_FEATURES_FILE = "sub_fudamental_data.parq", "price_feature.parq"  # sic


def fundamentals_tables(folder: Path, mass: MassSettings) -> tuple[tuple[FeaturesTable, ...], tuple[str, ...]]:
    """The tables of fundamentals and price features, published and of a user's, and a sentence about published columns left out.

    Raises:
        DataError: a price feature is not there, a table of the user's has a column that is none of MASS's, or two tables have one column.
    """
    published = [folder / FUNDAMENTALS_FILE, *(path for path in (folder / PRICE_FEATURES_FILE,) if path.is_file())]
    tables: list[FeaturesTable] = []
    told = []
    for path in published:
        found = recognise(headings_of(path, "market.folder"), FUNDAMENTALS, path, mass.columns)
        tables += feature_tables(found.columns, path)
        if found.unknown:
            told.append(f"{path}: left out columns that MASS's table has not: {', '.join(map(repr, found.unknown))}")
    for number, path in enumerate(mass.tables):
        tables += _table_of_user(path, f"market.mass.tables[{number}]", mass)
    _refuse_twice(tables)
    there = {name for table in tables for name in table.columns}
    lacking = [column.column for column in PRICE_FEATURE if column.feature not in there]
    if lacking:
        raise DataError(f"{published[-1]}: no column {lacking[0]!r}, one of the six price features; market.folder names the file's folder")
    return tuple(tables), tuple(told)


def _refuse_twice(tables: Sequence[FeaturesTable]) -> None:
    first: dict[str, Path] = {}
    for table in tables:
        for feature, column in table.columns.items():
            if feature in first:
                raise DataError(f"{table.path}: column {column.column!r} is in {first[feature]} too; leave it out of one of the two tables")
            first[feature] = table.path


def refuse_unused(renamed: Mapping[str, str], paths: Iterable[Path]) -> None:
    """Refuse a heading of `market.mass.columns` that no table has: another column of MASS's name would silently be taken for it.

    Args:
        renamed: headings of the user's own, by MASS's name of the column.
        paths: of all tables that are read by MASS's names.

    Raises:
        DataError: no table has a heading that is named.
    """
    if not renamed:
        return
    read = [path for path in paths if path.is_file()]
    there = {heading for path in read for heading in headings_of(path, "market.mass.columns")}
    for name, heading in renamed.items():
        if heading not in there:
            tables = ", ".join(map(str, read))
            raise DataError(
                f"market.mass.columns: {name}: no table has a column {heading!r}{did_you_mean(heading, sorted(there))}; read are {tables}"
            )


def _table_of_user(path: Path, setting: str, mass: MassSettings) -> tuple[FeaturesTable, ...]:
    headings = headings_of(path, setting)
    for key in KEYS[:2]:
        if key not in headings:
            listed = ", ".join(headings)
            hint = did_you_mean(key, headings)
            raise DataError(f"{path}: no column {key!r}{hint}; it has {listed}; {setting} needs a row for each Stock and Date")
    found = recognise(headings, FUNDAMENTALS, path, mass.columns)
    if found.unknown:
        known = [column.column for column in FUNDAMENTALS]
        raise DataError(
            f"{path}: column {found.unknown[0]!r} is none of MASS's{did_you_mean(found.unknown[0], known)}; {setting} takes: "
            f"{', '.join(known)}. Say what it is under market.mass.columns, or read it as market.features"
        )
    if not found.columns:
        raise DataError(f"{path}: has none of MASS's columns; {setting} names it")
    return feature_tables(found.columns, path)


def news_tables(mass: MassSettings) -> tuple[TextsTable, ...]:
    """The table of news titles, if one is named.

    Raises:
        DataError: it lacks a column.
    """
    if mass.news is None:
        return ()
    headings = headings_of(mass.news, "market.mass.news")
    for column in (*KEYS[:2], "NewsTitle"):
        if column not in headings:
            listed = ", ".join(headings)
            hint = did_you_mean(column, headings)
            raise DataError(f"{mass.news}: no column {column!r}{hint}; it has {listed}; market.mass.news needs Stock, Date and NewsTitle")
    return (TextsTable(path=mass.news, timestamp="Date", stock="Stock", text="NewsTitle", timezone="Asia/Shanghai", cutoff="15:00"),)


def feature_tables(columns: Mapping[MassColumn, str], path: Path) -> tuple[FeaturesTable, ...]:
    """The settings that read MASS's columns of a file, a table for each modality.

    Args:
        columns: MASS's columns, with the heading of each in the file.
        path: of the file.
    """
    modalities = dict.fromkeys(column.modality for column in columns)
    return tuple(
        FeaturesTable(
            path=path,
            modality=modality,
            date="Date",
            stock="Stock",
            columns={
                column.feature: FeatureColumn(column=heading, label=column.label, style=column.style)
                for column, heading in columns.items()
                if column.modality == modality
            },
        )
        for modality in modalities
    )
