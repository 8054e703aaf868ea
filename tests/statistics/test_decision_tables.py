from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from massjax.statistics.agreement import consistency, market_consistency
from massjax.statistics.decision_tables import (
    approval_table,
    as_markdown,
    consistency_table,
    cross_frame,
    market_table,
    paired_table,
    shares_table,
)
from massjax.statistics.decisions import MISSING, approval_rate, cross_table, decision_shares
from massjax.statistics.paired import compare_pairs

RNG = np.random.default_rng(0)
DESKS = {
    name: RNG.choice([1, 0, -1, MISSING], p=[over, 0.9 - over - 0.1, 0.1, 0.1], size=(8, 30)) for name, over in (("a", 0.2), ("b", 0.1))
}
INSTITUTIONS = RNG.choice([1, 0, -1], size=(8, 30))


def test_shares_are_those_of_each_organisation() -> None:
    table = shares_table(DESKS)
    assert table["organisation"].to_list() == ["a", "b"]
    for row, given in zip(table.iter_rows(named=True), DESKS.values(), strict=True):
        found = decision_shares(given)
        assert row["overweight, %"] + row["neutral, %"] + row["underweight, %"] == pytest.approx(100, abs=0.002)
        assert row["neutral high"] == pytest.approx(100 * found.neutral.high, abs=6e-4)
        assert row["decisions"] + row["missing"] == 240


def test_consistency_stands_beside_chance_shares_and_identity() -> None:
    table = consistency_table(DESKS, INSTITUTIONS)
    assert table["side"].to_list() == ["overall", "overweight", "underweight"] * 2
    overall = table.filter(side="overall")
    assert overall["share-weighted, %"].to_list() == pytest.approx(overall["consistency, %"].to_list(), abs=0.001)
    found = consistency(DESKS["b"], INSTITUTIONS).underweight
    row = table.row(5, named=True)
    assert (row["consistency, %"], row["chance, %"], row["share, %"], row["excess low"]) == pytest.approx(
        (100 * found.found.value, 100 * found.chance, 100 * found.share, 100 * found.excess.low), abs=6e-4
    )


def test_market_has_a_row_for_each_horizon_and_side() -> None:
    returns = {h: RNG.normal(size=(8, 30)) for h in (1, 5)}
    table = market_table(DESKS, returns, zeros="missing")
    assert table.height == 2 * 2 * 3
    row = table.row(by_predicate=(pl.col("organisation") == "a") & (pl.col("horizon") == 5) & (pl.col("side") == "overweight"), named=True)
    found = market_consistency(DESKS["a"], returns[5], 5, zeros="missing").overweight
    assert (row["consistency, %"], row["chance, %"], row["low"]) == pytest.approx(
        (100 * found.found.value, 100 * found.chance, 100 * found.found.low), abs=6e-4
    )


def test_approval_and_pairs() -> None:
    junior, senior = RNG.random((8, 30)) < 0.2, RNG.random((8, 30)) < 0.4
    assert approval_table({"junior": junior})["approval, %"].item() == pytest.approx(100 * approval_rate(junior).value, abs=6e-4)
    row = paired_table({"junior → senior": (junior, senior)}).row(0, named=True)
    found = compare_pairs(junior, senior)
    assert row["p"] == found.p_value
    assert row["difference low"] == pytest.approx(100 * found.difference.low, abs=6e-4)
    assert row["odds high"] == pytest.approx(found.odds_ratio.high, abs=6e-4)


def test_cross_table_has_margins() -> None:
    table = cross_frame(("week", DESKS["a"]), ("year", DESKS["b"]))
    counts = cross_table(DESKS["a"], DESKS["b"]).counts
    assert table["year all"].to_list() == [*counts.sum(axis=1), counts.sum()]
    assert table.row(3)[1:4] == tuple(counts.sum(axis=0))


def test_what_is_undefined_is_empty_with_its_reason() -> None:
    idle = {"idle": np.zeros((3, 4)), "unasked": np.full((3, 4), np.nan)}
    table = consistency_table(idle, np.ones((3, 4)))
    assert table["consistency, %"].to_list() == [None] * 6
    assert set(table["note"].str.slice(0, 3)) == {"no "}
    assert shares_table(idle)["overweight, %"].to_list() == [0.0, None]
    text = as_markdown(table)
    assert "nan" not in text.lower().replace("nance", "")
    assert text.count("\n") == 7


def test_markdown_gives_p_values_four_decimals() -> None:
    assert as_markdown(pl.DataFrame({"p": [0.00123], "n": [1234], "what": ["x"]})).splitlines()[2] == "| 0.0012 | 1,234 | x |"
