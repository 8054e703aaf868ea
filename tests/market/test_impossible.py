"""Ready-made returns that cannot be: below -1 refused, in percent told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.errors import DataError
from massjax.market import load_panel
from massjax.market.impossible import percent_sized
from massjax.market.settings import MarketSettings, ReturnsTable


def ready(path: Path, values: list[float | None], **options: object) -> MarketSettings:
    days = [date(2022, 1, 3), date(2022, 1, 4)]
    table = pl.DataFrame({"date": [days[i // 2] for i in range(4)], "stock": ["A", "B"] * 2, "r": values})
    (table.write_csv if path.suffix == ".csv" else table.write_parquet)(path)
    return MarketSettings(source="tables", forward_returns=ReturnsTable(path=path, columns={1: "r"}), horizons=(1,), **options)


@pytest.mark.parametrize("file", ["r.csv", "r.parquet"])
def test_a_loss_of_more_than_everything_is_refused(tmp_path: Path, file: str) -> None:
    expected = r"r\.(csv|parquet): column 'r', row 3 \(date 2022-01-04, stock A\) \(2 rows.*: a return of -1\.99 loses more than .*percent"
    with pytest.raises(DataError, match=expected):
        load_panel(ready(tmp_path / file, [0.1, None, -1.99, -3.0]))


@pytest.mark.parametrize("lowest", [-1.0, float(np.float32(-1.0000001))])
def test_a_loss_of_everything_is_possible(tmp_path: Path, lowest: float) -> None:
    panel = load_panel(ready(tmp_path / "r.parquet", [0.1, lowest, 0.3, 0.2]))
    assert panel.forward_returns[1].min() == lowest


@pytest.mark.parametrize(
    ("typical", "periods", "horizon", "told"),
    [
        (1.2, 252, 1, True),  # a calm daily market in percent
        (2.5, 252, 5, True),
        (4.0, 12, 1, True),  # monthly, in percent
        (0.012, 252, 1, False),
        (0.08, 365, 1, False),  # small coins
        (0.3, 12, 1, False),
        (0.4, 1, 1, False),
    ],
)
def test_returns_of_the_size_of_percents_are_told(typical: float, periods: float, horizon: int, told: bool) -> None:
    values = np.random.default_rng(0).uniform(0.0, 2.0 * typical, (3, 500))
    assert bool(percent_sized({horizon: values}, periods, Path("r.csv"))) is told
    assert percent_sized({horizon: np.full((2, 2), np.nan)}, periods, Path("r.csv")) == ()
