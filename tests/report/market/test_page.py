"""The page, the files and the summary of a simulated market."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from massjax.config.market_run import load_market_config
from massjax.report.market.console import print_market
from massjax.report.market.figures import figures
from massjax.report.market.page import render_market
from massjax.report.market.result import HILL
from massjax.report.market.run_files import MARKET_RUN, write_market_run
from massjax.report.run_directory import run_directory
from tests.report.market.made_market import CONFIG, made_market

PLACE = re.compile(r'data-source="figure-(\w+)"')
DATA = re.compile(r'<script type="application/json" id="figure-(\w+)">(.*?)</script>', re.DOTALL)


@pytest.mark.parametrize("learned", [True, False])
def test_every_figure_has_its_place_on_a_page_that_needs_no_network(learned: bool) -> None:
    result = made_market(learned=learned)
    page = render_market(result)
    data = dict(DATA.findall(page))
    assert PLACE.findall(page) == list(data)
    assert set(data) == set(figures(result))
    assert ("learning" in data) == learned
    for drawn in data.values():
        assert json.loads(drawn)["data"], "a figure shows something"
    own = page[: page.index("</main>")]
    assert "a &lt;b&gt;bold&lt;/b&gt; name" in own
    assert "<b>bold" not in own
    assert not re.findall(r'(?:src|href)="(?!data:)', own)


def test_tails_are_drawn_on_logarithmic_axes_and_books_from_the_best_price_on() -> None:
    drawn = figures(made_market())
    assert {drawn["tails"].layout[axis].type for axis in ("xaxis", "xaxis2", "yaxis", "yaxis2")} == {"log"}
    buys, sells = drawn["book"].data
    assert (list(buys.x), list(buys.y)) == ([299.0], [7])
    assert (list(sells.x), list(sells.y)) == ([300.5, 301.0], [2, 7])


def test_the_files_hold_what_was_found(tmp_path: Path) -> None:
    with run_directory(tmp_path / "run", kind=MARKET_RUN) as folder:
        write_market_run(made_market(learned=False), folder)
    assert {entry.name for entry in (tmp_path / "run").iterdir()} == MARKET_RUN.own - {"learning.parquet"}
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["populations"]["trained"]["facts"][HILL]["estimate"] == 4.0
    assert metrics["regularities"][3] == {
        "what": "Long memory of volatility", "found": False, "figures": metrics["regularities"][3]["figures"],
    }  # fmt: skip
    assert load_market_config(tmp_path / "run" / "config.yaml") == CONFIG
    with np.load(tmp_path / "run" / "policy.npz", allow_pickle=False) as arrays:
        assert arrays["actor_0_bias"].tolist() == [0.0, 0.0, 0.0]


def test_the_summary_has_health_findings_and_warnings() -> None:
    out = io.StringIO()
    print_market(made_market(("a market whose price does not move",)), Console(file=out, width=100))
    for words in ("not healthy", "18.5", "0.0132", "Busy times move more: yes", "Warning: the trained market is not healthy"):
        assert words in " ".join(out.getvalue().split())
