"""What is measured, and on how many questions."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from pydantic import Field, field_validator

from massjax.errors import did_you_mean
from massjax.settings import Settings

Part: TypeAlias = Literal["probe", "audit", "familiarity", "counterfactual", "cutoff"]
PARTS: tuple[Part, ...] = get_args(Part)
"""The parts in the order in which they are asked: the memory probe, the audit of masks, the familiarity test, counterfactual facts, and
scores before and after the cut-off."""


class MeasureSettings(Settings):
    """What is measured of a model's hindsight."""

    parts: tuple[Part, ...] = Field(PARTS, min_length=1, description="What is measured: any of probe, audit, familiarity, "
        "counterfactual and cutoff; the last compares answers that are there and asks nothing but the probe's questions.")  # fmt: skip
    sample: float = Field(1.0, gt=0.0, le=1.0, description="Share of the dates that probe and familiarity ask about: whole dates, evenly "
        "spaced, so that little power is lost while returns overlap.")  # fmt: skip
    cells: int = Field(400, ge=2, le=10**9, description="Most stocks and dates that the audit asks about for each archetype, and that the "
        "counterfactual does.")  # fmt: skip
    candidates: int = Field(20, ge=2, le=52, description="Most companies that the audit lets the model choose from.")
    by_modality: bool = Field(False, description="Whether the audit also shows each modality alone, to say which facts give a stock away.")
    level: float = Field(0.05, gt=0.0, lt=1.0, description="P-value up to which memory counts as found.")
    rank_ic: float = Field(0.03, gt=0.0, lt=1.0, description="Mean RankIC of memory whose chance of being found is told.")

    @field_validator("parts", mode="before")
    @classmethod
    def _known_parts(cls, parts: object) -> object:
        if isinstance(parts, list | tuple):
            for one in parts:
                if one not in PARTS:
                    raise ValueError(f"there is no part {one!r}{did_you_mean(str(one), PARTS)}; there are {', '.join(PARTS)}")
            return tuple(one for one in PARTS if one in parts)
        return parts
