"""Settings of scores that no model is asked for here."""

from __future__ import annotations

from pydantic import Field

from massjax.settings import ConfigPath, Settings


class ScoresSettings(Settings):
    """Somebody's own scores in place of a language model's."""

    path: ConfigPath = Field(
        description="File in parquet or CSV with the columns `date`, `stock`, `archetype` and `score`: a row for each score, in [0, 1], "
        "higher for better stocks; or the folder of a score tensor or store. All archetypes in it take part, beside the rules of `agents`."
    )
