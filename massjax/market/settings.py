"""Settings of the market room: where prices, features, texts and membership come from."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from massjax.market.mass_settings import MassSettings as MassSettings
from massjax.settings import ConfigPath, Settings


class PricesTable(Settings):
    """A long table of prices, one row per stock and date; `close` should be adjusted for splits and dividends."""

    path: ConfigPath = Field(
        description="File of prices: parquet, CSV or tab-separated, relative to the config file. One row for each stock and date."
    )
    date: str = Field("date", description="Column of the dates of the prices, each a day in the market's zone.")
    stock: str = Field("stock", description="Column of the stocks' identifiers in the table of prices.")
    close: str = Field("close", description="Column of closing prices, adjusted for splits and dividends, in any currency.")
    tradable: str | None = Field(
        None,
        description="Column that says whether an order in the stock could be filled at that close: true or false, 1 or 0, yes or no. Give "
        "it where suspended days are filled forward or prices have limits; without it every price can be traded at.",
    )
    volume: str | None = Field(
        None,
        description="Column of traded volumes; where one is 0 or empty, no order is filled. With `tradable` too, both must allow it.",
    )


class FeatureColumn(Settings):
    """One numeric column of a features table, and how a prompt speaks of it."""

    column: str = Field(description="Name of the column in the table of features.")
    label: str = Field("", description="What the feature is, in words for the prompt; the feature's own name where it is empty.")
    style: Literal["percent", "ratio", "number"] = Field(
        "number",
        description="How a prompt with `agents.facts: numbers` prints a value: `percent` prints 0.12 as +12.0%, `ratio` two decimals, "
        "`number` four significant digits.",
    )
    words: tuple[str, ...] = Field(
        ("very low", "low", "average", "high", "very high"),
        min_length=2,
        description="Names of the cross-sectional quantiles from the lowest to the highest, for `agents.facts: words`. Their number is "
        "the number of quantiles.",
    )


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


Identifier = Annotated[str, BeforeValidator(_identifier, json_schema_input_type=str | int)]
"""A stock's identifier."""


def _column_alone(value: Any) -> Any:
    """The name of a column stands for a `FeatureColumn` without words of its own."""
    return {"column": value} if isinstance(value, str) else value


class FeaturesTable(Settings):
    """A long table of features of one modality."""

    path: ConfigPath = Field(
        description="File of features: parquet, CSV or tab-separated, relative to the config file. One row for each stock and date."
    )
    modality: str = Field(description="Group of facts to which the features belong; archetypes see a modality whole or not at all.")
    date: str = Field(
        "date",
        description="Column of the day at whose close the features are known: for a balance sheet the day it was published, not the end "
        "of its quarter.",
    )
    stock: str = Field("stock", description="Column of the stocks' identifiers in the table of features.")
    columns: dict[str, Annotated[FeatureColumn, BeforeValidator(_column_alone)]] = Field(
        min_length=1,
        description="Feature names, as prompts and rules use them, each with its column: the column's name alone, or a mapping.",
    )
    carry: int = Field(
        0,
        ge=0,
        description="Calendar days for which a feature's value stands at most, until the next one; 0 = on its own date only. Set it for "
        "features that are weekly, quarterly or published now and then.",
    )


