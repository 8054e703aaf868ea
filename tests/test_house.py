"""The house: imports run down, in two wings that never touch, without a circle.

A room may import the rooms below it in its own wing, and what both wings stand on. `pipeline` alone knows both; the report sees the
searching wing and, of the other, the two nouns that a reader is told about.
"""

from __future__ import annotations

GROUND = {"errors", "stopping", "terminal", "version", "row_words", "files", "labels", "lookalikes", "settings", "flags", "progress"}
"""What every room may import."""
ASKING = ("scores", "answers", "agents", "models", "market")
SEARCHING = ("evaluate", "search", "portfolio", "engine", "statistics")
BELOW = {room: set(wing[place + 1 :]) for wing in (ASKING, SEARCHING) for place, room in enumerate(wing)}
BELOW |= {"answers": {"models"}, "models": set(), "portfolio": {"statistics"}, "statistics": set(), "simulator": {"statistics"}}
