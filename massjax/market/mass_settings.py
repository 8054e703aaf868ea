"""Settings of the layout in which MASS published its data, and of what its users add to it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from massjax.errors import did_you_mean
from massjax.market.mass_columns import BASE_DATA, FUNDAMENTALS
from massjax.settings import ConfigPath, Settings

LAGS = {"loan_prime_rate": 0, "cpi": 17, "yield_10y": 1, "csi300_pe": 1, "sentiment_return": 0}
"""Calendar days from the date of a macro value until it is public. Consumer prices are dated at the end of their month and published by the
middle of the next one; bond yields and index valuations after the close of their date."""


class MassSettings(Settings):
    """What is read beside the files that MASS published, and when its macro series are known."""

    tables: tuple[ConfigPath, ...] = Field(
        (),
        description="Tables with columns by the names that MASS gives them (docs/mass.md lists them), one row a Stock and Date: valuation, "
        "dividend, growth, quality, risk factors. The values of a row are known at the close of its date.",
    )
    news: ConfigPath | None = Field(
        None,
        description="Table of news titles with the columns Stock, Date and NewsTitle; a date without a time of day counts from the next "
        "trading day on. For news with a time of publication use `market.texts`.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="MASS's name of a column and that of your tables, as in `{E/P: ep_ttm}`, where they are spelled otherwise.",
    )
    macro_lags: dict[str, Annotated[int, Field(ge=0, le=3660)]] = Field(
        default_factory=dict,
        description="Calendar days from the date of a macro value until it is public, by series. Series that are not named have "
        "loan_prime_rate 0, cpi 17, yield_10y 1, csi300_pe 1, sentiment_return 0. No value is known earlier; MASS's code takes consumer "
        "prices at the end of their month, `{cpi: 0}`, before they are published.",
    )
    yield_changes: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 30, 180), description="Observations back to which the change of the ten-year yield is reckoned, in basis points."
    )
    pe_years: float = Field(
        5.0, gt=0, le=100, description="Years of the window in which the percentile of the CSI 300's price-earnings ratio is taken."
    )

    @field_validator("columns")
    @classmethod
    def _columns_of_mass(cls, columns: dict[str, str]) -> dict[str, str]:
        known = [column.column for column in (*FUNDAMENTALS, *BASE_DATA)]
        for name in columns:
            if name not in known:
                raise ValueError(f"MASS has no column {name!r}{did_you_mean(name, known)}; it has: {', '.join(known)}")
        if len(set(columns.values())) != len(columns):
            raise ValueError("two columns of MASS cannot have one name")
        return columns

    @field_validator("macro_lags")
    @classmethod
    def _series_of_mass(cls, lags: dict[str, int]) -> dict[str, int]:
        for name in lags:
            if name not in LAGS:
                raise ValueError(f"there is no macro series {name!r}{did_you_mean(name, LAGS)}; there are: {', '.join(LAGS)}")
        return lags

    @field_validator("yield_changes")
    @classmethod
    def _different(cls, changes: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(changes)) != len(changes):
            raise ValueError(f"yield_changes: {list(changes)} names a number twice")
        return changes

    def lag(self, series: str) -> int:
        """Calendar days from the date of a macro value until it is public."""
        return self.macro_lags.get(series, LAGS[series])
