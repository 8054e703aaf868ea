"""Nothing dated t may depend on anything later than the close of t."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from massjax.market import Panel, load_panel


def spoil(table: pl.DataFrame, key: str, after: date, rng: np.random.Generator) -> pl.DataFrame:
    """Drop some of the rows later than `after`, and change every number and text in the others; two stocks keep their rows."""
    later = pl.col(key) > after
    kept = table.filter(~later | pl.Series(rng.random(len(table)) < 0.7) | pl.col("stock").is_in(["AAA", "CCC"]))
    noise = pl.Series(rng.lognormal(0.0, 2.0, len(kept)))
    changes = {"close": noise, "pe": noise, "text": noise.cast(pl.String)}
    return kept.with_columns(
        pl.when(later).then(changes[name]).otherwise(pl.col(name)).alias(name) for name in kept.columns if name in changes
    )


@pytest.fixture(scope="module")
def original(full_tables) -> Panel:
    return load_panel(full_tables.settings())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(t=st.integers(60, 145), seed=st.integers(0, 2**32 - 1))
def test_a_spoilt_future_changes_nothing_known_before(full_tables, original: Panel, tmp_path: Path, t: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    day = original.dates[t].item()
    spoilt = load_panel(
        full_tables.but(
            folder=tmp_path,
            prices=spoil(full_tables.prices, "date", day, rng),
            features=spoil(full_tables.features, "date", day, rng),
            membership=spoil(full_tables.membership, "date", day, rng),
            texts=spoil(full_tables.texts, "time", datetime.combine(day, time(16)), rng),
        ).settings()
    )
    assert spoilt.stocks == original.stocks
    assert spoilt.modalities() == original.modalities()
    before, after = original.between(end=day), spoilt.between(end=day)
    np.testing.assert_array_equal(before.dates, after.dates)
    np.testing.assert_array_equal(before.member, after.member)
    np.testing.assert_array_equal(before.prices, after.prices)
    for name in before.features:
        np.testing.assert_array_equal(before.features[name].values, after.features[name].values, err_msg=name)
    assert before.texts.equals(after.texts)
    for horizon, values in before.forward_returns.items():
        known = len(before.dates) - horizon - 1
        np.testing.assert_array_equal(values[:, :known], after.forward_returns[horizon][:, :known])


def test_the_present_does_matter(full_tables, original: Panel, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    yesterday = original.dates[99].item()
    spoilt = load_panel(full_tables.but(folder=tmp_path, prices=spoil(full_tables.prices, "date", yesterday, rng)).settings())
    today = original.dates[100].item()
    before, after = original.between(today, today), spoilt.between(today, today)
    assert not np.allclose(before.features["return_1w"].values, after.features["return_1w"].values, equal_nan=True)
