"""The JSON Schema (draft 2020-12) of a configuration, with which editors complete and check the YAML file while it is written."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from massjax.config.market_run import MarketRunConfig
from massjax.config.reference import prose
from massjax.config.run import RunConfig
from massjax.search.registry import METHODS

OWN_SEARCH = {
    "description": "A search of your own, with the settings that it defines.",
    "properties": {"method": {"description": "Its class, as package.module:ClassName.", "pattern": ".:.", "type": "string"}},
    "required": ["method"],
    "type": "object",
}
HEADING = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$comment": "Made by `python -m massjax.config docs/settings.md configs/schema.json`; a test says when it is stale.",
    "title": "massjax configuration",
}
MARKET_HEADING = {
    **HEADING,
    "$comment": "Made by `python -m massjax.config docs/market_settings.md configs/market_schema.json`; a test says when it is stale.",
    "title": "massjax configuration of a simulated market",
}
UNSAID = frozenset({"path", "time"})
"""Formats that say less, or ask for more, than massjax: a path is any text, and a time of day needs no seconds and no zone."""


def json_schema() -> dict[str, Any]:
    """The schema of a configuration file: relative paths are texts, and an entry of `search` is told by its `method`."""
    _, made = models_json_schema([(model, "validation") for model in (RunConfig, *METHODS.values())])
    definitions = {name: _plain(definition) for name, definition in made["$defs"].items()}
    run = definitions.pop(RunConfig.__name__)
    columns = definitions["FeaturesTable"]["properties"]["columns"]
    columns["additionalProperties"] = {"anyOf": [columns["additionalProperties"], {"type": "string"}]}  # the column's name alone
    hindsight = definitions["AgentsSettings"]["properties"]["hindsight"]
    words = definitions["HindsightSettings"]["properties"]["how"]["enum"]
    hindsight["anyOf"] = [*hindsight["anyOf"], {"enum": words, "type": "string"}]  # the word of `how` alone
    for method, search in METHODS.items():
        definition = definitions[search.__name__]
        definition["properties"] = {"method": {"const": method, "description": "Which search it is."}, **definition["properties"]}
        definition["required"] = ["method", *definition.get("required", [])]
    run["properties"]["search"]["items"] = {"oneOf": [*({"$ref": f"#/$defs/{search.__name__}"} for search in METHODS.values()), OWN_SEARCH]}
    return {**HEADING, **run, "$defs": definitions}


def market_json_schema() -> dict[str, Any]:
    """The schema of the configuration file of a simulated market."""
    _, made = models_json_schema([(MarketRunConfig, "validation")])
    definitions = {name: _plain(definition) for name, definition in made["$defs"].items()}
    run = definitions.pop(MarketRunConfig.__name__)
    return {**MARKET_HEADING, **run, "$defs": definitions}


def _plain(part: Any) -> Any:
    """A schema without what pydantic adds for machines, some versions more than others: titles made of names, defaults of whole sections,
    formats that are `UNSAID`, whole numbers written as 1.0.
    """
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return int(part) if isinstance(part, float) and part.is_integer() else part
    kept = {key: _plain(value) for key, value in part.items()}
    if isinstance(part.get("title"), str):
        del kept["title"]
    if isinstance(part.get("default"), dict) and "$ref" in part:
        del kept["default"]
    if part.get("format") in UNSAID:
        del kept["format"]
    if part.get("additionalProperties") is True:
        del kept["additionalProperties"]
    if isinstance(part.get("description"), str):
        kept["description"] = " ".join(prose(part["description"]).split())
    return kept
