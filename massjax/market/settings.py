"""Settings of the market room: where prices, features, texts and membership come from."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from massjax.settings import ConfigPath, Settings


class PricesTable(Settings):
    """A long table of prices, one row per stock and date; `close` should be adjusted for splits and dividends.

    Attributes:
        path: a parquet, CSV or tab-separated file, relative to the config file, as of every table.
        date, stock, close: names of the columns.
        tradable: column that says whether an order in the stock could be filled at that close: true or false, 1 or 0, yes or no.
            False where trading was suspended and the last close filled forward, or where the price was at its limit.
        volume: column of volumes; where one is 0 or empty, no order is filled. With both columns, both must allow it.
    """

    path: ConfigPath
    date: str = "date"
    stock: str = "stock"
    close: str = "close"
    tradable: str | None = None
    volume: str | None = None


class FeatureColumn(Settings):
    """One numeric column of a features table, and how a prompt speaks of it.

    Attributes:
        column: its name in the table.
        label: what it is, in words; the feature's name by default.
        style: how a value is printed; `percent` takes 0.12 for 12 %.
        words: names of the cross-sectional quantiles from the lowest to the highest.
    """

    column: str
    label: str = ""
    style: Literal["percent", "ratio", "number"] = "number"
    words: tuple[str, ...] = Field(("very low", "low", "average", "high", "very high"), min_length=2)


def _zone(timezone: str | None) -> str | None:
    """A time zone's name, refused if there is no such zone."""
    try:
        if timezone is not None and not (timezone and ZoneInfo(timezone) and timezone != "localtime"):
            raise ValueError
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{timezone!r} is no time zone; expected a name such as America/New_York or UTC") from None
    return timezone


TimeZone = Annotated[str | None, AfterValidator(_zone)]
"""The IANA name of a time zone."""


def _identifier(value: Any) -> Any:
    """A stock's identifier as it was written; YAML takes 600000 for a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"expected a stock, found {'nothing' if value is None else repr(value)}; put it in quotes")
    return value.strip()


Identifier = Annotated[str, BeforeValidator(_identifier)]
"""A stock's identifier."""


def _column_alone(value: Any) -> Any:
    """The name of a column stands for a `FeatureColumn` without words of its own."""
    return {"column": value} if isinstance(value, str) else value


class FeaturesTable(Settings):
    """A long table of features of one modality.

    Attributes:
        path: a parquet, CSV or tab-separated file.
        modality: the group of facts that archetypes see or not.
        date: column of the day at whose close the values are known: for a balance sheet the day it was published, not the end of its
            quarter.
        stock: column of identifiers.
        columns: feature names to columns.
        carry: calendar days for which a value stands at most, until the next one; 0 = on its date only.
    """

    path: ConfigPath
    modality: str
    date: str = "date"
    stock: str = "stock"
    columns: dict[str, Annotated[FeatureColumn, BeforeValidator(_column_alone)]] = Field(min_length=1)
    carry: int = Field(0, ge=0)


class TextsTable(Settings):
    """A long table of dated texts about stocks.

    A text with a time of day counts as known on a date if it was published by `cutoff` in `timezone`; a later one, or one on
    a day without trading, counts on the next trading day. Times that name no zone are in `timezone`, which is `market.timezone`
    unless it is given, and America/New_York where neither is. The cut-off is 16:00 by default, when New York closes: set it to
    the market's own close. A text with a date alone, or a time of exactly midnight in `timezone` or in the zone it names, counts
    from the next trading day on.

    Attributes:
        path: a parquet, CSV or tab-separated file.
        modality: the group of facts that archetypes see or not.
        timestamp, stock, text: names of the columns.
        timezone, cutoff: when a text counts as known, as above.
        carry: a text that becomes known on a date on which its stock is no member (it has no price, for one) waits for the stock's
            next date, at most so many calendar days.
        window: for how many calendar days after the date on which it becomes known a text is shown; 0 = on that date alone. Tables of
            one modality have the same.
    """

    path: ConfigPath
    modality: str = "news"
    timestamp: str = "date"
    stock: str = "stock"
    text: str = "text"
    timezone: TimeZone = None
    cutoff: time = time(16, 0)
    carry: int = Field(30, ge=0, le=3660)
    window: int = Field(0, ge=0, le=3660)

    @field_validator("cutoff")
    @classmethod
    def _local(cls, cutoff: time) -> time:
        if cutoff.tzinfo is not None:
            raise ValueError("the cutoff is a time of day in `timezone`; leave its offset out")
        return cutoff


class MembershipTable(Settings):
    """A long table with one row for each stock and date on which the stock belongs to the universe.

    Attributes:
        path: a parquet, CSV or tab-separated file.
        date, stock: names of the columns.
    """

    path: ConfigPath
    date: str = "date"
    stock: str = "stock"


class ReturnsTable(Settings):
    """A long table of ready-made forward returns, simple ones as fractions.

    Attributes:
        path: a parquet, CSV or tab-separated file.
        date, stock: names of the columns; the date is that of the decision.
        columns: horizons in rows (`market.horizons`) to columns.
    """

    path: ConfigPath
    date: str = "date"
    stock: str = "stock"
    columns: dict[Annotated[int, Field(ge=1)], str] = Field(min_length=1)


