from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.errors import DataError
from massjax.market import Panel, load_panel
from massjax.market.settings import MarketSettings, TextsTable


@pytest.fixture(scope="module")
def folder(shared_dir: Path) -> Path:
    return shared_dir / "data" / "mass_sse50"


@pytest.fixture(scope="module")
def panel(folder: Path) -> Panel:
    return load_panel(MarketSettings(source="mass", folder=folder, execution_lag=0))


def test_universe_is_who_has_a_label(panel: Panel) -> None:
    assert (len(panel.stocks), len(panel.dates)) == (100, 1_457)
    assert (str(panel.dates[0]), str(panel.dates[-1])) == ("2018-01-02", "2023-12-29")
    assert panel.member.sum() == 72_638
    assert set(panel.member.sum(axis=0)) == {48, 49, 50}
    assert len(panel.between("2023-01-01", "2023-12-31").dates) == 242


def test_labels_are_the_forward_returns(panel: Panel, folder: Path) -> None:
    column_of = {int(str(day).replace("-", "")): t for t, day in enumerate(panel.dates)}
    for row in pl.read_parquet(folder / "ih_label.parq").sample(200, seed=0).iter_rows(named=True):
        n, t = panel.stocks.index(row["Stock"]), column_of[row["Date"]]
        for horizon in (1, 5, 10):
            assert panel.forward_returns[horizon][n, t] == row[f"{horizon}_15_labelB"]
    assert panel.prices is None


def test_features_names_and_industries(panel: Panel) -> None:
    assert panel.modalities() == ("price_feature", "cross_industry")
    for i in range(6):
        assert np.isfinite(panel.features[f"price_value_feature_{i}"].values[panel.member]).all()
    assert (panel.names["600000"], panel.sectors["600000"]) == ("浦发银行", "银行")
    assert len(panel.names) == len(panel.sectors) == 100


def test_industry_return_compounds_the_published_daily_returns(panel: Panel, folder: Path) -> None:
    t = 700
    week = pl.col("Date").cast(pl.Date).is_between(panel.dates[t - 4].item(), panel.dates[t].item())
    daily = pl.read_parquet(folder / "industry_ret.parq").filter(week, Industry="银行")
    assert len(daily) == 5
    expected = np.prod(1.0 + daily["Daily_Return"].to_numpy().astype(np.float64)) - 1.0
    assert panel.features["industry_1w"].values[panel.stocks.index("600000"), t] == pytest.approx(expected)


def test_macro_facts_are_known_only_once_published(panel: Panel) -> None:
    changes = [f"yield_10y_change_{back}" for back in (1, 30, 180)]
    names = ["loan_prime_rate", "cpi", "yield_10y", *changes, "csi300_pe", "csi300_pe_percentile", "sentiment_return"]
    assert list(panel.market_facts) == names
    dates = panel.dates.astype(str).tolist()
    prices = panel.market_facts["cpi"].values
    # December 2018: 1.9 %, January 2019: 1.7 %, the latter out on 15 February and used from the 17th.
    assert prices[dates.index("2019-02-15")] == pytest.approx(0.019)
    assert prices[dates.index("2019-02-18")] == pytest.approx(0.017)
    for fact in panel.market_facts.values():
        assert np.isfinite(fact.values).all(), fact.name


def test_more_texts_can_be_added(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text("date,stock,text\n2023-03-01,600028,dividend raised\n")
    texts = (TextsTable(path=path, timezone="Asia/Shanghai", cutoff="15:00"),)
    panel = load_panel(MarketSettings(source="mass", folder=folder, execution_lag=0, start="2023-01-01", texts=texts))
    assert panel.texts.select("date", "stock").row(0) == (date(2023, 3, 2), "600028")
    assert "news" in panel.modalities()


def test_missing_folder_and_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder; market.folder must name the one that holds ih_label.parq"):
        load_panel(MarketSettings(source="mass", folder=tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"ih_label.parq: no such file"):
        load_panel(MarketSettings(source="mass", folder=tmp_path))


def test_market_facts_stand_in_their_own_past_wherever_the_panel_begins(shared_dir):
    folder = shared_dir / "data" / "mass_sse50"
    late, early = (
        load_panel(MarketSettings(source="mass", folder=folder, execution_lag=0, start=start, end=date(2023, 3, 31)))
        for start in (date(2023, 1, 3), date(2021, 1, 4))
    )
    for name, fact in late.market_facts.items():
        values, standing = fact.values, fact.standing
        assert standing is not None
        np.testing.assert_array_equal(standing, early.market_facts[name].standing[-len(values) :])
        past = early.market_facts[name].values[-252:]
        past = past[np.isfinite(past)]
        assert standing[-1] == pytest.approx(((past < values[-1]).sum() + (past <= values[-1]).sum()) / (2 * len(past)))


def test_sentiment_is_the_published_return_of_its_index(panel: Panel, folder: Path) -> None:
    published = pl.read_csv(folder / "macro_data" / "Market_Sentiment_Index.csv")
    returns = dict(zip(published["Date"].to_list(), published["PriceChange"].to_list(), strict=True))
    for t in range(0, 1_457, 97):
        day = int(str(panel.dates[t]).replace("-", ""))
        assert panel.market_facts["sentiment_return"].values[t] == pytest.approx(returns[day], abs=6e-5)
