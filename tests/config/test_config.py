"""Settings: what is accepted, and that every refusal names file, key and the nearest known name."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from massjax.agents.settings import AgentsSettings
from massjax.config import RunConfig, load_config
from massjax.config.market_run import MarketRunConfig, load_market_config
from massjax.config.reading import override
from massjax.errors import ConfigError
from massjax.evaluate.settings import EvaluateSettings
from massjax.market.settings import FeaturesTable, MarketSettings
from massjax.models.settings import ScoringSettings
from massjax.portfolio.settings import BacktestSettings
from massjax.scores.settings import ScoresSettings
from massjax.search import Annealing, DifferentialEvolution, GradientSearch, Search
from massjax.settings import absolute, validate

AGENTS = "agents: {archetypes: [{name: a, modalities: [price]}]}\n"
OF_OTHER_COMMANDS = {"calibrate.yaml"}
"""Bundled configurations that are none of a run; each has a test beside its command's."""


def write(folder: Path, text: str) -> Path:
    file = folder / "run.yaml"
    file.write_text(text)
    return file


def test_bundled_configs_are_valid(root: Path) -> None:
    files = sorted((root / "configs").glob("*.yaml"))
    assert root / "configs" / "demo.yaml" in files
    for file in files:
        if file.name not in OF_OTHER_COMMANDS:
            of_a_market = file.name == "market.yaml"
            assert isinstance(load_market_config(file), MarketRunConfig) if of_a_market else isinstance(load_config(file), RunConfig)


def test_demo_defines_sixteen_distinct_archetypes(root: Path) -> None:
    archetypes = load_config(root / "configs" / "demo.yaml").agents.archetypes
    assert len(archetypes) == 16
    assert len({a.model_dump_json(exclude={"name"}) for a in archetypes}) == 16


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, AGENTS + "store: scores.zarr\nscoring: {model: ./model}\n")
    config = load_config(file)
    assert config.store == tmp_path / "scores.zarr"
    assert config.scoring.model == str(tmp_path / "model")
    assert load_config(file, ["scoring.model=owner/name"]).scoring.model == "owner/name"


def test_a_bare_model_name_is_a_folder_beside_the_config_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, AGENTS)

    def model(name: str) -> str:
        return load_config(file, [f"scoring.model={name}"]).scoring.model

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert model("smollm2") == "smollm2"
    for folder in ("smollm2", "owner/name"):
        (tmp_path / folder).mkdir(parents=True)
    assert model("smollm2") == str(tmp_path / "smollm2")
    assert model("owner/name") == "owner/name"
    (tmp_path / "owner/name/config.json").write_text("{}")
    assert model("owner/name") == str(tmp_path / "owner/name")
    assert load_config(file).scoring.model == ""
    (tmp_path / "file").write_text("x")
    assert model("file") == "file"
    config = load_config(file, ["scoring.model=smollm2"])
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("place", ["s3://bucket/scores.zarr", "gs://bucket/a//b.zarr", "file:///data/scores.zarr"])
def test_a_store_at_a_url_stays_as_it_is(tmp_path: Path, place: str) -> None:
    config = load_config(write(tmp_path, AGENTS + f"store: {place}\n"))
    assert config.store == place
    assert isinstance(config.store, str)
    assert isinstance(config.replace(store=Path(place)).store, str)
    assert (absolute(place), absolute("c.zarr")) == (place, Path.cwd() / "c.zarr")
    assert config.replace(seed=3).store == place
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert config.model_dump(mode="json")["store"] == place
    with pytest.raises(ConfigError, match=r"store: expected a path, or a URL such as s3://.* \(given: 7\)"):
        load_config(tmp_path / "run.yaml", ["store=7"])


def test_overrides_reach_sections_and_lists(tmp_path: Path) -> None:
    file = write(tmp_path, AGENTS + "search: [{method: annealing, steps: 20}]\n")
    config = load_config(file, ["evaluate.lookback=7", "search.0.steps=3", "agents.archetypes.0.horizon=days", "market.horizons=[5]"])
    assert config.evaluate.lookback == 7
    assert config.search[0]["steps"] == 3
    assert config.agents.archetypes[0].horizon == "days"
    assert config.market.horizons == (5,)


