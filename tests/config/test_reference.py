"""The reference of all settings: on the command line, as a page, and as the schema that editors check a configuration with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from massjax import optimize, precompute
from massjax.config.__main__ import main as write, market_page, market_schema_text, reference_page, schema_text
from massjax.config.json_schema import json_schema, market_json_schema
from massjax.config.printed import markdown_page, terminal_page
from massjax.config.reading import read_yaml
from massjax.config.reference import Section, Setting, look_up, market_sections, sections
from massjax.config.yaml_text import parse_yaml
from massjax.errors import ConfigError
from massjax.search.registry import METHODS
from tests.config.test_config import OF_OTHER_COMMANDS

REGENERATE = "python -m massjax.config docs/settings.md configs/schema.json docs/market_settings.md configs/market_schema.json"
OWN_SEARCH = '''
"""A search of one's own."""

from pydantic import Field

from massjax.search import Annealing


class Climber(Annealing):
    """Climbs."""

    stride: float = Field(0.3, gt=0, le=100, description="Standard deviation of a move\\x1b[2J, as a share.")
    bare: int = 1
'''


def keys(query: str) -> list[str]:
    return [setting.key for section in look_up(query) for setting in section.settings]


def schema_faults(values: dict[str, Any], schema: dict[str, Any] | None = None) -> list[str]:
    """What the schema has against the values of a YAML file; dates are the texts that an editor takes them for."""
    plain = json.loads(json.dumps(values, default=str))
    checker = jsonschema.Draft202012Validator(schema or json_schema(), format_checker=jsonschema.FormatChecker())
    return [f"{fault.json_path}: {fault.message}" for fault in checker.iter_errors(plain)]


@pytest.mark.parametrize(
    ("file", "made"),
    [
        ("docs/settings.md", reference_page),
        ("configs/schema.json", schema_text),
        ("docs/market_settings.md", market_page),
        ("configs/market_schema.json", market_schema_text),
    ],
)
def test_what_is_made_from_the_settings_is_not_stale(root: Path, file: str, made: Callable[[], str]) -> None:
    assert (root / file).read_text(encoding="utf-8") == made(), f"{file} is stale; make it anew: {REGENERATE}"


def test_the_settings_of_a_market_are_found_by_section_and_by_name() -> None:
    found = look_up("simulation.traits.noise_mean", market_sections())
    assert [setting.key for section in found for setting in section.settings] == ["simulation.traits.noise_mean"]
    with pytest.raises(ConfigError, match=r"'lookback': no setting is called so.*such as simulation, simulation\.market or"):
        look_up("lookback", market_sections())


def test_the_command_writes_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "settings.md", tmp_path / "schema.json"]
    assert write([str(file) for file in files]) == 0
    assert [file.read_text(encoding="utf-8") for file in files] == [reference_page(), schema_text()]
    with pytest.raises(SystemExit):
        write([str(files[0]), str(tmp_path / "settings.rst")])
    assert "ends in .md or .json" in capsys.readouterr().err


def test_every_setting_is_in_the_reference_once() -> None:
    rows = [setting for section in sections() for setting in section.settings]
    assert len({row.key for row in rows}) == len(rows) >= 165
    assert all(row.description and row.kind for row in rows)
    assert {"name", "market.texts.cutoff", "market.features.columns.style", "evaluate.backtest.cost", "search.gradient.prior"} <= {
        row.key for row in rows
    }


@pytest.mark.parametrize(
    ("key", "kind", "default"),
    [
        ("market.execution_lag", "whole number, 0 to 20", "1"),
        ("market.periods_per_year", "number, above 0 and at most 366, or null", "null"),
        ("market.horizons", "list of whole numbers, at least 1 entry", "[1, 5, 10]"),
        ("market.features", "list of mappings", "[]"),
        ("market.prices.path", "path", "required"),
        ("market.texts.cutoff", "time of day", '"16:00"'),
        ("market.forward_returns.columns", "mapping of whole numbers to texts, at least 1 entry", "required"),
        ("agents.grid.modalities", "list of lists of texts, at least 1 entry", "required"),
        ("agents.grid.horizon", "list of `days`, `weeks` or `months`", '["weeks"]'),
        ("agents.stages.instruction", "text, at least 1 character", "required"),
        ("scoring.choices", "list of texts, 2 to 32 entries", '["1", "2", "3", "4", "5"]'),
        ("scoring.prefill", "text", '""'),
        ("scoring.endpoint.extra", "mapping", "{}"),
        ("store", "path or URL or null", "null"),
        ("evaluate.backtest", "mapping", ""),
        ("evaluate.backtest.cost", "number, at least 0 and below 0.5", "0.001"),
        ("search.gradient.objective", "mapping", ""),
        ("search.gradient.objective.smooth", "`soft_rank_ic`, `ic` or `perturbed_rank_ic`", "soft_rank_ic"),
        ("search.annealing.objective.blocks", "whole number, 2 to 10,000, or null", "null"),
        ("search.gradient.noise", "number, 1e-06 to 100", "0.1"),
        ("search.annealing.restart_after", "whole number, 1 to 10,000,000, or null", "null"),
    ],
)
def test_types_bounds_and_defaults_are_in_words(key: str, kind: str, default: str) -> None:
    (section,) = (section for section in sections() if any(setting.key == key for setting in section.settings))
    (row,) = (setting for setting in section.settings if setting.key == key)
    assert (row.kind, row.default) == (kind, default)


SEARCHES = tuple(METHODS)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("evaluate.lookback", ["evaluate.lookback"]),
        (" Evaluate.Lookback. ", ["evaluate.lookback"]),
        ("market.membership", [f"market.membership{name}" for name in ("", ".path", ".date", ".stock")]),
        (
            "lookback",
            ["evaluate.lookback", *(f"search.{method}.lookback" for method in SEARCHES)],
        ),
        ("backtest.cost", ["evaluate.backtest.cost"]),
        ("agents.archetypes.0.horizon", ["agents.archetypes.horizon"]),
        ("market.features.N.columns.NAME.style", ["market.features.columns.style"]),
        ("market.texts.N.cutoff", ["market.texts.cutoff"]),
        ("market.membership.KEY=VALUE", [f"market.membership{name}" for name in ("", ".path", ".date", ".stock")]),
        ("agents.archetypes.N.name", ["agents.archetypes.name"]),
        ("search.0.steps", [f"search.{method}.steps" for method in SEARCHES if method != "posterior"]),
        ("search.gradient.steps", ["search.gradient.steps"]),
        ("scores", ["scores", "scores.path"]),
        ("delisting", ["evaluate.backtest.delisting_return"]),
        (
            "jinja",
            [
                "agents.template",
                "agents.archetypes.roles.template",
                "agents.stages.template",
                "agents.protocols.roles.template",
            ],
        ),
    ],
)
def test_sections_settings_and_words_are_found(query: str, expected: list[str]) -> None:
    assert keys(query) == expected


def test_a_section_comes_with_those_within_it() -> None:
    assert [section.key for section in look_up("market.features")] == ["market", "market.features", "market.features.columns"]
    assert [section.place for section in look_up("market.features.columns")][-1] == "market.features.N.columns.NAME"
    assert keys("") == keys(".") == [setting.key for section in sections() for setting in section.settings]
    assert next(section.key for section in look_up("search")) == ""


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("markt", "did you mean 'market'"),
        ("market.prcies", "did you mean 'market.prices'"),
        ("search.gradent", "did you mean 'search.gradient'"),
        ("evaluate.lokback", "did you mean 'evaluate.lookback'"),
        ("delai", "did you mean 'delay'"),
        ("märkt.prïces", "did you mean 'market.prices'"),
        ("\N{SNOWMAN}", "expected a section such as market"),
        ("a", "expected a section such as market"),
        ("x" * 10_000, "expected a section such as market"),
        (".*", "expected a section such as market"),
        ("market prices", "expected a section such as market"),
        ("search.nowhere_here:Climber", "cannot be imported"),
        ("search.massjax.search:Climbr", "has no 'Climbr'"),
        ("os:path", "not a subclass"),
        (":", "Empty module name"),
    ],
)
def test_an_unknown_section_is_refused_with_the_nearest(query: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        look_up(query)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_search_of_ones_own_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "climber_of_a_test.py").write_text(OWN_SEARCH)
    monkeypatch.syspath_prepend(tmp_path)
    section, objective = look_up("search.climber_of_a_test:Climber")
    assert section.text.startswith("Climbs. An entry of `search` with `method: climber_of_a_test:Climber`.")
    assert objective.place == "search.N.objective"
    page = terminal_page([section], 80)
    assert "search.climber_of_a_test:Climber.stride\n      [number, above 0 and at most 100; default 0.3]" in page
    assert page.endswith("search.climber_of_a_test:Climber.bare\n      [whole number; default 1]")
    assert r"\x1b[2J" in page
    assert "\x1b" not in page


@pytest.mark.parametrize("width", [-1, 0, 1, 30, 50, 80, 500])
def test_a_page_is_as_wide_as_the_terminal_and_80_columns_at_most(width: int) -> None:
    lines = terminal_page(sections(), width).split("\n")
    too_long = [line for line in lines if len(line) > max(30, min(80, width)) and " " in line.strip()]
    assert too_long == []
    assert all(line == line.rstrip() for line in lines)


def test_a_page_shows_a_section_its_place_and_its_settings() -> None:
    row = Setting("a.b.c", "number", "1.5", "What | it is.")
    section = Section("a.b", "a.N.b", "Some of\n\nthem.", (row,))
    assert terminal_page([section], 80) == (
        "a.b\n  Some of them. In --set: a.N.b.KEY=VALUE.\n\n  a.b.c\n      [number; default 1.5]\n      What | it is."
    )
    page = markdown_page([section])
    assert "## a.b\n\nSome of them. In `--set`: `a.N.b.KEY=VALUE`.\n" in page
    assert "\n| `c` | number | `1.5` | What \\| it is. |\n" in page


@pytest.mark.parametrize("command", [optimize.main, precompute.main])
def test_both_commands_print_settings_and_end(command: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command(["--help-settings", "evaluate.lookback"])
    assert ended.value.code in (0, None)
    printed = capsys.readouterr().out
    assert "evaluate.lookback\n      [`auto` or whole number; default auto]\n      Number of past dates" in printed
    assert "\x1b" not in printed
    with pytest.raises(SystemExit):
        command(["--help-settings"])
    printed = capsys.readouterr().out
    assert printed.startswith("the whole configuration\n")
    assert "One section alone: --help-settings SECTION, of market, market.prices" in printed
    assert command(["--help-settings", "markt"]) == 2
    assert "did you mean 'market'" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("command", [optimize.main, precompute.main])
def test_a_full_disk_ends_the_printing_of_settings(
    command: Callable[[list[str]], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert command(["--help-settings"]) == 2
    assert capsys.readouterr().err == "error: the settings cannot be printed (No space left on device)\n"


def test_settings_have_nowhere_to_go_where_stdout_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(SystemExit) as ended:
        optimize.main(["--help-settings"])
    assert ended.value.code in (0, None)


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "docs" / "settings.md"
    assert write([str(page)]) == 2
    assert capsys.readouterr().err == f"error: {page}: cannot be written (No such file or directory)\n"


def test_the_schema_accepts_every_config(root: Path) -> None:
    files = [file for file in sorted((root / "configs").glob("*.yaml")) if file.name not in OF_OTHER_COMMANDS]
    assert len(files) >= 4
    for file in files:
        of_a_market = file.name == "market.yaml"
        assert schema_faults(read_yaml(file), market_json_schema() if of_a_market else None) == [], file
        named = "market_schema.json" if of_a_market else "schema.json"
        assert file.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema={named}\n"), file


AGENTS = "agents: {archetypes: [{name: a, modalities: [price]}]}\n"


@pytest.mark.parametrize(
    "text",
    [
        "market: {source: tables, prices: {path: p.csv}, only: [000001, 600000, AAPL], ticker_map: {600519: 600519.SH, '1': '000001'}}",
        "market: {source: tables, prices: {path: p.csv}, features: [{path: f, modality: m, columns: {pe: ratio, ey: {column: e}}}]}",
        "market: {source: tables, forward_returns: {path: p.csv, columns: {5: return_5d}}}",
        "market: {source: tables, prices: {path: p.csv}, texts: [{path: t, cutoff: '15:00', timezone: Asia/Shanghai}], start: 2021-01-04}",
        "search: []",
        "search: [{method: 'climber:HillClimber', climbers: 256, stride: 0.2}, {method: gradient, optimizer: adamw, prior: null}]",
        "store: s3://bucket/scores.zarr\nout: runs/a",
        "scoring: {engine: openai, endpoint: {url: 'http://here/v1', extra: {chat_template_kwargs: {enable_thinking: false}}}}",
    ],
)
def test_the_schema_accepts_what_yaml_configurations_hold(text: str) -> None:
    assert schema_faults(parse_yaml(AGENTS + text)) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("evaluate: {lookbak: 3}", "$.evaluate"),
        ("evaluate: {lookback: 0}", "$.evaluate.lookback"),
        ("search: [{method: anealing}]", "$.search[0]"),
        ("search: [{method: annealing, restarts: 3}]", "$.search[0]"),
        ("search: [{chains: 3}]", "$.search[0]"),
        ("search: {method: annealing}", "$.search"),
        ("market:", "$.market"),
        ("market: {start: soon}", "$.market.start"),
        ("market: {source: tables, prices: {}}", "$.market.prices"),
        ("name: 7", "$.name"),
    ],
)
def test_the_schema_names_what_the_reader_refuses(text: str, place: str) -> None:
    assert [fault.split(":")[0] for fault in schema_faults(parse_yaml(AGENTS + text))] == [place]


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert schema_faults({}) == [], "scores of one's own need no agents"
