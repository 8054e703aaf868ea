"""A small market on disk, in long tables, that tests load and spoil."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.market.settings import FeaturesTable, MarketSettings, MembershipTable, PricesTable, TextsTable

STOCKS = ("AAA", "BBB", "CCC", "DDD")


def weekdays(count: int, start: date = date(2020, 1, 1)) -> list[date]:
    days = (start + timedelta(days=i) for i in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


@dataclass(frozen=True)
class Tables:
    """Tables, and where to write them; `settings` writes them and says how to load them."""

    folder: Path
    prices: pl.DataFrame
    features: pl.DataFrame | None = None
    membership: pl.DataFrame | None = None
    texts: pl.DataFrame | None = None
    options: dict[str, object] = field(default_factory=dict)

    def settings(self) -> MarketSettings:
        self.folder.mkdir(parents=True, exist_ok=True)
        given: dict[str, object] = {"prices": PricesTable(path=self._write("prices", self.prices))}
        if self.features is not None:
            names = [name for name in self.features.columns if name not in ("date", "stock")]
            path = self._write("features", self.features)
            given["features"] = (FeaturesTable(path=path, modality="valuation", columns={name: name for name in names}, carry=30),)
        if self.membership is not None:
            given["membership"] = MembershipTable(path=self._write("membership", self.membership))
        if self.texts is not None:
            given["texts"] = (TextsTable(path=self._write("texts", self.texts), timestamp="time"),)
        return MarketSettings(**({"source": "tables", "horizons": (1, 5)} | given | self.options))

    def but(self, **changes: object) -> Tables:
        return replace(self, **changes)

    def _write(self, name: str, table: pl.DataFrame) -> Path:
        path = self.folder / f"{name}.parquet"
        table.write_parquet(path)
        return path


def random_prices(days: int, seed: int = 0) -> pl.DataFrame:
    """Random walks of four stocks: AAA and CCC trade every day, BBB and DDD on most, and BBB begins late."""
    rng = np.random.default_rng(seed)
    walks = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (days, len(STOCKS))), axis=0))
    table = pl.DataFrame(walks, schema=list(STOCKS)).with_columns(date=pl.Series(weekdays(days)))
    long = table.unpivot(index="date", variable_name="stock", value_name="close")
    late = (pl.col("stock") == "BBB") & (pl.col("date") < weekdays(days)[days // 3])
    return long.filter((pl.Series(rng.random(len(long)) < 0.95) | pl.col("stock").is_in(["AAA", "CCC"])) & ~late)


@pytest.fixture(scope="session")
def full_tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """160 days of four stocks: prices with holes, sparse features, a changing universe, and texts at all hours."""
    days, rng = 160, np.random.default_rng(3)
    keys = pl.DataFrame([(day, stock) for day in weekdays(days) for stock in STOCKS], schema=["date", "stock"], orient="row")
    noise = pl.Series(rng.normal(size=len(keys)))
    hours = pl.Series([time(int(hour)) for hour in rng.integers(0, 24, len(keys))])
    return Tables(
        tmp_path_factory.mktemp("full"),
        random_prices(days, seed=3),
        features=keys.with_columns(pe=noise).filter(pl.Series(rng.random(len(keys)) < 0.1)),
        membership=keys.filter((pl.col("stock") != "DDD") | pl.Series(rng.random(len(keys)) < 0.5)),
        texts=keys.select(time=pl.col("date").dt.combine(pl.lit(hours)), stock="stock", text=noise.cast(pl.String)),
        options={"horizons": (1, 3)},
    )


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """Sixty days of prices of four stocks, and nothing else."""
    return Tables(tmp_path / "market", random_prices(60), options={"price_features": False})
