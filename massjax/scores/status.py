"""Why a cell of the score tensor has a score or has none."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Why a cell has a score or has none."""

    NOT_ASKED = 0
    SCORED = 1
    INVALID = 2
    FAILED = 3
    NOT_APPLICABLE = 4
    RULE = 5
    UNDEFINED = 6
