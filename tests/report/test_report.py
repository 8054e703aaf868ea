from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from massjax.report.console import print_summary
from massjax.report.figures import archetype_bands, figures, trailing_mean
from massjax.report.html import render_report
from massjax.report.run import RunResult
from massjax.report.tables import weights_frame

BROWSER = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects tags, links, scripts and text, and checks that tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.data: dict[str, str] = {}
        self.words: list[str] = []
        self.current = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.outside += [f"{tag} {name}={given[name]}" for name in ("src", "href", "action", "data") if name in given]
        self.current = given.get("id") or "" if tag == "script" else ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.data[self.current] = self.data.get(self.current, "") + data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def html(small_run: RunResult) -> str:
    return render_report(small_run)


def test_the_page_is_one_file_that_asks_for_nothing(html: str) -> None:
    page = Page(html)
    assert page.outside == []
    assert "default-src 'none'" in html
    assert html.count("plotly.js v") == 1, "the library is inlined once"
    assert not re.search(r"@import|url\(", html[: html.index("</style>")])


def test_the_page_says_what_was_run_and_shows_the_controls(html: str) -> None:
    text = Page(html).text
    expected = [
        *("What was run", "sp500, 20 stocks", "4 rule", "look-back 15 dates, gap 5", "Annealing: 8 chains of 6 steps", "calm-winners"),
        *("Uniform weights", "Best single archetype", "All members alike", "Promised and kept", "Weights through time", "survived to 2022"),
    ]
    for words in expected:
        assert words in text, words


def test_figures_hold_the_numbers_of_the_run(html: str, small_run: RunResult) -> None:
    data = Page(html).data
    shown = {name.removeprefix("figure-") for name in data if name}
    assert shown == {"rank_ic", "promised", "weights", "equity", "by_year", "luck", "gain"} == set(figures(small_run))
    for name, figure in figures(small_run).items():
        assert len(json.loads(data[f"figure-{name}"])["data"]) == len(figure.data)
    weights = figures(small_run)["weights"]
    totals = np.sum([trace.y for trace in weights.data if trace.stackgroup == "annealing"], axis=0)
    np.testing.assert_allclose(totals, 100.0, rtol=1e-5)
    equity = next(trace for trace in figures(small_run)["equity"].data if trace.name == "Annealing")
    assert equity.y[-1] == small_run.strategy("annealing").portfolio.backtest.equity[-1]  # type: ignore[union-attr]


def test_names_cannot_break_the_page(leaking_run: RunResult) -> None:
    page = Page(render_report(leaking_run))
    assert "a <b>bold</b> & 'odd' name" in page.text
    assert "b" not in page.open


def test_a_leakage_ablation_is_marked_everywhere(leaking_run: RunResult, html: str) -> None:
    page = Page(render_report(leaking_run))
    text = page.text
    assert all("leakage ablation" in data for name, data in page.data.items() if name.startswith("figure-"))
    weighing = {s.name for s in leaking_run.strategies if s.weights.any()}
    assert weighing == {s.name for s in leaking_run.strategies} - {"raw_features"}
    assert set(weights_frame(leaking_run)["method"]) == {f"{name} (leakage ablation)" for name in weighing}
    assert "LEAKAGE ABLATION" in text, "in the title of the page"
    assert text.count("Nothing here is a result") >= 6, "at the top and in every section with figures or tables"
    assert "Leakage ablation" not in html


def test_the_summary_shows_gains_of_what_chose_its_weights_only(small_run: RunResult) -> None:
    further = dataclasses.replace(small_run.strategy("uniform"), name="uniform_llm", label="Uniform, LLM only")
    printed = io.StringIO()
    print_summary(dataclasses.replace(small_run, strategies=(*small_run.strategies, further)), Console(file=printed, width=100))
    promised = printed.getvalue().partition("Promised on the look-back")[2].partition("Long-only")[0]
    figures = {line[:22].strip(): len(line[22:].split()) for line in promised.rpartition("─\n")[2].splitlines() if line.strip()}
    gained, rest = {"Annealing", "Best single archetype"}, {"Uniform weights", "Uniform, LLM only", "Equal risk", "Raw features"}
    assert figures == dict.fromkeys(gained, 6) | {name: 3 for name in rest if name in figures}
    assert "Uniform, LLM only" in figures


def test_rolling_mean_equals_pandas() -> None:
    daily = np.random.default_rng(0).standard_normal(50)
    daily[[3, 4, 20]] = np.nan
    expected = pd.Series(daily).rolling(7, min_periods=1).mean().to_numpy()
    found = trailing_mean(daily, 7)
    np.testing.assert_allclose(found[6:], expected[6:], atol=1e-12)
    assert np.isnan(found[:6]).all()


def test_every_archetype_is_in_one_band(small_run: RunResult) -> None:
    bands = archetype_bands(small_run, [small_run.strategy("annealing")])
    assert sorted(k for _, rows, _ in bands for k in rows) == [0, 1, 2, 3]
    assert all(label.endswith("· rule") for label, _, _ in bands)


def in_browser(html: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    (folder / "report.html").write_text(html)
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
               "--disable-sync", "--no-first-run", f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr",
               "--virtual-time-budget=8000", "--dump-dom", *flags, f"file://{folder / 'report.html'}"]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_a_browser_draws_every_figure(html: str, tmp_path: Path) -> None:
    shown = in_browser(html, tmp_path)
    assert len(re.findall(r'<svg class="main-svg"[^>]*style="[^"]*"', shown.stdout)) >= 4
    assert "Uncaught" not in shown.stderr
    assert "Content Security Policy" not in shown.stderr


MEASURE = """<script>
const right = (place) => Math.max(0, ...[...document.querySelectorAll(place)].map((one) => one.getBoundingClientRect().right));
const plot = document.querySelector("[data-source=figure-weights] .nsewdrag").getBoundingClientRect().width;
const tables = [...document.querySelectorAll(".scroll")];
const signs = tables.map((one) => one.scrollWidth > one.clientWidth + 1 === one.classList.contains("wide"));
document.body.dataset.measured = JSON.stringify({
  width: innerWidth, page: document.documentElement.scrollWidth, facts: right("dl.facts dd"), plot: plot,
  wide: document.querySelectorAll(".scroll.wide").length, signs: signs.every(Boolean),
});
</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_fits_a_phone_and_says_which_tables_scroll(html: str, tmp_path: Path, width: int) -> None:
    shown = in_browser(html.replace("</body>", MEASURE), tmp_path, f"--window-size={width},2400")
    (found,) = re.findall(r'data-measured="([^"]*)"', shown.stdout)
    measured = json.loads(unescape(found))
    assert measured["width"] <= width + 110, "some browsers open no window below 500 pixels"
    assert measured["page"] <= measured["width"]
    assert measured["facts"] <= measured["width"]
    assert measured["plot"] > 0.6 * measured["width"]
    assert measured["signs"]
    assert (measured["wide"] > 0) is (width < 600)