@pytest.mark.parametrize("assignment", ["evaluate", "=3", "search.x.steps=3", "search.9.steps=3", "name.x=1", "name={", "name=2022-02-30"])
def test_an_impossible_override_is_refused(assignment: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        override({"name": "x", "search": [{"steps": 1}]}, [assignment])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("agents: {archetypes: [{name: a, modalitis: [price]}]}", ["agents.archetypes.0.modalitis", "did you mean 'modalities'"]),
        ("evaluat: {}\n" + AGENTS, ["'evaluat'", "did you mean 'evaluate'"]),
        (AGENTS + "evaluate: {lookback: many}", ["evaluate.lookback", "integer", "'many'"]),
        (AGENTS + "evaluate: {backtest: {quantil: 0.1}}", ["evaluate.backtest.quantil", "did you mean 'quantile'"]),
        (AGENTS + "evaluate: {alpha: 1.5}", ["evaluate.alpha", "1.5"]),
        (AGENTS + "market: {source: sp400}", ["market.source", "sp500"]),
        (AGENTS + "market: {source: mass}", ["market.folder"]),
        (AGENTS + "market: {source: tables}", ["market.prices"]),
        (AGENTS + "market: {start: 2022-02-01, end: 2022-01-01}", ["market.start", "after market.end"]),
        (AGENTS + "market: {horizons: [5, 5]}", ["horizons", "distinct"]),
        (AGENTS + "scoring: {choices: ['1']}", ["scoring.choices"]),
        (AGENTS + "scoring: {choices: ['1', '1']}", ["scoring.choices", "distinct"]),
        (AGENTS + "scoring: {choices: ['1', ' 1']}", ["scoring.choices: ' 1' is another one or nothing once blanks"]),
        (AGENTS + "scoring: {choices: ['1', ' ']}", ["scoring.choices: ' ' is another one or nothing once blanks"]),
        (AGENTS + 'scoring: {choices: ["1", "2\\0"]}', ["holds a character that no answer shows"]),
        ("agents: {}", ["agents", "no archetypes"]),
        ("agents: {archetypes: [{name: a}]}", ["'a'", "modalities"]),
        ("agents: {archetypes: [{name: 'a/../b', modalities: [x]}]}", ["letters, digits"]),
        ("agents: {archetypes: [{name: a, rule: {x: 1}, persona: b}]}", ["'a'", "rule"]),
        ("agents: {archetypes: [{name: a, rule: {x: 0}}]}", ["'a'", "weight other than 0"]),
        (AGENTS + "evaluate: {alpha: 0.1}\nevaluate: {alpha: 0.2}", ["'evaluate' is there twice", "line 3"]),
        (AGENTS + "market:\n  start: 2020-13-45", ["'2020-13-45': month must be in 1..12", "line 3, column 10"]),
        (AGENTS + "seed: 0x_", ["'0x_'", "line 2, column 7"]),
        (AGENTS + "store: ~nosuchuser/x", ["store", "no such home directory"]),
        (AGENTS + "search: {method: annealing}", ["search: expected a list"]),
        (AGENTS + "market: {source: tables, texts: [{path: x, timezone: Mars/X}]}", ["market.texts.0.timezone", "Mars/X"]),
        (AGENTS + "market: {start: 2022-02-30}", ["not valid YAML", "day"]),
        (AGENTS + "evaluate: {lookback: true}", ["evaluate.lookback", "expected a number, found true"]),
        (AGENTS + "evaluate: {alpha: false}", ["evaluate.alpha", "expected a number, found false"]),
        (AGENTS + "market: {horizons: [yes, 5]}", ["market.horizons", "expected a number, found true"]),
        (AGENTS + "market: {source: tables, forward_returns: {path: x, columns: {0: a}}}", ["forward_returns.columns.0", "greater than"]),
        (AGENTS + "market: {source: tables, forward_returns: {path: x, columns: {-5: a}}}", ["forward_returns.columns.-5", "greater than"]),
        (AGENTS + "market: {source: tables, forward_returns: {path: x, columns: {true: a}}}", ["key True", "found true"]),
        (AGENTS + "market: {start: 20220103}", ["market.start", "a date such as 2022-01-03", "20220103"]),
        (AGENTS + "market: {start: '20220103'}", ["market.start", "a date such as 2022-01-03"]),
        (AGENTS + "market: {source: tables, texts: [{path: x, cutoff: 16:00}]}", ["market.texts.0.cutoff", "in quotes", "960"]),
        ("agents: {archetypes: [{name: a, rule: {x: true}}]}", ["agents.archetypes.0.rule", "x: expected a number, found true"]),
        (AGENTS + "market: {source: tables, prices: x.csv}", ["market.prices: expected a mapping", "'x.csv'"]),
        (
            AGENTS + "market: {source: tables, features: [{path: x, modality: m, columns: {a: {colum: b}}}]}",
            ["a.colum", "'column'"],
        ),
        (AGENTS + "name: no", ["name: expected text, found false: YAML takes yes, no, on", "in quotes"]),
        (AGENTS + "name: 2021-01-04", ["name: expected text, found the date 2021-01-04; put it in quotes"]),
        (AGENTS + "market: {only: [ON, AAPL]}", ["market.only", "found true", "put it in quotes"]),
        (AGENTS + "market: {source: tables, prices: {path: x, stock: on}}", ["market.prices.stock", "found true"]),
        (AGENTS + "market: {source: tables, ticker_map: {NO: A}, prices: {path: x}}", ["market.ticker_map: key False", "put it in quotes"]),
        (AGENTS + "market: {source: sp500, ticker_map: {A: B}}", ["market.ticker_map is for the identifiers of tables"]),
        (AGENTS + "models: {scoring: {engine: fake}}", ["models: an entry cannot be called 'scoring'"]),
        (AGENTS + "models: {'': {engine: fake}}", ["models: an entry cannot be called ''"]),
        (AGENTS + "market:", ["market: expected a mapping, found nothing"]),
        ("", ["expected a mapping of settings", "found nothing"]),
        ("name: x\n\tmarket: {}", ["not valid YAML", "never with tabs"]),
        ("name: x", ["agents: no archetypes: list them under agents.archetypes"]),
        ("- 1", ["expected a mapping"]),
        ("a: [", ["not valid YAML"]),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    for word in [str(file), *words]:
        assert word in str(caught.value)


def test_a_long_value_is_not_repeated_whole(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, AGENTS + f"evaluate: {{lookback: {'x' * 10_000}}}"))
    assert len(str(caught.value)) < 400


