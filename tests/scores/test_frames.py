"""Somebody's own scores as a table: any that says what it is, and a sentence for any that does not."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

import massjax
from massjax.config import load_config
from massjax.errors import ConfigError, DataError
from massjax.market import Panel
from massjax.optimize import main as optimize
from massjax.pipeline import precompute
from massjax.report.run import made_by_fake
from massjax.scores.gathering import gather_scores
from massjax.scores.given import align
from massjax.scores.inputs import prepare
from massjax.scores.outcome import NothingToAsk
from massjax.scores.scores import Scores
from massjax.scores.status import Status
from tests.scores.asking import run
from tests.small_store import written

FRAME = pl.DataFrame(
    {
        "date": [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 2)],
        "stock": ["000001", "AAA", "AAA"],
        "archetype": ["b", "a", "b"],
        "score": [0.25, 1.0, 0.5],
    }
)

days = st.dates(date(1970, 1, 1), date(2100, 1, 1))
names = st.text(min_size=1, max_size=5)
cells = st.tuples(days, names, names)


@settings(max_examples=60)
@given(st.dictionaries(cells, st.none() | st.floats(0, 1, width=32), min_size=1, max_size=20), st.randoms())
def test_every_row_is_found_at_its_labels(rows: dict[tuple[date, str, str], float | None], random: Any) -> None:
    order = list(rows)
    random.shuffle(order)
    table = {name: [cell[place] for cell in order] for place, name in enumerate(("date", "stock", "archetype"))}
    schema = {"date": pl.Date, "stock": pl.String, "archetype": pl.String, "score": pl.Float64}
    found = Scores.from_frame(pl.DataFrame({**table, "score": [rows[cell] for cell in order]}, schema=schema))
    known = {cell: score for cell, score in rows.items() if score is not None}
    assert found.stocks == tuple(sorted({stock for _, stock, _ in known}))
    assert found.dates.tolist() == sorted({day for day, _, _ in known})
    assert set(found.archetypes) == {name for _, _, name in known}
    score = found.score()
    assert np.isfinite(score).sum() == len(known)
    for (day, stock, name), value in known.items():
        t, k, n = found.dates.tolist().index(day), found.archetypes.index(name), found.stocks.index(stock)
        assert score[t, k, n] == np.float32(value)
        assert found.status()[t, k, n] == Status.SCORED
    again = {(row[0], row[1], row[2]): row[3] for row in found.to_polars().select("date", "stock", "archetype", "score").iter_rows()}
    assert again == known
    assert found.made_from is None


@pytest.mark.parametrize(
    "same",
    [
        FRAME,
        FRAME.lazy(),
        FRAME.to_pandas(),
        FRAME.to_dict(as_series=False),
        FRAME.with_columns(pl.col("date").cast(pl.String)),
        FRAME.with_columns(pl.col("date").cast(pl.Datetime("us"))),
        FRAME.with_columns(pl.col("date").cast(pl.Datetime("ns"))),
        FRAME.with_columns(pl.col("stock", "archetype").cast(pl.Categorical)),
        FRAME.with_columns(pl.col("score").cast(pl.Float32), other=pl.lit("left alone")),
        FRAME.reverse().sort("archetype", descending=True),
        pl.concat([FRAME, FRAME.with_columns(pl.lit(None, pl.Float64).alias("score"), date=date(2024, 1, 5))]),
        FRAME.to_pandas().astype({"stock": "category", "date": "datetime64[ns]"}),
    ],
    ids=[
        "polars",
        "lazy",
        "pandas",
        "dict",
        "text",
        "times",
        "nanoseconds",
        "categorical",
        "float32",
        "order",
        "missing",
        "pandas category",
    ],
)
def test_tables_that_say_the_same(same: Any) -> None:
    found = Scores.from_frame(same)
    assert (found.archetypes, found.stocks) == (("b", "a"), ("000001", "AAA"))
    assert found.dates.tolist() == [date(2024, 1, 2), date(2024, 1, 3)]
    np.testing.assert_array_equal(found.score(), np.array([[[0.25, 0.5], [np.nan] * 2], [[np.nan] * 2, [np.nan, 1.0]]], np.float32))
    assert repr(found) == "Scores(2 archetypes × 2 stocks × 2 dates, 2024-01-02 to 2024-01-03)"


def test_without_archetypes_all_rows_are_one(tmp_path: Path) -> None:
    found = Scores.from_frame(FRAME.drop("archetype"))
    assert found.archetypes == ("scores",)
    assert np.isfinite(found.score()).sum() == 3


class Unreadable:
    """Nothing that polars makes a table of."""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (FRAME.drop("stock"), r"has no column 'stock'; it has: date, archetype, score"),
        (FRAME.rename({"score": "scores"}), r"has no column 'score' \(did you mean 'scores'"),
        (FRAME.with_columns(stock=pl.Series([1, 2, 3])), r"column 'stock' holds Int64; expected text \(numbers lose leading zeros\)"),
        (FRAME.with_columns(score=pl.col("score") * 5), r"3 scores outside \[0, 1\], the first 1.25 of archetype 'b', stock '000001'"),
        (FRAME.with_columns(score=pl.lit(-0.1)), r"3 scores outside"),
        (FRAME.with_columns(score=pl.lit(float("inf"))), r"3 scores outside \[0, 1\], the first inf"),
        (FRAME.with_columns(score=pl.lit("high")), r"column 'score' holds String; expected numbers"),
        (FRAME.with_columns(score=pl.lit(True)), r"column 'score' holds Boolean; expected numbers"),
        (
            pl.concat([FRAME, FRAME[:1]]),
            r"2 rows share their date, stock and archetype with another, the first archetype 'b', stock '000001'",
        ),
        (FRAME.with_columns(date=pl.lit(datetime(2024, 1, 2, 9, 30))), r"column 'date' has times of day; give the day at whose close"),
        (FRAME.with_columns(date=pl.lit(datetime(2024, 1, 2, tzinfo=UTC))), r"column 'date' is in the zone UTC"),
        (FRAME.with_columns(date=pl.lit("2024-02-30")), r"column 'date': '2024-02-30' is no day such as 2024-01-31"),
        (FRAME.with_columns(date=pl.lit("02.01.2024")), r"'02.01.2024' is no day"),
        (FRAME.with_columns(date=pl.lit(20240102)), r"column 'date' holds Int32; expected days"),
        (FRAME.with_columns(date=pl.lit(None, pl.Date)), r"column 'date' is empty in 3 rows"),
        (FRAME.with_columns(stock=pl.lit(None, pl.String)), r"column 'stock' is empty in 3 rows"),
        (Unreadable(), r"the scores are no table that polars can read"),
    ],
)
def test_a_table_that_is_none_is_told(wrong: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Scores.from_frame(wrong)


def test_a_table_without_rows_is_an_empty_tensor_and_told_where_it_is_used(tmp_path: Path, small: dict[str, Any]) -> None:
    FRAME[:0].write_parquet(tmp_path / "mine.parquet")
    assert repr(Scores.from_frame(FRAME[:0])) == "Scores(0 archetypes × 0 stocks × 0 dates)"
    with pytest.raises(DataError, match=r"mine\.parquet: holds no score"):
        prepare(written(own(small, "mine.parquet"), tmp_path))


def own(small: dict[str, Any], path: str, **agents: Any) -> dict[str, Any]:
    """The settings of a run on given scores and a rule."""
    rule = small["agents"]["archetypes"][2]
    return {"market": small["market"], "agents": {"archetypes": [rule], **agents}, "scores": {"path": path}}


@pytest.mark.parametrize("form", ["parquet", "csv", "tensor", "store"])
def test_given_scores_are_put_on_the_market_data_by_their_labels(small: dict[str, Any], tmp_path: Path, form: str) -> None:
    small["agents"]["archetypes"] = small["agents"]["archetypes"][:2]
    found = run(written(small, tmp_path))
    table = found.scores.to_polars().select("date", "stock", "archetype", "score").sample(fraction=1.0, shuffle=True, seed=1)
    small["agents"]["archetypes"].append({"name": "low-volatility", "rule": {"volatility_60d": -1.0}})
    match form:
        case "parquet":
            table.write_parquet(tmp_path / "mine.parquet")
        case "csv":
            table.write_csv(tmp_path / "mine.csv")
    path = {"parquet": "mine.parquet", "csv": "mine.csv", "store": "store", "tensor": str(Path(found.scores.place))}[form]
    inputs = prepare(written(own(small, path), tmp_path))
    scores = gather_scores(inputs)
    assert [(one.name, one.protocol) for one in inputs.archetypes][:2] == [("trend", "given"), ("careful", "given")]
    names = [one.name for one in inputs.archetypes]
    for k, name in enumerate(("trend", "careful")):
        np.testing.assert_array_equal(scores.scores[names.index(name)], found.score[:, k].T)
    np.testing.assert_array_equal(scores.scores[names.index("low-volatility")], inputs.rule_scores["low-volatility"])
    assert scores.warnings == ()
    assert str(scores.source["path"]).endswith(path)
    assert made_by_fake(scores.source) == (form in ("tensor", "store")), "a tensor says who answered"


def test_what_the_scores_and_the_market_data_do_not_share_is_told(small: dict[str, Any], tmp_path: Path) -> None:
    rows = [(day, stock, 0.5) for day in ("2022-06-01", "2022-06-03") for stock in ("AAPL", "MSFT", "ZZZ")]
    pl.DataFrame(rows, schema=["date", "stock", "score"], orient="row").write_csv(tmp_path / "mine.csv")
    scores = gather_scores(prepare(written(own(small, "mine.csv"), tmp_path)))
    assert np.isfinite(scores.scores[0]).sum() == 4
    stocks, extra, dates = scores.warnings
    assert "has no row of 18 of the 20 stocks of the universe: AMD, " in stocks
    assert dates == "the scores given have none of 10 dates of 12 of the market data, the first being 2022-06-02"
    assert extra.endswith("left out 2 rows of 1 stock without market data: ZZZ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "date,stock,score\n2022-06-01,Apple,0.5\n",
            "has stocks such as 'Apple', but the market data has stocks such as 'AAPL'",
        ),
        ("date,stock,score\n1999-01-04,AAPL,0.5\n", "no date of the scores is one of the market data: they have 1999-01-04"),
        ("date,stock,score\n2022-06-01,AAPL,5\n", "mine.csv: 1 score outside"),
        ("date,stock\n2022-06-01,AAPL\n", "mine.csv: no column 'score'"),
        ("", "mine.csv: cannot be read: empty CSV; scores.path names it"),
        ("date,stock,archetype,score\n2022-06-01,AAPL,low-volatility,0.5\n", "has an archetype 'low-volatility', and so has agents"),
        ("date,stock,archetype,score\n2022-06-01,AAPL,  ,0.5\n", "scores.path"),
        ("date,stock,archetype,score\n2022-06-01,AAPL,my bull!,0.5\n", "archetype 'my bull!': name: an archetype's name must be"),
        ("date;stock;score\n2022-06-01;AAPL;0,5\n", "separated by semicolons.*decimal commas must become points"),
        ("date,stock,score\n2022-06-01,AAPL,50%\n", "column 'score', row 1 .*write a percentage as a fraction"),
        ("date,stock,score\n2022-06-01,AAPL,NA\n", "leave the field empty where a value is unknown"),
        ("date,stock,score\n2022-06-01 15:00,AAPL,0.5\n", "has a time of day"),
        ("date,stock,score\n2022-06-01T00:00Z,AAPL,0.5\n", "names a zone.*set market.timezone"),
        ("date,stock,score\n2022-06-01,aapl,0.5\n", "market.fold_case: true takes capitals and small letters for the same"),
        ("date,stock,score\n2022-06-01,AAPL.O,0.5\n", "map them: market.ticker_map: {AAPL.O: AAPL}"),
        ("date,stock,score\n2022-06-01,AAPL,0.5,9\n", "row 1 has more fields than the first row has headings"),
    ],
)
def test_given_scores_that_cannot_be_used_are_told(small: dict[str, Any], tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises((DataError, ConfigError), match=words):
        gather_scores(prepare(written(own(small, "mine.csv"), tmp_path)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.csv", "\ufeffdate,stock,score\r\n2022-06-01,AAPL,0.5\r\n"),
        ("mine.CSV", " date , stock,score\n20220601, AAPL ,0.50\n2022/6/2,AAPL,\n"),
        ("mine.tsv", "stock\tscore\tdate\nAAPL\t0.5\t2022-06-01 00:00:00\nAAPL\tnan\t2022-06-02\n"),
        ("mine.csv", "date,stock,score\n2022-06-01,aapl,0.5\n"),
        ("mine.csv", "date,stock,score\n2022-06-01T04:00:00Z,Apple,0.5\n"),
        ("mine.csv", "date,stock,archetype,score\n2022-06-01,AAPL, mine,0.5\n"),
        ("mine.csv", "date,stock,score\n" + "".join(f"2022-06-01,S{row},{row % 2}\n" for row in range(300)) + "2022-06-01,AAPL,0.5\n"),
    ],
    ids=["byte order mark", "headings", "tabs", "case", "zone and map", "blanks", "whole numbers first"],
)
def test_text_tables_are_read_as_those_of_the_market_are(small: dict[str, Any], tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    values = own(small, name)
    values["market"] |= {"timezone": "America/New_York", "fold_case": True, "ticker_map": {"Apple": "AAPL"}}
    inputs = prepare(written(values, tmp_path))
    score = gather_scores(inputs).scores[0]
    assert score[inputs.panel.stocks.index("AAPL"), 0] == 0.5
    assert np.isfinite(score).sum() == 1


def test_codes_that_lost_their_zeros_are_told() -> None:
    found = Scores.from_frame(pl.DataFrame({"date": ["2024-01-02"] * 2, "stock": ["1", "600000"], "score": [0.5, 0.25]}))
    panel = Panel(found.dates, ("000001", "600000"), np.ones((2, 1), bool), {}, forward_returns={1: np.zeros((2, 1))})
    with pytest.raises(DataError, match=r"has stock '1' where the market data has '000001'.*market.ticker_map: {'1': '000001'}"):
        align(found, panel, np.empty((1, 1, 2), np.float32), slice(0, 1))


@pytest.mark.parametrize("given", [True, False])
def test_archetypes_whose_scores_are_given_are_not_listed(small: dict[str, Any], tmp_path: Path, given: bool) -> None:
    (tmp_path / "mine.csv").write_text("date,stock,score\n2022-06-01,AAPL,0.5\n")
    values = own(small, "mine.csv")
    values["agents"]["archetypes"].append({"name": "mine", "protocol": "given"})
    with pytest.raises(ConfigError, match=r"archetype 'mine': those whose scores are given are not listed; all that scores.path has take"):
        prepare(written(values if given else {**values, "scores": None}, tmp_path))


def test_where_all_scores_are_given_or_of_rules_precompute_writes_those_of_rules(small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("date,stock,score\n2022-06-01,AAPL,0.5\n")
    config = written({**own(small, "mine.csv"), "store": "store"}, tmp_path)
    found = precompute(config)
    assert isinstance(found, NothingToAsk)
    np.testing.assert_array_equal(found.written.scores.to_numpy()[0], prepare(config).rule_scores["low-volatility"].astype(np.float32))


@pytest.mark.parametrize("path", ["none.parquet", "broken.parquet", "empty"])
def test_a_path_that_holds_no_scores_is_told(small: dict[str, Any], tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing more")
    (tmp_path / "empty").mkdir()
    written(own(small, path), tmp_path)
    assert optimize(["--config", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert path in told
    assert "Traceback" not in told


def test_own_scores_end_to_end(small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small["market"]["end"] = "2022-07-01"
    values = own(small, "mine.parquet")
    values |= {"evaluate": {"horizon": 1, "lookback": 5, "p_values": False}, "search": [{"method": "annealing", "chains": 2, "steps": 1}]}
    panel = prepare(load_config_of({**values, "scores": None}, tmp_path)).panel
    rng = np.random.default_rng(0)
    rows = [(day, stock, name, rng.random()) for day in panel.dates.tolist() for stock in panel.stocks for name in ("bull", "bear")]
    pl.DataFrame(rows, schema=["date", "stock", "archetype", "score"], orient="row").write_parquet(tmp_path / "mine.parquet")
    written(values, tmp_path)
    assert optimize(["--config", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert told["store"]["path"].endswith("mine.parquet")
    assert "noise" not in capsys.readouterr().out
    assert {"bull", "bear", "low-volatility"} <= set(json.dumps(told).replace('"', " ").split())


@pytest.mark.parametrize("levels", [["date"], ["date", "stock"], ["stock", "archetype"]])
def test_levels_of_a_pandas_index_are_columns(levels: list[str]) -> None:
    np.testing.assert_array_equal(Scores.from_frame(FRAME.to_pandas().set_index(levels)).score(), Scores.from_frame(FRAME).score())


def test_a_pandas_series_of_scores() -> None:
    series = FRAME.to_pandas().set_index(["date", "stock", "archetype"])["score"]
    np.testing.assert_array_equal(Scores.from_frame(series).score(), Scores.from_frame(FRAME).score())


def test_what_other_tools_write_is_told_by_its_columns() -> None:
    of_qlib = FRAME.drop("archetype").rename({"date": "datetime", "stock": "instrument"}).to_pandas().set_index(["datetime", "instrument"])
    with pytest.raises(
        DataError, match=r"no column 'date' \(did you mean 'datetime'\?\); it has: datetime, instrument, score; it needs a row"
    ):
        Scores.from_frame(of_qlib)


def test_names_that_differ_in_a_last_zero_byte_are_two() -> None:
    frame = pl.DataFrame({"date": ["2024-01-02"] * 2, "stock": ["A", "A\0"], "score": [0.5, 0.25]})
    assert Scores.from_frame(frame).score().reshape(-1).tolist() == [0.5, 0.25]


def load_config_of(values: dict[str, Any], folder: Path) -> Any:
    written(values, folder)
    return load_config(folder / "run.yaml")


def test_pandas_rows_without_a_score_are_as_good_as_none() -> None:
    frame = pd.DataFrame({"date": ["2024-01-02", "2024-01-03"], "stock": ["A", "B"], "score": [0.5, float("nan")]})
    assert Scores.from_frame(frame).stocks == ("A",)


@pytest.mark.parametrize("dates", ["datetime64[ns]", "str"])
def test_a_pandas_frame_is_read_without_pyarrow(monkeypatch: pytest.MonkeyPatch, dates: str) -> None:
    def lacking(_: Any) -> pl.DataFrame:
        raise ModuleNotFoundError("pyarrow is required")

    frame = pd.DataFrame({name: FRAME[name].to_list() for name in FRAME.columns}).astype({"date": dates, "archetype": "category"})
    frame.loc[3] = frame.loc[0].replace({"000001": "BBB", 0.25: np.nan})
    expected = Scores.from_frame(FRAME)
    monkeypatch.setattr(pl, "from_pandas", lacking)
    found = Scores.from_frame(frame)
    np.testing.assert_array_equal(found.score(), expected.score())
    assert (found.stocks, found.archetypes, found.dates.tolist()) == (expected.stocks, expected.archetypes, expected.dates.tolist())


def test_the_earlier_name_of_scores_still_opens_them(small: dict[str, Any], tmp_path: Path) -> None:
    precompute(written(small, tmp_path))
    with pytest.warns(DeprecationWarning, match=r"massjax\.ScoreStore is massjax\.Scores now"):
        earlier = massjax.ScoreStore
    np.testing.assert_array_equal(earlier.open(tmp_path / "store").scores(), Scores.open(tmp_path / "store").to_numpy())