class StocksTable(Settings):
    """A table with one row per stock: its name and its sector or industry.

    Attributes:
        path: a parquet, CSV or tab-separated file.
        stock, name, sector: names of the columns.
        aliases, people: columns with further names of the company (`Google; GOOG`), and with persons who stand for it (`Tim Cook; Luca
            Maestri`), several separated by `;`; `agents.mask` hides them in texts.
    """

    path: ConfigPath
    stock: str = "stock"
    name: str | None = None
    sector: str | None = None
    aliases: str | None = None
    people: str | None = None


class MarketSettings(Settings):
    """Which market data to load, and which forward returns to compute from it.

    Attributes:
        source: `sp500` (20 stocks, 1990–2022, carried by the skfolio package), `tables` (your own), `mass` (MASS's published layout).
        start, end: first and last date of the panel; earlier data is used only as history for features.
        horizons: forward-return horizons, in rows of the data: trading days, where these are daily.
        execution_lag: rows from a decision to its fill: 1 = at the close after that of the decision; 0 = at that same close. Ready-made
            forward returns are taken as they are: set it to what they contain (0 for `mass`).
        price_features: compute the standard price features when prices are present.
        periods_per_year: rows that make a year: 252 or 365 for daily data, 52 for weekly, 12 for monthly. Worked out from the dates by
            default. It sets how many rows the windows of price features have, and what is annualised.
        folder: where MASS's files are (`mass` only).
        prices: dates and stocks of the panel are those of this table, else those of `forward_returns`.
        membership: without it, a stock is a member on every date on which it has a price (or a ready-made return).
        forward_returns: ready-made ones take precedence over computed ones.
        features, texts, stocks: what else is known; `mass` takes them too, in addition to its own.
        timezone: the market's zone, such as Asia/Shanghai. Dates of tables that name a zone or an offset are converted to it and
            must be midnight there; it is needed for those only. Zone of the texts' times and cut-off too, where they have no own.
        fold_case: take identifiers in capitals in every table, so that aapl and AAPL are one stock.
        ticker_map: a file's spelling of a stock to the panel's, as in {BRK-B: BRK.B, "1": "000001"}; it applies to every table,
            prices included, after blanks at the ends are taken off. Two spellings of one stock may not have rows on the same date.
        only: a few stocks to try, in the panel's spelling; features that compare stocks still see all of them.
    """

    source: Literal["sp500", "tables", "mass"] = "sp500"
    start: date | None = None
    end: date | None = None
    horizons: tuple[int, ...] = Field((1, 5, 10), min_length=1)
    execution_lag: int = Field(1, ge=0, le=20)
    price_features: bool = True
    periods_per_year: float | None = Field(None, gt=0, le=366)
    folder: ConfigPath | None = None
    prices: PricesTable | None = None
    features: tuple[FeaturesTable, ...] = ()
    texts: tuple[TextsTable, ...] = ()
    membership: MembershipTable | None = None
    forward_returns: ReturnsTable | None = None
    stocks: StocksTable | None = None
    timezone: TimeZone = None
    fold_case: bool = False
    ticker_map: dict[Identifier, Identifier] = Field(default_factory=dict)
    only: tuple[Identifier, ...] | None = None

    @field_validator("only")
    @classmethod
    def _a_few(cls, only: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if only is not None and (len(only) < 2 or len(set(only)) != len(only)):
            found = ", ".join(only) or "none"
            raise ValueError(f"expected two or more different stocks, which are then ranked, not {found}")
        return only

    @model_validator(mode="after")
    def _one_spelling(self) -> MarketSettings:
        keys = [key.upper() if self.fold_case else key for key in self.ticker_map]
        twice = next((key for key in keys if keys.count(key) > 1), None) if self.fold_case else None
        if twice is not None:
            raise ValueError(
                f"market.ticker_map: {twice!r} is there twice, because market.fold_case takes capitals and small letters alike"
            )
        if self.ticker_map and self.source == "sp500":
            raise ValueError("market.ticker_map is for the identifiers of tables, and market.source 'sp500' reads none")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> MarketSettings:
        if any(h < 1 for h in self.horizons) or len(set(self.horizons)) != len(self.horizons):
            raise ValueError(f"market.horizons must be distinct positive numbers of rows, not {list(self.horizons)}")
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"market.start {self.start} is after market.end {self.end}")
        windows: dict[str, int] = {}
        for texts in self.texts:
            if windows.setdefault(texts.modality, texts.window) != texts.window:
                raise ValueError(
                    f"market.texts: two tables of the modality {texts.modality!r} have windows of different length; give both one"
                )
        if self.source == "mass" and self.folder is None:
            raise ValueError("market.source 'mass' needs market.folder, the folder that holds ih_label.parq")
        if self.source != "mass" and self.folder is not None:
            raise ValueError(f"market.folder is read by source 'mass' only, not by {self.source!r}; tables have a path each")
        tables = (self.prices, self.membership, self.forward_returns, self.stocks, *self.features, *self.texts)
        if self.source == "sp500" and any(table is not None for table in tables):
            raise ValueError("market.source 'sp500' reads no tables; set market.source to 'tables' to load your own")
        if self.source == "tables" and self.prices is None and self.forward_returns is None:
            raise ValueError("market.source 'tables' needs market.prices or market.forward_returns")
        return self
