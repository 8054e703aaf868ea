"""How a new store is cut into units."""

from __future__ import annotations

from pydantic import Field

from massjax.settings import Settings


class StoreSettings(Settings):
    """How a new score store is cut into units of work."""

    dates_per_unit: int = Field(
        20,
        ge=1,
        le=1000,
        description="Dates of one archetype that make one unit of work of a new score store: what is written at once, and asked again "
        "after a loss. Raise it for long panels, so that there are fewer files.",
    )