class TextsTable(Settings):
    """A long table of dated texts about stocks.

    A text with a time of day counts as known on a date if it was published by `cutoff` in `timezone`; a later one, or one on
    a day without trading, counts on the next trading day. Times that name no zone are in `timezone`. A text with a date alone, or a
    time of exactly midnight in `timezone` or in the zone it names, counts from the next trading day on.
    """

    path: ConfigPath = Field(
        description="File of texts: parquet, CSV or tab-separated, relative to the config file. One row for each text and stock."
    )
    modality: str = Field(
        "news", description="Group of facts to which the texts belong; give posts, news and filings names of their own to tell them apart."
    )
    timestamp: str = Field("date", description="Column of the time of publication: a date, or a date with a time of day.")
    stock: str = Field("stock", description="Column of the stocks' identifiers in the table of texts.")
    text: str = Field("text", description="Column of the texts themselves.")
    timezone: TimeZone = Field(
        None,
        description="Zone of `cutoff` and of times that name none, such as Asia/Shanghai; null takes `market.timezone`, and "
        "America/New_York where that is not given either.",
    )
    cutoff: time = Field(
        time(16, 0),
        description="Time of day in `timezone` by which a text must be published to count on its own date; set it to the market's close. "
        "Write it in quotes: YAML takes 16:00 for a number.",
    )
    carry: int = Field(
        30,
        ge=0,
        le=3660,
        description="Calendar days that a text waits at most for the next date on which its stock is a member; it waits where the stock "
        "is none (has no price, for one) on the date on which the text becomes known.",
    )
    window: int = Field(
        0,
        ge=0,
        le=3660,
        description="Calendar days after the date on which it becomes known for which a text is still shown; 0 = on that date alone. All "
        "tables of one modality need the same.",
    )

    @field_validator("cutoff")
    @classmethod
    def _local(cls, cutoff: time) -> time:
        if cutoff.tzinfo is not None:
            raise ValueError("the cutoff is a time of day in `timezone`; leave its offset out")
        return cutoff


class MembershipTable(Settings):
    """A long table with one row for each stock and date on which the stock belongs to the universe."""

    path: ConfigPath = Field(
        description="File of memberships: parquet, CSV or tab-separated, relative to the config file. One row for each stock on each date "
        "on which it is a member; repeat lists that are published now and then on every date."
    )
    date: str = Field("date", description="Column of the dates of the membership table.")
    stock: str = Field("stock", description="Column of the stocks' identifiers in the membership table.")


class ReturnsTable(Settings):
    """A long table of ready-made forward returns, simple ones as fractions."""

    path: ConfigPath = Field(
        description="File of ready-made forward returns: parquet, CSV or tab-separated, relative to the config file. Returns are simple "
        "ones, as fractions: 0.01 is one percent."
    )
    date: str = Field("date", description="Column of the date of the decision, from which the forward return begins.")
    stock: str = Field("stock", description="Column of the stocks' identifiers in the table of forward returns.")
    columns: dict[Annotated[int, Field(ge=1)], str] = Field(
        min_length=1,
        description="Horizons in rows (trading days of daily data), each with the column of its returns, as in `{5: return_5d}`.",
    )


class StocksTable(Settings):
    """A table with one row per stock: its name and its sector or industry."""

    path: ConfigPath = Field(
        description="File of stocks: parquet, CSV or tab-separated, relative to the config file. One row for each stock."
    )
    stock: str = Field("stock", description="Column of the stocks' identifiers in the table of stocks.")
    name: str | None = Field(None, description="Column of company names, which `agents.mask` hides in texts and messages show.")
    sector: str | None = Field(
        None, description="Column of sectors or industries; the features that compare a stock with its sector need it."
    )
    aliases: str | None = Field(
        None, description="Column of further names of the company, separated by `;` (`Google; GOOG`), which `agents.mask` hides in texts."
    )
    people: str | None = Field(
        None,
        description="Column of persons who stand for the company, separated by `;` (`Tim Cook; Luca Maestri`), whom `agents.mask` hides "
        "in texts.",
    )


