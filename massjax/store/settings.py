"""How a new store is cut into units."""

from __future__ import annotations

from pydantic import Field

from massjax.settings import Settings


class StoreSettings(Settings):
    """Where the scores are kept; `dates_per_unit` dates of one archetype are one unit of work."""

    dates_per_unit: int = Field(20, ge=1, le=1000)
