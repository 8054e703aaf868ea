"""The whole configuration of a run, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from massjax.agents.settings import AgentsSettings
from massjax.config.reading import override, read_yaml
from massjax.errors import ConfigError
from massjax.evaluate.settings import EvaluateSettings
from massjax.market.settings import MarketSettings
from massjax.models.settings import ScoringSettings
from massjax.settings import ConfigPath, Settings, StorePlace, validate
from massjax.store.settings import StoreSettings


class RunConfig(Settings):
    """Everything a run needs.

    Attributes:
        name: of the run, in its report and in the name of its folder.
        market, agents, scoring, evaluate: settings of the rooms.
        store: the score store, a folder relative to the config file or a URL; None where all archetypes are rules.
        layout: how a new store is cut into units.
        search: mappings with a `method` each (see `massjax.search`); an empty list runs the controls alone.
        seed: of all randomness of the searches.
        out: the run directory; `runs/NAME-TIME` in the current folder by default.
    """

    name: str = Field("run", min_length=1, max_length=100)
    market: MarketSettings = MarketSettings()
    agents: AgentsSettings
    scoring: ScoringSettings = ScoringSettings()
    store: StorePlace | None = None
    layout: StoreSettings = StoreSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    search: tuple[dict[str, Any], ...] = ({"method": "differential_evolution"}, {"method": "gradient"})
    seed: int = Field(0, ge=0, lt=2**32)
    out: ConfigPath | None = None


def load_config(path: Path | str | None = None, assignments: Sequence[str] = ()) -> RunConfig:
    """Read a configuration file and apply `section.key=value` assignments to it.

    Args:
        path: a YAML file; None means `configs/demo.yaml` of the current folder, else of the checkout massjax is installed from.

    Raises:
        ConfigError: naming the file and every key at fault.
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
