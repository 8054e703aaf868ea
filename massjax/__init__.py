"""massjax: which mix of LLM investors to trust.

An offline stage scores every archetype of LLM investor × stock × date once with vLLM into a Zarr tensor; an online stage evaluates
thousands of candidate mixes of archetypes ("agent distributions") at once with JAX. The public names are loaded when first used, so
that scoring workers need not import JAX, nor searches vLLM.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from warnings import warn

if TYPE_CHECKING:
    from massjax.answers.log import AnswerLog
    from massjax.config import load_config
    from massjax.engine import Signal, aggregate, fitness
    from massjax.engine.finite.agents import sample_agents
    from massjax.errors import MassjaxError
    from massjax.evaluate.walk_forward import WalkForward, walk_forward
    from massjax.market import Feature, Panel
    from massjax.panel_of_config import load_panel
    from massjax.scores.scores import Scores
    from massjax.search import CMAES, Annealing, DifferentialEvolution, GradientSearch, Posterior, Search, SearchResult, search_window
    from massjax.timing import Timing

_HOME = {
    "AnswerLog": "massjax.answers.log",
    "Annealing": "massjax.search",
    "CMAES": "massjax.search",
    "DifferentialEvolution": "massjax.search",
    "Feature": "massjax.market",
    "GradientSearch": "massjax.search",
    "MassjaxError": "massjax.errors",
    "Panel": "massjax.market",
    "Posterior": "massjax.search",
    "Scores": "massjax.scores.scores",
    "Search": "massjax.search",
    "SearchResult": "massjax.search",
    "Signal": "massjax.engine",
    "Timing": "massjax.timing",
    "WalkForward": "massjax.evaluate.walk_forward",
    "aggregate": "massjax.engine",
    "fitness": "massjax.engine",
    "load_config": "massjax.config",
    "load_panel": "massjax.panel_of_config",
    "sample_agents": "massjax.engine",
    "search_window": "massjax.search",
    "walk_forward": "massjax.evaluate.walk_forward",
}

__all__ = [
    "CMAES",
    "Annealing",
    "AnswerLog",
    "DifferentialEvolution",
    "Feature",
    "GradientSearch",
    "MassjaxError",
    "Panel",
    "Posterior",
    "Scores",
    "Search",
    "SearchResult",
    "Signal",
    "Timing",
    "WalkForward",
    "aggregate",
    "fitness",
    "load_config",
    "load_panel",
    "sample_agents",
    "search_window",
    "walk_forward",
]


_EARLIER = {"ScoreStore": ("massjax.scores.earlier", "Scores")}
"""Names that were public before: where they are, and what they are called now."""


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _EARLIER:
        home, now = _EARLIER[name]
        warn(f"massjax.{name} is massjax.{now} now", DeprecationWarning, stacklevel=2)
        return getattr(import_module(home), name)
    raise AttributeError(f"module 'massjax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
