from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import massjax as mj
from massjax.errors import ConfigError, DataError
from massjax.market import Feature, MarketFact, Panel
from massjax.market.panel import TEXT_SCHEMA


@pytest.fixture
def panel() -> Panel:
    dates = np.array(["2022-01-03", "2022-01-04", "2022-01-06"], dtype="datetime64[D]")
    texts = {"date": dates.tolist(), "stock": ["A", "B", "A"], "modality": ["news", "news", "filing"], "text": ["x", "y", "z"]}
    return Panel(
        dates=dates,
        stocks=("A", "B"),
        member=np.array([[True, True, False], [True, True, True]]),
        features={"pe": Feature("pe", "valuation", np.arange(6.0).reshape(2, 3), "price-earnings ratio")},
        forward_returns={1: np.full((2, 3), 0.01)},
        prices=np.full((2, 3), 10.0),
        texts=pl.DataFrame(texts, schema=TEXT_SCHEMA),
        names={"A": "Alpha"},
        sectors={"B": "Energy"},
        market_facts={"rate": MarketFact("rate", "macro", np.array([1.0, 2.0, 3.0]), "interest rate")},
    )


def test_between_cuts_every_array(panel: Panel) -> None:
    cut = panel.between("2022-01-04", "2022-01-05")
    assert cut.dates.tolist() == [panel.dates[1].item()]
    np.testing.assert_array_equal(cut.features["pe"].values, [[1.0], [4.0]])
    np.testing.assert_array_equal(cut.member, [[True], [True]])
    assert cut.forward_returns[1].shape == cut.prices.shape == (2, 1)
    assert cut.market_facts["rate"].values.tolist() == [2.0]
    assert cut.texts["text"].to_list() == ["y"]


def test_between_keeps_an_open_side(panel: Panel) -> None:
    assert panel.between().dates.tolist() == panel.dates.tolist()
    assert panel.between(start="2022-01-04").dates.tolist() == panel.dates[1:].tolist()


def test_between_nothing_is_refused(panel: Panel) -> None:
    with pytest.raises(DataError, match=r"no date from 2022-01-05 until 2022-01-05; the data covers 2022-01-03 to 2022-01-06"):
        panel.between("2022-01-05", "2022-01-05")


def test_only_takes_stocks_in_the_order_given(panel: Panel) -> None:
    both = panel.only(["B", "A"])
    np.testing.assert_array_equal(both.features["pe"].values, panel.features["pe"].values[::-1])
    one = panel.only(["B"])
    assert (one.stocks, one.names, one.sectors, one.texts["text"].to_list()) == (("B",), {}, {"B": "Energy"}, ["y"])
    with pytest.raises(DataError, match="no stock 'C'"):
        panel.only(["C"])


def test_modalities_are_those_of_features_and_texts(panel: Panel) -> None:
    assert panel.modalities() == ("valuation", "filing", "news")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dates", np.array(["2022-01-03", "2022-01-03", "2022-01-04"], dtype="datetime64[D]"), "strictly ascending"),
        ("dates", np.arange(3), "datetime64"),
        ("stocks", ("A", "A"), "distinct"),
        ("member", np.ones((3, 2), dtype=bool), r"member has the shape \(3, 2\), expected \(stocks, dates\) = \(2, 3\)"),
        ("member", np.ones((2, 3)), "boolean"),
        ("forward_returns", {5: np.zeros((2, 2))}, "forward return over 5 days has the shape"),
        ("texts", pl.DataFrame({"text": ["x"]}), "texts must have the columns"),
    ],
)
def test_malformed_panels_are_refused(panel: Panel, field: str, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(panel, **{field: value})


def test_everything_that_holds_arrays_prints_a_line() -> None:
    rng, dates = np.random.default_rng(0), np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    values = rng.normal(size=(20, 60))
    panel = Panel(
        dates, tuple(f"S{n}" for n in range(20)), np.ones((20, 60), bool), {"f": Feature("f", "mine", values, "f")}, prices=values
    )
    assert repr(panel) == "Panel(20 stocks × 60 dates, prices, 1 modality)"
    assert repr(panel.features["f"]) == "Feature('f', 'mine', 20 stocks × 60 dates, 100% known)"
    assert repr(MarketFact("m", "mine", values[0], "m")) == "MarketFact('m', 'mine', 60 dates, 100% known)"


@pytest.mark.parametrize("end", ["2021", "2021-03", "2021-13-01", "March", 2021, 20210301, np.datetime64("2021-03"), "NaT"])
def test_what_is_no_whole_date_is_refused(panel: Panel, end: object) -> None:
    with pytest.raises(DataError, match="panel: end must be a date such as 2022-01-03, not"):
        panel.between(end=end)  # type: ignore[arg-type]


def test_a_mapping_is_no_configuration() -> None:
    with pytest.raises(ConfigError, match=r"expected the path of a configuration file, .* not dict; make settings"):
        mj.load_panel({"source": "sp500"})  # type: ignore[arg-type]