def test_a_true_switch_and_a_whole_number_are_what_they_are() -> None:
    assert EvaluateSettings(warm_start=True, alpha=1, gap=None).alpha == 1.0
    assert validate(FeaturesTable, {"path": "x", "modality": "m", "columns": {"pe": "ratio"}}, "here").columns["pe"].column == "ratio"


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 settings are wrong") as caught:
        load_config(write(tmp_path, AGENTS + "evaluate: {lookback: 0, gap: -1}"))
    assert "evaluate.lookback" in str(caught.value)
    assert "evaluate.gap" in str(caught.value)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a text file"):
        load_config(tmp_path / "binary.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        load_config(tmp_path)


def test_settings_are_immutable_hashable_and_replaceable() -> None:
    settings = EvaluateSettings(lookback=5)
    assert hash(settings) == hash(EvaluateSettings(lookback=5))
    with pytest.raises(ValueError, match="frozen"):
        settings.lookback = 6  # type: ignore[misc]
    assert settings.replace(lookback=6).lookback == 6
    with pytest.raises(ConfigError, match="lookback"):
        settings.replace(lookback=0)


def test_sections_stand_on_their_own() -> None:
    assert MarketSettings().source == "sp500"
    assert ScoringSettings().engine == "vllm"
    assert AgentsSettings().archetypes == ()
    with pytest.raises(ConfigError, match="here"):
        validate(ScoresSettings, {}, "here")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Annealing(chain=5), r"Annealing: unknown key 'chain' \(did you mean 'chains'\?\); known here: average, chains, cooling"),
        (lambda: Annealing(chains="many"), r"Annealing: chains: .*integer.*given: 'many'"),
        (lambda: Annealing(chains=True), "Annealing: chains: expected a number, found true"),
        (lambda: GradientSearch(optimizer="adm"), "GradientSearch: optimizer.*did you mean 'adam'"),
        (lambda: BacktestSettings(quantil=0.1), "BacktestSettings: unknown key 'quantil' .did you mean 'quantile'"),
        (lambda: EvaluateSettings(backtest={"evry": 3}), "EvaluateSettings: unknown key 'backtest.evry' .did you mean 'every'"),
        (lambda: DifferentialEvolution(smallest_scale=2.0), "smallest_scale 2.0 is above largest_scale 1.0"),
        (lambda: RunConfig(), "RunConfig: agents: no archetypes: list them"),
    ],
)
def test_a_fault_made_in_python_is_named_as_in_a_file(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_pydantic_stays_pydantic() -> None:
    with pytest.raises(ValidationError):
        Annealing.model_validate({"chain": 5})
    settings = Annealing(chains=5)
    assert Annealing.model_validate(settings.model_dump()) == settings == Annealing.model_validate_json(settings.model_dump_json())
    assert settings.model_copy(update={"chains": 6}).chains == 6
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(TypeError, match="abstract"):
        Search()  # type: ignore[abstract]
