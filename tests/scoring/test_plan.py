"""The plan counts what asking would do, without a model, and changes nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from massjax.agents import TextCounts
from massjax.config import RunConfig
from massjax.scoring.plan import plan
from massjax.scoring.work import prepare
from tests.scoring.conftest import written
from tests.scoring.test_asking import run


def test_before_and_after_a_run(small_config: RunConfig) -> None:
    assert small_config.store is not None
    work = prepare(small_config)
    before = plan(work, small_config.store)
    assert not small_config.store.exists()
    assert (before.scores, before.stored, before.rule_scores) == (2 * 20 * 12, 0, 20 * 12)
    assert before.prompts == before.to_ask == sum(len(p.prompts) for p in work.prompts.values())
    assert 0 < before.shared < before.tokens
    run(small_config)
    after = plan(work, small_config.store)
    assert (after.stored, after.to_ask, after.tokens) == (after.scores, 0, 0)


def test_a_price_gives_a_cost_and_a_rate_a_time(small: dict[str, Any], tmp_path: Any) -> None:
    small["scoring"] |= {"price_per_million_tokens": 2.0, "prompts_per_second": 10.0}
    work = prepare(written(small, tmp_path))
    found = plan(work, tmp_path / "none.zarr")
    assert found.cost == found.tokens * 2e-6
    assert found.seconds == found.to_ask / 10.0
    assert found.table().row_count == 11


def test_a_grown_run_needs_only_the_rest(small: dict[str, Any], tmp_path: Any) -> None:
    run(written(small, tmp_path))
    small["market"]["end"] = "2022-06-24"
    config = written(small, tmp_path)
    assert config.store is not None
    found = plan(prepare(config), config.store)
    assert 0 < found.to_ask < found.prompts
    assert found.stored >= 2 * 20 * 12


def test_texts_known_shown_and_left_out_are_counted(tmp_path: Path) -> None:
    days = [date(2022, 1, 3) + timedelta(days=n) for n in range(5)]
    prices = [(day, stock, 10.0 + n) for n, day in enumerate(days) for stock in "AB"]
    pl.DataFrame(prices, schema=["date", "stock", "close"], orient="row").write_csv(tmp_path / "prices.csv")
    news = [(datetime(2022, 1, 4, hour), "A", f"news of {hour}") for hour in (8, 9, 10)] + [(datetime(2022, 1, 4, 11), "A", "NEWS of 10!")]
    pl.DataFrame(news, schema=["time", "stock", "text"], orient="row").write_csv(tmp_path / "news.csv")
    values = {
        "market": {
            "source": "tables",
            "prices": {"path": "prices.csv"},
            "texts": [{"path": "news.csv", "timestamp": "time"}],
            "horizons": [1],
            "price_features": False,
        },
        "agents": {"archetypes": [{"name": "reader", "modalities": ["news"]}], "texts_per_prompt": 2},
        "scoring": {"engine": "fake"},
    }
    found = plan(prepare(written(values, tmp_path)), tmp_path / "none.zarr")
    assert found.given == TextCounts(known=4, shown=2, repeated=1, left_out=1)
    labels, counts = (list(column.cells) for column in found.table().columns)
    rows = dict(zip(labels, counts, strict=True))
    assert (rows["texts known"], rows["of them shown in a prompt"], rows["left out: beyond agents.texts_per_prompt"]) == ("4", "2", "1")
