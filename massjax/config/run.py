"""The whole configuration of a run, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from massjax.agents.settings import AgentsSettings
from massjax.config.reading import override, read_yaml
from massjax.errors import ConfigError
from massjax.evaluate.settings import EvaluateSettings
from massjax.market.settings import MarketSettings
from massjax.models.settings import ModelSettings, ScoringSettings
from massjax.scores.settings import ScoresSettings
from massjax.settings import ConfigPath, Settings, StorePlace, validate


class RunConfig(Settings):
    """Everything a run needs."""

    name: str = Field("run", min_length=1, max_length=100, description="Name of the run, in its report and in the name of its folder.")
    market: MarketSettings = Field(MarketSettings(), description="Which market data to load, and the forward returns.")
    agents: AgentsSettings = Field(AgentsSettings(), description="Archetypes, and how facts become their prompts.")
    scoring: ScoringSettings = Field(ScoringSettings(), description="Which language model scores, and how it is asked.")
    models: dict[str, ModelSettings] = Field(
        default_factory=dict,
        description="Further language models by name, for archetypes and stages that name one as their `model`; the others are asked of "
        "that under `scoring`. Each has the settings of `scoring` that are about the model.",
    )
    scores: ScoresSettings | None = Field(
        None,
        description="Scores of your own in place of a language model's, as a table or as another run's score tensor; null asks a model.",
    )
    store: StorePlace | None = Field(
        None,
        description="Place of the score store, in which answers and the score tensor are kept: a folder, relative to the config file, or a "
        "URL such as s3://bucket/scores. Null where all archetypes are rules.",
    )
    evaluate: EvaluateSettings = Field(EvaluateSettings(), description="How searches walk forward through time, and are judged.")
    search: tuple[dict[str, Any], ...] = Field(
        ({"method": "posterior"},),
        description="Searches to run, each a mapping of a `method` and its settings; a method is a name, or `package.module:ClassName` of "
        "a search or estimator of your own. An empty list runs the controls alone.",
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="Seed of all randomness of the searches; the same seed gives the same run, on one device or many."
    )
    out: ConfigPath | None = Field(
        None,
        description="Run directory to write, relative to the config file; null takes `runs/NAME-TIME` in the current folder. `--out` "
        "overrides it.",
    )

    @model_validator(mode="after")
    def _some_archetypes(self) -> RunConfig:
        agents = self.agents
        if self.scores is None and not agents.archetypes and agents.grid is None and agents.draw is None:
            raise ValueError("agents: no archetypes: list them under agents.archetypes, or give agents.grid or agents.draw")
        return self

    @model_validator(mode="after")
    def _tables_to_map(self) -> RunConfig:
        if self.market.ticker_map and self.market.source == "sp500" and self.scores is None:
            raise ValueError("market.ticker_map is for the identifiers of tables, and market.source 'sp500' reads none")
        return self

    @field_validator("models")
    @classmethod
    def _names_of_models(cls, models: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
        for name in models:
            if name.strip() in ("", "scoring"):
                raise ValueError(f"models: an entry cannot be called {name!r}, which stands for the model of scoring; give it another name")
        return models


def load_config(path: Path | str | None = None, assignments: Sequence[str] = ()) -> RunConfig:
    """Read a configuration file and apply `section.key=value` assignments to it.

    Args:
        path: a YAML file; None means `configs/demo.yaml` of the current folder, else of the checkout massjax is installed from.
        assignments: what `--set` takes on the command line, applied one after the other; values are YAML.

    Returns:
        A `RunConfig`: frozen, every value checked, relative paths made absolute from the folder of the file.

    Raises:
        ConfigError: naming the file and every key at fault.

    Example:
        >>> import tempfile, massjax as mj
        >>> from pathlib import Path
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name, "run.yaml")
        >>> _ = file.write_text('''
        ... market: {source: sp500, start: 2022-01-03, end: 2022-12-28}
        ... agents: {archetypes: [{name: winners, rule: {momentum_6m: 1}}]}
        ... ''')
        >>> config = mj.load_config(file, ["evaluate.lookback=20"])
        >>> config.market.source, config.evaluate.lookback, config.agents.archetypes[0].name
        ('sp500', 20, 'winners')
        >>> mj.load_config(file, ["evaluate.lokback=20"])
        Traceback (most recent call last):
        massjax.errors.ConfigError: ...run.yaml: unknown key 'evaluate.lokback' (did you mean 'lookback'?); known here: ...
        >>> folder.cleanup()
    """
    file = Path(path) if path is not None else default_config()
    values = override(read_yaml(file), list(assignments))
    return validate(RunConfig, values, source=str(file), folder=file.resolve().parent)


def default_config() -> Path:
    """`configs/demo.yaml`, looked for in the current folder and beside the installed package."""
    places = [Path("configs/demo.yaml"), Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"]
    for place in places:
        if place.is_file():
            return place
    raise ConfigError("configs/demo.yaml: not found here; run from the checkout of massjax, or name a file with --config FILE")