class MarketSettings(Settings):
    """Which market data to load, and which forward returns to compute from it."""

    source: Literal["sp500", "tables", "mass"] = Field(
        "sp500",
        description="Where market data comes from: `sp500` is 20 US stocks, 1990-2022, carried by the skfolio package; `tables` reads "
        "your own files; `mass` reads the layout in which MASS published its data.",
    )
    start: date | None = Field(
        None,
        description="First date of the panel, such as 2021-10-18; earlier data serves as history for features only. Null begins with the "
        "data.",
    )
    end: date | None = Field(None, description="Last date of the panel, such as 2022-12-28; null ends with the data.")
    horizons: tuple[int, ...] = Field(
        (1, 5, 10),
        min_length=1,
        description="Horizons of the forward returns to compute or read, in rows (trading days of daily data). `evaluate.horizon` must be "
        "one of them.",
    )
    execution_lag: int = Field(
        1,
        ge=0,
        le=20,
        description="Rows from a decision to its fill: 1 = at the close after that of the decision, 0 = at that same close. Ready-made "
        "forward returns are taken as they are, so set it to what they contain (0 for `mass`).",
    )
    price_features: bool = Field(
        True,
        description="Compute the standard price features (momentum, volatility, beta and others) where there are prices. Those of `mass` "
        "are left alone unless `market.prices` names them. Switch it off to show archetypes the features of your own tables alone.",
    )
    periods_per_year: float | None = Field(
        None,
        gt=0,
        le=366,
        description="Rows that make a year: 252 or 365 for daily data, 52 for weekly, 12 for monthly; null works it out from the dates. "
        "It sets how many rows the windows of price features have, and what is annualised.",
    )
    folder: ConfigPath | None = Field(
        None, description="Folder of MASS's published files, the one that holds ih_label.parq; for `market.source: mass` only."
    )
    prices: PricesTable | None = Field(
        None,
        description="Table of prices, from which forward returns and price features are computed. Its dates and stocks are those of the "
        "panel; without it they are those of `forward_returns`.",
    )
    features: tuple[FeaturesTable, ...] = Field(
        (), description="Tables of further features, each of one modality; they add to the price features, and to those of `mass`."
    )
    texts: tuple[TextsTable, ...] = Field((), description="Tables of dated texts about stocks, such as news or posts.")
    membership: MembershipTable | None = Field(
        None,
        description="Table of which stocks belong to the universe on which dates. Without it, a stock is a member on every date on which "
        "it has a price (or a ready-made return).",
    )
    forward_returns: ReturnsTable | None = Field(
        None,
        description="Table of ready-made forward returns, which take precedence over computed ones. Give it where returns come from "
        "elsewhere, or where there are no prices.",
    )
    stocks: StocksTable | None = Field(
        None, description="Table of names, sectors, aliases and people of the stocks; masking and sector features need it."
    )
    mass: MassSettings | None = Field(
        None,
        description="Tables beside MASS's published files, and when its macro series are known; for `market.source: mass` only. Null reads "
        "the published files alone.",
    )
    timezone: TimeZone = Field(
        None,
        description="IANA name of the market's zone, such as Asia/Shanghai. Dates of tables that name a zone or an offset are converted "
        "to it and must be midnight there; needed for those, and the default zone of texts.",
    )
    fold_case: bool = Field(
        False,
        description="Take identifiers in capitals in every table, so that aapl and AAPL are one stock; for files that disagree in case.",
    )
    ticker_map: dict[Identifier, Identifier] = Field(
        default_factory=dict,
        description="A file's spelling of a stock and the panel's, as in `{BRK-B: BRK.B}`; it applies to every table, prices included, "
        "after blanks at the ends are taken off. Two spellings of one stock may not have rows on the same date.",
    )
    only: tuple[Identifier, ...] | None = Field(
        None,
        description="Two or more stocks to restrict the panel to, in its spelling, for a quick try; null takes all. Features that compare "
        "stocks still see all of them.",
    )

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
        if self.source != "mass" and self.mass is not None:
            raise ValueError(f"market.mass is read by source 'mass' only, not by {self.source!r}")
        tables = (self.prices, self.membership, self.forward_returns, self.stocks, *self.features, *self.texts)
        if self.source == "sp500" and any(table is not None for table in tables):
            raise ValueError("market.source 'sp500' reads no tables; set market.source to 'tables' to load your own")
        if self.source == "tables" and self.prices is None and self.forward_returns is None:
            raise ValueError("market.source 'tables' needs market.prices or market.forward_returns")
        return self
