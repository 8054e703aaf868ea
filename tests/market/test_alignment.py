"""Identifiers that match in part: what meets nothing is told by table, count, stock and nearest spelling."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from massjax.config import load_config
from massjax.errors import ConfigError, DataError
from massjax.market import Panel, load_panel
from massjax.market.identifiers import Conventions, pairs, spelled
from massjax.market.settings import FeaturesTable, MarketSettings, MembershipTable, PricesTable, ReturnsTable, StocksTable, TextsTable
from massjax.settings import validate

DAYS = [day for day in (date(2020, 1, 6) + timedelta(days=i) for i in range(30)) if day.weekday() < 5]
TICKERS = ["AAPL", "BRK.B", "MSFT", "T"]
CODES = ["000001", "000002", "600000", "600036"]


def frame(stocks: list[str] | list[int], days: list[date] = DAYS) -> pl.DataFrame:
    keys = [(day, stock) for day in days for stock in stocks]
    return pl.DataFrame(keys, schema=["date", "stock"], orient="row").with_row_index().with_columns(close=100.0 + pl.col("index") % 7)


class Market:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, prices: pl.DataFrame, features: pl.DataFrame | None = None, carry: int = 0, **options: object) -> Panel:
        given: dict[str, object] = {"prices": PricesTable(path=self.write(prices, "prices"))}
        if features is not None:
            table = FeaturesTable(path=self.write(features, "feats"), modality="m", columns={"sig": "close"}, carry=carry)
            given["features"] = (table,)
        base = {"source": "tables", "horizons": (1,), "price_features": False}
        return load_panel(validate(MarketSettings, base | given | options, "run.yaml"))

    def write(self, table: pl.DataFrame, name: str) -> Path:
        path = self.folder / f"{name}.parquet"
        table.write_parquet(path)
        return path

    def said(self, panel: Panel) -> list[str]:
        return [warning.replace(f"{self.folder}/", "") for warning in panel.warnings]


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path)


@pytest.mark.parametrize(
    ("theirs", "ours", "cure"),
    [
        ("BRK-B", "BRK.B", "market.ticker_map: {BRK-B: BRK.B}"),
        ("BRK B", "BRK.B", "market.ticker_map: {BRK B: BRK.B}"),
        ("BRK/B US Equity", "BRK.B", "market.ticker_map: {BRK/B US Equity: BRK.B}"),
        ("aapl", "AAPL", "market.fold_case: true"),
        ("AAPL.O", "AAPL", "market.ticker_map: {AAPL.O: AAPL}"),
        ("NASDAQ:MSFT", "MSFT", "market.ticker_map: {NASDAQ:MSFT: MSFT}"),
        ("$T", "T", "market.ticker_map: {$T: T}"),
        ("ＭＳＦＴ", "MSFT", "market.ticker_map: {ＭＳＦＴ: MSFT}"),
        ("MSFTT", "MSFT", "market.ticker_map: {MSFTT: MSFT}"),
    ],
)
def test_a_part_that_does_not_match_is_named_with_the_nearest_spelling(market: Market, theirs: str, ours: str, cure: str) -> None:
    features = frame([theirs if stock == ours else stock for stock in TICKERS])
    said = market.said(market.load(frame(TICKERS), features))
    assert f"feats.parquet: has no row of 1 of the 4 stocks of the universe: {ours} (nearest there: {theirs})" in said
    left = f"feats.parquet: left out 22 rows of 1 stock without market data: {theirs} (nearest in the market data: {ours}); "
    assert any((sentence.startswith(left) and sentence.endswith(cure)) or cure in sentence for sentence in said)
    option = {"fold_case": True} if "fold" in cure else {"ticker_map": {theirs: ours}}
    mended = market.load(frame(TICKERS), features, **option)
    assert not [sentence for sentence in market.said(mended) if "feats" in sentence]
    assert mended.stocks == tuple(TICKERS)


@pytest.mark.parametrize("spelling", ["{}.SZ", "sz{}", "{}.XSHE", "SZ.{}", "{} CH Equity", "SZ{}"])
def test_codes_of_another_exchange_spelling_are_paired(market: Market, spelling: str) -> None:
    features = frame([spelling.format(stock) if stock == "000002" else stock for stock in CODES])
    said = market.said(market.load(frame(CODES), features))
    assert f"feats.parquet: has no row of 1 of the 4 stocks of the universe: 000002 (nearest there: {spelling.format('000002')})" in said


@pytest.mark.parametrize("numbers", [[1, 2, 600000, 600036], ["1", "2", "600000", "600036"], [1, 600000, 600036]])
def test_codes_without_their_zeros_are_refused(market: Market, numbers: list[int]) -> None:
    features = frame(numbers)
    with pytest.raises(
        DataError, match=r"feats.parquet: has stock '1' where the market data has '000001' .* in this table the codes"
    ) as caught:
        market.load(frame(CODES), features)
    assert "market.ticker_map: {'1': '000001'}" in str(caught.value)
    with pytest.raises(DataError, match=r"has stock '000001' where the market data has '1' .* in the market data the codes"):
        market.load(features, frame(CODES))
    mapped = {1: "000001", "2": "000002"}
    assert market.load(features, frame(CODES), ticker_map=mapped).stocks[0] == "000001"


@pytest.mark.parametrize("numbers", [["1.0", "2.0", "600000.0", "600036.0"], ["000001", "000002", "600000.0", "600036"]])
def test_codes_with_a_decimal_point_are_refused(market: Market, numbers: list[str]) -> None:
    with pytest.raises(DataError, match=r"in this table the codes were read as numbers and got a decimal point; .*'\d+.0': '\d{6}'"):
        market.load(frame(CODES), frame(numbers))
    with pytest.raises(DataError, match="in the market data the codes were read as numbers and got a decimal point"):
        market.load(frame(numbers), frame(CODES))
    with pytest.raises(DataError, match="codes that were read as numbers lose their leading zeros: write them as text"):
        market.load(frame(CODES).with_columns(stock=pl.col("stock").cast(pl.Float64)))


def test_members_listed_at_the_ends_of_weeks_are_refused(market: Market) -> None:
    members = MembershipTable(path=market.write(frame(TICKERS, FRIDAYS), "members"))
    with pytest.raises(
        DataError, match=r"members.parquet: lists members on 4 dates, and the market data has 16 .* repeat each list on every"
    ):
        market.load(frame(TICKERS), membership=members)


def test_blanks_at_the_ends_are_taken_off_everywhere(market: Market) -> None:
    panel = market.load(frame(["AAPL ", "\u00a0BRK.B", "MSFT", "T"]), frame(["AAPL", "BRK.B\u3000", " MSFT", "T\u200b"]))
    assert panel.stocks == tuple(TICKERS)
    assert market.said(panel) == []
    with pytest.raises(DataError, match="column 'stock', row 1: expected a stock identifier, found ' '"):
        market.load(frame([" ", "B"]))


def test_a_table_of_more_stocks_than_the_universe_is_no_reason_to_speak(market: Market) -> None:
    others = [f"X{i:03d}" for i in range(300)]
    names = pl.DataFrame({"stock": TICKERS + others, "name": "n"})
    news = pl.DataFrame({"date": "2020-01-10", "stock": [*TICKERS[:2], "ZZZ"], "text": "t"})
    panel = market.load(
        frame(TICKERS + others[:5]),
        frame(TICKERS + others[10:]),
        membership=MembershipTable(path=market.write(frame(TICKERS), "members")),
        stocks=StocksTable(path=market.write(names, "stocks"), name="name"),
        texts=(TextsTable(path=market.write(news, "news")),),
    )
    assert market.said(panel) == ["news.parquet: left out 1 texts on stocks without market data"]


def test_two_stocks_that_are_spelled_alike_and_both_there_are_two_stocks(market: Market) -> None:
    features = frame([*TICKERS, "MSF-T", "aapl"])
    names = pl.DataFrame({"stock": [*TICKERS, "MSF-T"], "name": "n"})
    stocks = StocksTable(path=market.write(names, "stocks"), name="name")
    assert market.said(market.load(frame(TICKERS), features, stocks=stocks)) == []
    one_after_the_other = features.filter((pl.col("stock") != "aapl") | (pl.col("date") < DAYS[8]))
    one_after_the_other = one_after_the_other.filter((pl.col("stock") != "AAPL") | (pl.col("date") >= DAYS[8]))
    (said,) = market.said(market.load(frame(TICKERS), one_after_the_other))
    assert "8 rows of 1 stock without market data: aapl (nearest in the market data: AAPL)" in said


def test_a_letter_and_its_mark_are_one_character(market: Market) -> None:
    panel = market.load(frame(["Z\u00fcrich", "B"]), frame(["Zu\u0308rich", "B"]))
    assert market.said(panel) == []
    assert panel.stocks == ("B", "Z\u00fcrich")


def test_every_table_is_aligned(market: Market) -> None:
    wrong = [stock.replace(".", "-") for stock in TICKERS]
    news = pl.DataFrame({"date": "2020-01-10", "stock": wrong, "text": "t"})
    names = pl.DataFrame({"stock": wrong, "name": "n"})
    panel = market.load(
        frame(TICKERS),
        stocks=StocksTable(path=market.write(names, "stocks"), name="name"),
        texts=(TextsTable(path=market.write(news, "news")),),
        membership=MembershipTable(path=market.write(frame(wrong), "members")),
        forward_returns=ReturnsTable(path=market.write(frame(wrong).with_columns(r=0.0), "returns"), columns={1: "r"}),
    )
    said, near = market.said(panel), "BRK-B (nearest in the market data: BRK.B)"
    for name in ("stocks", "news", "members", "returns"):
        assert any(s.startswith(f"{name}.parquet: left out ") and near in s for s in said), name
    for option, given in {
        "stocks": StocksTable(path=market.write(pl.DataFrame({"stock": ["X:AAPL"], "name": "n"}), "alien"), name="name"),
        "texts": (TextsTable(path=market.write(pl.DataFrame({"date": "2020-01-10", "stock": ["X:AAPL"], "text": "t"}), "news2")),),
    }.items():
        with pytest.raises(DataError, match="has stocks such as 'X:AAPL', but the market data has stocks such as 'AAPL'"):
            market.load(frame(TICKERS), **{option: given})


def test_a_member_without_prices_is_named(market: Market) -> None:
    members = MembershipTable(path=market.write(frame([*TICKERS, "LEH"]), "members"))
    said = market.said(market.load(frame(TICKERS), membership=members))
    assert "members.parquet: left out 22 rows of 1 stock without market data: LEH" in said


def test_two_spellings_of_one_history_are_told_and_can_be_joined(market: Market) -> None:
    prices = pl.concat([frame(TICKERS, DAYS[:11]), frame(["aapl", "BRK-B", "MSFT", "T"], DAYS[11:])])
    said = market.said(market.load(prices))
    assert any("'aapl' and 'AAPL'" in sentence and "never have a row on the same date" in sentence for sentence in said)
    joined = market.load(prices, fold_case=True, ticker_map={"brk-b": "BRK.B"})
    assert joined.stocks == tuple(TICKERS)
    assert joined.member.all()
    with pytest.raises(DataError, match=r"occur more than once; keep one row \(market.ticker_map and fold_case may join two stocks\)"):
        market.load(frame(TICKERS), ticker_map={"T": "AAPL"})


def test_pairs_prefer_what_differs_least() -> None:
    found = {pair.here: (pair.there, pair.difference) for pair in pairs({"aapl", "BRK-B", "1"}, ["AAPL", "BRK.B", "000001"], ["000001"])}
    assert found == {"aapl": ("AAPL", "case"), "BRK-B": ("BRK.B", "marks"), "1": ("000001", "zeros")}
    assert pairs({"000001.SH"}, ["000001"], []) == []  # the panel's own 000001 has rows: an index of another exchange
    assert spelled(pl.Series([" b ", "C"]), Conventions(fold_case=True, ticker_map={"B": "x"})).to_list() == ["X", "C"]


def test_a_few_stocks_are_the_same_as_among_all(market: Market) -> None:
    full = market.load(frame(TICKERS), frame(TICKERS), price_features=True)
    few = market.load(frame(TICKERS), frame(TICKERS), price_features=True, only=["T", "BRK.B"])
    assert few.stocks == ("BRK.B", "T")
    expected = full.only(("BRK.B", "T"))
    for name, feature in expected.features.items():
        assert pl.Series(few.features[name].values.ravel()).equals(pl.Series(feature.values.ravel()), null_equal=True), name


@pytest.mark.parametrize(
    ("stocks", "only", "options", "expected"),
    [
        (TICKERS, ["aapl", "t"], {"fold_case": True}, ("AAPL", "T")),
        (TICKERS, ["BRK-B", "T"], {"ticker_map": {"BRK-B": "BRK.B"}}, ("BRK.B", "T")),
        (["BRK-B", "T", "X"], ["BRK.B", "T"], {"ticker_map": {"BRK-B": "BRK.B"}}, ("BRK.B", "T")),
        (CODES, [600000, "000001"], {}, ("000001", "600000")),
    ],
)
def test_only_works_after_spellings_are_mapped(
    market: Market, stocks: list[str], only: list[object], options: dict, expected: tuple
) -> None:
    assert market.load(frame(stocks), only=only, **options).stocks == expected


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (["AAPL", "BRK-B"], r"market.only: there is no stock 'BRK-B' \(did you mean 'BRK.B'\?\) among the 4 of .*prices.parquet"),
        (["AAPL", "aapl"], r"market.only: there is no stock 'aapl' \(did you mean 'AAPL'\?\)"),
        (["AAPL"], "two or more different stocks"),
        ([], "two or more different stocks, which are then ranked, not none"),
        (["T", "T"], "two or more different stocks"),
        ([True, "T"], "expected text, found true: YAML takes yes, no, on, off, true and false for that; put it in quotes"),
        ([None, "T"], "expected a stock, found nothing"),
        ([1.5, "T"], "expected a stock, found 1.5; put it in quotes"),
    ],
)
def test_unknown_and_mistyped_stocks_are_refused(market: Market, only: list[object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        market.load(frame(TICKERS), only=only)


def test_only_of_a_stock_that_is_never_a_member(market: Market) -> None:
    members = MembershipTable(path=market.write(frame(TICKERS[:3]), "members"))
    with pytest.raises(DataError, match=r"market.only: 'T' is a member on no date; .*members.parquet says who is a member"):
        market.load(frame(TICKERS), membership=members, only=["T", "AAPL"])


def test_only_of_the_bundled_sample_and_codes_in_yaml(tmp_path: Path) -> None:
    assert load_panel(MarketSettings(only=("MSFT", "AAPL"))).stocks == ("AAPL", "MSFT")
    file = tmp_path / "run.yaml"
    file.write_text(
        "market: {source: tables, prices: {path: p.csv}, only: [000001, 000008, 600000], ticker_map: {000001.SZ: 000001, 1: 000001}}\n"
        "agents: {archetypes: [{name: a, modalities: [price]}]}\n"
    )
    settings = load_config(file, ["market.ticker_map.2=000002"]).market
    assert settings.only == ("000001", "000008", "600000")
    assert settings.ticker_map == {"000001.SZ": "000001", "1": "000001", "2": "000002"}
    with pytest.raises(ConfigError, match="'BRK' is there twice"):
        settings.replace(fold_case=True, ticker_map={"brk": "a", "BRK": "b"})
    sample = ["market.source=sp500", "market.prices=null", "market.only=null"]
    with pytest.raises(ConfigError, match=r"market.ticker_map is for the identifiers of tables"):
        load_config(file, sample)
    assert load_config(file, [*sample, "scores.path=mine.csv"]).market.ticker_map == {"000001.SZ": "000001", "1": "000001"}


FRIDAYS = [day for day in DAYS if day.weekday() == 4]


def shift(days: list[date], by: int) -> list[date]:
    return [day + timedelta(days=by) for day in days]


@pytest.mark.parametrize(
    ("days", "carry", "message"),
    [
        (FRIDAYS, 0, r"7 days apart, .* \(market.features\[0\].carry is 0\), so they are known on 18.2% of the dates; set .*carry to 7"),
        (shift(DAYS, -1), 0, r"left out 16 rows .* a day later nearly all would be on dates with it: .* See market.timezone"),
        (shift(DAYS, -1), 5, r"has 16 rows .* a day later nearly all would be on dates with it: .* See market.timezone"),
        (shift(DAYS, 1), 0, "a day earlier nearly all would be"),
        (
            sorted([*DAYS, date(2020, 1, 18)]),
            0,
            r"left out 4 rows on dates without .* \(first 2020-01-18, all Saturdays or Sundays\); see",
        ),
    ],
)
def test_rows_on_other_days_are_told_with_their_cause(market: Market, days: list[date], carry: int, message: str) -> None:
    panel = market.load(frame(TICKERS), frame(TICKERS, days), carry)
    assert any(pl.Series([s]).str.contains("feats.parquet: .*" + message).item() for s in market.said(panel)), market.said(panel)


@pytest.mark.parametrize(
    ("days", "carry", "message"),
    [
        (
            shift(FRIDAYS, 2)[:-1],
            0,
            r"left out 12 rows .* all Saturdays or Sundays\); the values .* known on 0.0% of the dates; set .*carry to 7",
        ),
        (shift(DAYS, 700), 0, "its rows are dated 2021-12-06 to 2022-01-04, none within the dates of the market data, 2020-01-06 to"),
        (shift(DAYS, -60), 5, "its rows are dated 2019-11-07 to 2019-12-06, none within the dates"),
    ],
)
def test_a_table_of_which_no_row_meets_a_date_is_refused(market: Market, days: list[date], carry: int, message: str) -> None:
    with pytest.raises(DataError, match=f"feats.parquet: {message}"):
        market.load(frame(TICKERS), frame(TICKERS, days), carry)


def test_a_daily_grid_that_is_filled_on_fridays_alone_is_weekly(market: Market) -> None:
    sparse = frame(TICKERS).with_columns(close=pl.when(pl.col("date").dt.weekday() == 5).then("close"))
    said = market.said(market.load(frame(TICKERS), sparse))
    assert any("7 days apart" in sentence and "market.features[0].carry" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("days", "carry"), [(FRIDAYS, 7), (shift(FRIDAYS, 2)[:-1], 9), (DAYS, 0), ([date(2019, 12, 2), *DAYS, date(2020, 3, 2)], 0)]
)
def test_what_is_carried_or_goes_beyond_the_prices_is_not_told(market: Market, days: list[date], carry: int) -> None:
    assert market.said(market.load(frame(TICKERS), frame(TICKERS, days), carry)) == []


EVERY = [date(2020, 1, 6) + timedelta(days=i) for i in range(30)]


@pytest.mark.parametrize(
    ("days", "timezone", "message"),
    [
        (
            sorted([*DAYS, date(2020, 1, 18)]),
            None,
            "1 of 23 dates is a Saturday or Sunday, first 2020-01-18, where other weekends have no",
        ),
        (shift(DAYS, -1), None, "has rows on Sundays and none on Fridays: unless the market is open on Sundays, its dates are a day early"),
        (shift(DAYS, 1), None, "has rows on Saturdays and none on Mondays: its dates are a day late"),
        (shift(DAYS, -1), "Asia/Riyadh", None),
        (DAYS, None, None),
        (EVERY, None, None),
        ([date(2018, 1, 7) + timedelta(days=7 * i) for i in range(30)], None, None),
        ([datetime(2018 + m // 12, m % 12 + 1, 1).date() - timedelta(days=1) for m in range(36)], None, None),
    ],
)
def test_weekends_among_the_prices(market: Market, days: list[date], timezone: str | None, message: str | None) -> None:
    said = [s for s in market.said(market.load(frame(TICKERS, days), timezone=timezone)) if "Saturday" in s or "Sunday" in s]
    assert [s for s in said if message in s] if message else said == []


def test_two_spellings_of_one_stock_are_no_two_stocks_to_try(market: Market) -> None:
    with pytest.raises(ConfigError, match=r"market.only: 'aapl', 'AAPL' are one stock, 'AAPL'; name two or more"):
        market.load(frame(TICKERS), only=("aapl", "AAPL"), fold_case=True)
