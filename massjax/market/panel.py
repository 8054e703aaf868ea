"""The market panel: what is known of each stock on each date, and what it returned afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int, Shaped

from massjax.errors import DataError, did_you_mean
from massjax.market.calendar import periods_per_year

Style = Literal["percent", "ratio", "number"]
"""How a value is printed: 0.123 as `12.3 %`, as `0.12` or with the digits it needs."""

LEVELS = ("very low", "low", "average", "high", "very high")
"""Quantile words for a quantity of which nothing else is known."""

TEXT_SCHEMA = pl.Schema({"date": pl.Date(), "stock": pl.String(), "modality": pl.String(), "text": pl.String()})


@dataclass(frozen=True, eq=False)
class Feature:
    """One number per stock and date, known at the close of that date.

    Everything that rules and prompts say about a stock in numbers is a feature: a price feature that massjax computes (`momentum_6m`), or a
    column of a table of the user's. What is dated t must have been known at the close of t: a balance sheet belongs to the day on which
    it was published.

    Attributes:
        name: how rules, configs and reports refer to it.
        modality: the group of facts it belongs to; an archetype sees the modalities it names.
        values: float64, NaN where unknown.
        label: what it is, in words for a prompt ("return over the last month").
        style: how a value is printed.
        words: names of its cross-sectional quantiles from the lowest to the highest.

    Example:
        Book-to-price ratios of two stocks on three dates, one of them not known:

        >>> import numpy as np, massjax as mj
        >>> values = np.array([[0.5, 0.6, 0.6], [1.2, np.nan, 1.1]])
        >>> mj.Feature("book_to_price", "valuation", values, label="book value over price", style="ratio")
        Feature('book_to_price', 'valuation', 2 stocks × 3 dates, 83% known)
    """

    name: str
    modality: str
    values: Float[np.ndarray, "N T"]
    label: str
    style: Style = "number"
    words: tuple[str, ...] = LEVELS

    def __repr__(self) -> str:
        stocks, dates = self.values.shape
        return f"Feature({self.name!r}, {self.modality!r}, {stocks} stocks × {dates} dates, {np.isfinite(self.values).mean():.0%} known)"


@dataclass(frozen=True, eq=False)
class MarketFact:
    """One number per date that concerns all stocks alike, such as an interest rate, known at the close of that date.

    Attributes:
        name: how configs and reports refer to it.
        modality: the group of facts it belongs to; an archetype sees the modalities it names.
        values: float64, NaN where unknown.
        label: what it is, in words for a prompt.
        style: how a value is printed.
        words: names of its quantiles over time from the lowest to the highest.
        standing: share of the past year's values that lie below each value, in [0, 1]; also from before the panel begins.
    """

    name: str
    modality: str
    values: Float[np.ndarray, " T"]
    label: str
    style: Style = "number"
    words: tuple[str, ...] = LEVELS
    standing: Float[np.ndarray, " T"] | None = None

    def __repr__(self) -> str:
        return f"MarketFact({self.name!r}, {self.modality!r}, {len(self.values)} dates, {np.isfinite(self.values).mean():.0%} known)"


@dataclass(frozen=True, eq=False)
class Panel:
    """N stocks, T dates, universe membership, features, texts and forward returns, aligned on [stock, date].

    Everything dated t, except `forward_returns`, was known at the close of t. Missing numbers are NaN. Returns are simple returns, 0.01
    is 1 %. `massjax.load_panel` makes a panel from files; one can be made of arrays too. A panel is not changed: `between` and `only` give
    parts of it.

    Attributes:
        dates: datetime64[D], ascending: days on which the market is open, or weeks, months.
        stocks: identifiers, unique.
        member: True where the stock is in the universe at the close of the date.
        features: by feature name.
        forward_returns: by horizon h in rows: simple return from the first close one can trade at after the decision
            at the close of t (t + execution lag) to the close h rows later.
        prices: adjusted closes; None where only ready-made forward returns exist.
        texts: columns date (the first date at whose close the text is known and its stock a member), stock, modality, text; sorted
            by date and stock, and within those by the time of publication.
        names, sectors: by stock; stocks of which they are unknown are absent.
        market_facts: by name, values per date.
        tradable: True where an order in the stock can be filled at the close of the date; None where every price can be traded at.
        text_windows: by modality, for how many calendar days after its date a text is shown; 0 = on its date alone.
        periods_per_year: rows of the panel that make a year; worked out from `dates` where it is not given.
        last_priced: datetime64[D] of each stock's last price in the source, also from after the last of `dates`, NaT for none; None =
            no price is known after the last of `dates`.
        aliases, people: by stock; further names of it, and persons who stand for it, which `agents.mask` hides in texts.
        warnings: sentences about the data that its user should read.

    Raises:
        DataError: an array has not the shape (stocks, dates), dates do not ascend, or stocks are there twice.

    Example:
        Two stocks on three dates, the second of which joins the universe on the second date:

        >>> import numpy as np, massjax as mj
        >>> dates = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="datetime64[D]")
        >>> prices = np.array([[100.0, 101.0, 99.0], [50.0, 50.0, 51.0]])
        >>> size = mj.Feature("size", "valuation", np.log(prices), label="logarithm of the price")
        >>> panel = mj.Panel(
        ...     dates, ("AAA", "BBB"), np.array([[True, True, True], [False, True, True]]), {"size": size}, prices=prices,
        ...     forward_returns={1: np.array([[0.01, -0.02, np.nan], [0.0, 0.02, np.nan]])},
        ... )
        >>> panel
        Panel(2 stocks × 3 dates, prices, 1 modality)
        >>> panel.between("2024-01-03").only(["BBB"]).forward_returns[1].tolist()
        [[0.02, nan]]
    """

    dates: Shaped[np.ndarray, " T"]
    stocks: tuple[str, ...]
    member: Bool[np.ndarray, "N T"]
    features: Mapping[str, Feature] = field(default_factory=dict)
    forward_returns: Mapping[int, Float[np.ndarray, "N T"]] = field(default_factory=dict)
    prices: Float[np.ndarray, "N T"] | None = None
    texts: pl.DataFrame | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    sectors: Mapping[str, str] = field(default_factory=dict)
    market_facts: Mapping[str, MarketFact] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    tradable: Bool[np.ndarray, "N T"] | None = None
    periods_per_year: float = math.nan
    text_windows: Mapping[str, int] = field(default_factory=dict)
    last_priced: Shaped[np.ndarray, " N"] | None = None
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dates.dtype != np.dtype("datetime64[D]") or self.dates.ndim != 1:
            raise DataError(f"panel: dates must be a vector of datetime64[D], not {self.dates.dtype} with {self.dates.ndim} axes")
        if (np.diff(self.dates) <= np.timedelta64(0, "D")).any():
            raise DataError("panel: dates must be strictly ascending")
        if len(set(self.stocks)) != len(self.stocks):
            raise DataError("panel: stocks must be distinct")
        shape = (len(self.stocks), len(self.dates))
        by_name = {"member": self.member, "prices": self.prices, "tradable": self.tradable}
        by_name |= {f"feature {name!r}": feature.values for name, feature in self.features.items()}
        by_name |= {f"forward return over {h} days": values for h, values in self.forward_returns.items()}
        for what, array in by_name.items():
            if array is not None and array.shape != shape:
                raise DataError(f"panel: {what} has the shape {array.shape}, expected (stocks, dates) = {shape}")
        for name, fact in self.market_facts.items():
            if fact.values.shape != shape[1:]:
                raise DataError(f"panel: market fact {name!r} has the shape {fact.values.shape}, expected (dates,) = {shape[1:]}")
        for what, flags in (("member", self.member), ("tradable", self.tradable)):
            if flags is not None and flags.dtype != bool:
                raise DataError(f"panel: {what} must be boolean, not {flags.dtype}")
        if self.last_priced is not None and self.last_priced.shape != shape[:1]:
            raise DataError(f"panel: last_priced has the shape {self.last_priced.shape}, expected (stocks,) = {shape[:1]}")
        if math.isnan(self.periods_per_year):
            object.__setattr__(self, "periods_per_year", periods_per_year(self.dates))
        if self.texts is not None and self.texts.schema != TEXT_SCHEMA:
            raise DataError(f"panel: texts must have the columns {dict(TEXT_SCHEMA)}, not {dict(self.texts.schema)}")

    @property
    def day_numbers(self) -> Int[np.ndarray, " T"]:
        """The days of each date since the first of January of the year 1, the same for a date in every panel."""
        return (self.dates - np.datetime64("0001-01-01", "D")).astype(np.int64)

    def __repr__(self) -> str:
        prices, count = "prices" if self.prices is not None else "no prices", len(self.modalities())
        modalities = "1 modality" if count == 1 else f"{count} modalities"
        return f"Panel({len(self.stocks)} stocks × {len(self.dates)} dates, {prices}, {modalities})"

    def between(self, start: date | np.datetime64 | str | None = None, end: date | np.datetime64 | str | None = None) -> Panel:
        """The panel from `start` to `end`, both included; None leaves that side as it is.

        Args:
            start: a date, or a string such as `2022-01-03`; it need not be a trading day.
            end: a date or such a string; also no trading day need lie there.

        Raises:
            DataError: no date of the panel lies between them, or one of them is no whole date.
        """
        first = 0 if start is None else int(np.searchsorted(self.dates, _day("start", start), side="left"))
        last = len(self.dates) if end is None else int(np.searchsorted(self.dates, _day("end", end), side="right"))
        if first >= last:
            covered = f"{self.dates[0]} to {self.dates[-1]}" if len(self.dates) else "no date"
            asked = " ".join(f"{word} {day}" for word, day in (("from", start), ("until", end)) if day is not None)
            raise DataError(f"panel: no date {asked}; the data covers {covered}")
        kept = slice(first, last)
        dates = self.dates[kept]
        texts = self.texts
        if texts is not None:
            window = pl.col("modality").replace_strict(self.text_windows, default=0, return_dtype=pl.Int64) * pl.duration(days=1)
            texts = texts.filter((pl.col("date") + window >= dates[0].item()) & (pl.col("date") <= dates[-1].item()))
        return replace(
            self,
            dates=dates,
            member=self.member[:, kept],
            features={name: replace(f, values=f.values[:, kept]) for name, f in self.features.items()},
            forward_returns={h: values[:, kept] for h, values in self.forward_returns.items()},
            prices=None if self.prices is None else self.prices[:, kept],
            tradable=None if self.tradable is None else self.tradable[:, kept],
            texts=texts,
            market_facts={
                name: replace(f, values=f.values[kept], standing=None if f.standing is None else f.standing[kept])
                for name, f in self.market_facts.items()
            },
        )

    def only(self, stocks: Sequence[str]) -> Panel:
        """The panel of some of its stocks, in the order given.

        Raises:
            DataError: a stock is not in the panel.
        """
        position = {stock: row for row, stock in enumerate(self.stocks)}
        for stock in stocks:
            if stock not in position:
                raise DataError(f"panel: no stock {stock!r}{did_you_mean(stock, self.stocks)}")
        rows = [position[stock] for stock in stocks]
        return replace(
            self,
            stocks=tuple(stocks),
            member=self.member[rows],
            features={name: replace(f, values=f.values[rows]) for name, f in self.features.items()},
            forward_returns={h: values[rows] for h, values in self.forward_returns.items()},
            prices=None if self.prices is None else self.prices[rows],
            tradable=None if self.tradable is None else self.tradable[rows],
            last_priced=None if self.last_priced is None else self.last_priced[rows],
            texts=None if self.texts is None else self.texts.filter(pl.col("stock").is_in(list(stocks))),
            names={stock: self.names[stock] for stock in stocks if stock in self.names},
            sectors={stock: self.sectors[stock] for stock in stocks if stock in self.sectors},
            aliases={stock: self.aliases[stock] for stock in stocks if stock in self.aliases},
            people={stock: self.people[stock] for stock in stocks if stock in self.people},
        )

    def modalities(self) -> tuple[str, ...]:
        """The modalities on which this panel has features or texts, in the order in which they first appear."""
        found = [feature.modality for feature in self.features.values()]
        if self.texts is not None:
            found += sorted(self.texts["modality"].unique())
        return tuple(dict.fromkeys(found))


def _day(what: str, given: date | np.datetime64 | str) -> np.datetime64:
    """A date in full; a year or a month alone would be taken for its first day, and a number for days since 1970."""
    if isinstance(given, date):
        return np.datetime64(f"{given:%Y-%m-%d}", "D")
    with suppress(ValueError, TypeError):
        day = np.datetime64(given) if isinstance(given, str) else given
        if isinstance(day, np.datetime64) and np.datetime_data(day.dtype)[0] not in ("Y", "M", "W", "generic") and not np.isnat(day):
            return day.astype("datetime64[D]")
    raise DataError(f"panel: {what} must be a date such as 2022-01-03, not {given!r}")
