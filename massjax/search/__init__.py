"""Searches for the best agent distribution of a window; one small interface for all of them. Pure JAX, no I/O."""

from massjax.search.annealing import Annealing
from massjax.search.base import Estimator, Method, Search
from massjax.search.cmaes import CMAES
from massjax.search.evaluated import Evaluated, unevaluated
from massjax.search.evolution import DifferentialEvolution
from massjax.search.gradient import GradientSearch
from massjax.search.loop import run_search, search_window
from massjax.search.objectives import DailyObjective, MeanRankIC, Objective, ObjectiveSettings, RobustRankIC, SmoothObjectiveSettings
from massjax.search.posterior import Posterior
from massjax.search.registry import METHODS, settings_from_mapping
from massjax.search.result import SearchResult

__all__ = [
    "CMAES",
    "METHODS",
    "Annealing",
    "DailyObjective",
    "DifferentialEvolution",
    "Estimator",
    "Evaluated",
    "GradientSearch",
    "MeanRankIC",
    "Method",
    "Objective",
    "ObjectiveSettings",
    "Posterior",
    "RobustRankIC",
    "Search",
    "SearchResult",
    "SmoothObjectiveSettings",
    "run_search",
    "search_window",
    "settings_from_mapping",
    "unevaluated",
]
