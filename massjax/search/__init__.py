"""Searches for the best agent distribution of a window; one small protocol for all of them. Pure JAX, no I/O."""

from massjax.search.annealing import Annealing
from massjax.search.evolution import DifferentialEvolution
from massjax.search.gradient import GradientSearch
from massjax.search.protocol import Judged, Objective, Search, unjudged
from massjax.search.registry import METHODS, settings_from_mapping
from massjax.search.run import SearchResult, run_search, search_window

__all__ = [
    "METHODS",
    "Annealing",
    "DifferentialEvolution",
    "GradientSearch",
    "Judged",
    "Objective",
    "Search",
    "SearchResult",
    "run_search",
    "search_window",
    "settings_from_mapping",
    "unjudged",
]
