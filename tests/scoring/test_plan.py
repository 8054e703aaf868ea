"""The plan counts what asking would do, without a model, and changes nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from massjax.agents import TextCounts
from massjax.config import RunConfig
from massjax.machine import Machine
from massjax.models.question import Prompt
from massjax.scoring.examples import Example, lines_of
from massjax.scoring.plan import plan
from massjax.scoring.work import prepare
from massjax.store import ScoreStore
from tests.scoring.test_asking import run
from tests.small_store import written


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
    assert found.estimate.seconds == found.to_ask / 10.0
    assert found.table().row_count == 13


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


def test_one_whole_prompt_an_archetype_and_nothing_in_it_steers_the_terminal(small: dict[str, Any], tmp_path: Path) -> None:
    twin = {"name": "twin", "modalities": ["price"]}
    small["agents"]["archetypes"].append(twin)
    work = prepare(written(small, tmp_path))
    examples = plan(work, tmp_path / "none.zarr").examples
    assert [example.archetypes for example in examples] == [("trend", "twin"), ("careful",)], "the same prompt is shown once"
    for example in examples:
        assert example.about == f"stock {work.panel.stocks[0]} on {work.panel.dates[0]}"
        shown = list(lines_of(example))
        whole = [line for message in example.prompt for line in message.split("\n")]
        assert [line[4:] for line in shown if line.startswith("    ")] == whole
    foreign = Example(("a\x1b]0;x\x07",), "stock X", Prompt("be\x1b[2Jgin", "one\n\u202etwo"))
    assert list(lines_of(foreign)) == [
        "Prompt of archetype a\\x1b]0;x\\x07 about stock X",
        *("  system:", "    be\\x1b[2Jgin", "  user:", "    one", "    \\u202etwo"),
    ]


def test_nothing_is_left_when_a_run_would_ask_nothing(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    assert config.store is not None
    before = plan(prepare(config), config.store)
    assert (before.nothing_left, before.calibrating) == (False, 2)
    run(config)
    after = plan(prepare(config), config.store)
    assert (after.nothing_left, after.calibrating, after.time()) == (True, 0, "none: nothing is left to ask")


def test_a_plan_reckons_with_what_the_runs_of_its_store_took(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    _, store, _ = run(config)
    took = {"prompts": 100, "prompt_tokens": 1000, "cached_tokens": 0, "seconds": 10.0, "machine": "2 CPU cores"}
    ScoreStore.open(store.path, mode="r+").add_run(took)
    small["market"]["end"] = "2022-06-24"
    found = plan(prepare(written(small, tmp_path)), store.path, Machine(0, 2, False))
    assert found.estimate.seconds == found.tokens / 100
    assert "100 tokens a second, as in 1 past run of this store on 2 CPU cores" in found.time()
