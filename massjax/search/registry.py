"""From the mapping in a config to the settings of a search."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from massjax.errors import ConfigError, did_you_mean
from massjax.search.annealing import Annealing
from massjax.search.base import Estimator, Method, Search
from massjax.search.cmaes import CMAES
from massjax.search.evolution import DifferentialEvolution
from massjax.search.gradient import GradientSearch
from massjax.search.own_code import load_named
from massjax.search.posterior import Posterior
from massjax.settings import validate

METHODS: Mapping[str, type[Method]] = MappingProxyType(
    {
        "posterior": Posterior,
        "differential_evolution": DifferentialEvolution,
        "annealing": Annealing,
        "gradient": GradientSearch,
        "cmaes": CMAES,
    }
)
"""The searches of massjax, by the name a config gives them."""


def settings_from_mapping(mapping: Mapping[str, Any]) -> Method:
    """The settings that `{"method": name, ...}` describes.

    Args:
        mapping: `method` is a name of `METHODS`, or `package.module:ClassName` of a `Search` of your own; the rest are its fields.

    Raises:
        ConfigError: the method is missing, unknown or no `Search`, or a field is unknown or out of range.
    """
    if "method" not in mapping:
        raise ConfigError(f"search {dict(mapping)}: 'method' is missing; expected one of {', '.join(METHODS)}, or package.module:ClassName")
    method = mapping["method"]
    fields = {name: value for name, value in mapping.items() if name != "method"}
    return validate(search_class(method), fields, source=f"search method {method!r}")


def search_class(method: object) -> type[Method]:
    """The search that a config names: one of `METHODS`, or `package.module:ClassName`.

    Raises:
        ConfigError: there is none, or it is no `Search`.
    """
    if isinstance(method, str) and method in METHODS:
        return METHODS[method]
    if not isinstance(method, str) or ":" not in method:
        hint = did_you_mean(str(method), METHODS)
        raise ConfigError(f"search method {method!r} is not known{hint}; expected one of {', '.join(METHODS)}, or package.module:ClassName")
    found = load_named(f"search method {method!r}", method)
    if not (isinstance(found, type) and issubclass(found, Search | Estimator)) or inspect.isabstract(found):
        raise ConfigError(
            f"search method {method!r} is not a subclass of massjax.search.Search with `init` and `step` of its own, nor of "
            "massjax.search.Estimator with `prepare` and `weights`"
        )
    return found
