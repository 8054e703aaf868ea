"""The searches that a configuration lists: what they are called in a run, and the walk of each through time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Shaped

from massjax.errors import ConfigError, LeakageError, error_context
from massjax.evaluate.memory import check_memory
from massjax.evaluate.result import BENCHMARK, BEST_SINGLE, UNIFORM, UNIFORM_LLM, UNIFORM_RULES
from massjax.evaluate.settings import EvaluateSettings
from massjax.evaluate.strategies import Candidate
from massjax.evaluate.walk_forward import walk_forward
from massjax.machine import FreeMemory
from massjax.row_words import counted
from massjax.search import Search, settings_from_mapping

TAKEN_NAMES = {UNIFORM, UNIFORM_LLM, UNIFORM_RULES, BEST_SINGLE, BENCHMARK, "date"}
"""Names that a search of one's own cannot have in the files of a run, where they are those of controls and of a column."""


@dataclass(frozen=True)
class ListedSearch:
    """One of the searches of a run.

    Attributes:
        place: in the list, from 0; errors name it, and randomness depends on it.
        method: as the configuration gives it.
        name: unique in the run.
        search: its settings.
    """

    place: int
    method: str
    name: str
    search: Search

    @property
    def label(self) -> str:
        """The name as tables print it; the class of a search of one's own stays as it is written."""
        words = self.name.replace("_", " ").replace("-", " ")
        return words[:1].upper() + words[1:]

    def written_out(self) -> dict[str, Any]:
        """As the configuration could give it, with every default."""
        return {"method": self.method, **self.search.model_dump(mode="json")}

    def check_memory(self, archetypes: int, dates: int, free: FreeMemory) -> None:
        """Refuse more chains than fit into what is free.

        Raises:
            ConfigError: naming the search, and the number of chains that fits.
        """
        with self._error_context():
            check_memory(self.search, archetypes, dates, free)

    def walk(
        self,
        scores: Float[np.ndarray, "K N T"],
        member: Bool[np.ndarray, "N T"],
        forward_returns: Mapping[int, Float[np.ndarray, "N T"]],
        settings: EvaluateSettings,
        *,
        execution_lag: int,
        seed: int,
        dates: Shaped[np.ndarray, " T"],
        progress: Callable[[int, int], None] | None = None,
    ) -> Candidate:
        """Search on every date with what is known on it; the weights that were found, before they are judged.

        Args:
            scores: NaN where an archetype has none.
            member: True where the stock is in the universe.
            forward_returns: by horizon.
            settings: of the evaluation; `gap` is a number, not None.
            execution_lag: dates from decision to fill.
            seed: of the run.
            dates: labels, for messages.
            progress: called with the dates that are done, and with their number.

        Raises:
            LeakageError: the gap is too short for the horizon.
            ConfigError: naming the search whose settings do not fit the data, or the memory of the device.
        """
        began = time.perf_counter()
        with self._error_context():
            found = walk_forward(
                scores,
                member,
                forward_returns[settings.horizon],
                self.search,
                lookback=settings.lookback,
                gap=settings.gap or 0,
                delay=settings.delay,
                key=jax.random.fold_in(jax.random.key(seed), self.place),
                alpha=settings.alpha,
                signal=settings.signal,
                missing=settings.missing,
                warm_start=settings.warm_start,
                horizon=settings.horizon,
                execution_lag=execution_lag,
                leakage_ablation=settings.leakage_ablation,
                dates=dates,
                progress=progress,
            )
        return Candidate(
            name=self.name,
            label=self.label,
            kind="search",
            ranked_by=settings.signal,
            weights=np.asarray(found.weights, np.float64),
            fitness=np.asarray(found.fitness, np.float64),
            about=f"{counted(self.search.population, 'chain')} of {counted(self.search.steps, 'step')}, every date",
            seconds=time.perf_counter() - began,
        )

    @contextmanager
    def _error_context(self) -> Iterator[None]:
        """Errors that are the fault of the search name its place in the configuration; a gap that leaks is not."""
        place = f"search.{self.place}"
        try:
            yield
        except LeakageError:
            raise
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from error
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            chains = f"{self.search.population:,} chains"
            raise ConfigError(f"{place}: {chains} do not fit into the memory of the device; take fewer") from error


def listed_searches(mappings: Sequence[Mapping[str, Any]]) -> tuple[ListedSearch, ...]:
    """The searches of a configuration, in its order; none for an empty list, which runs the controls alone.

    Args:
        mappings: a `method` each, and its fields (see `massjax.search.settings_from_mapping`).

    Raises:
        ConfigError: naming the place of a search that is unknown, or has an unknown or wrong field.
    """
    searches = []
    for place, mapping in enumerate(mappings):
        with error_context(f"search.{place}"):
            searches.append(settings_from_mapping(mapping))
    methods = [str(mapping["method"]) for mapping in mappings]
    return tuple(
        ListedSearch(place, method, name, search)
        for place, (method, name, search) in enumerate(zip(methods, search_names(methods), searches, strict=True))
    )


def search_names(methods: Sequence[str]) -> list[str]:
    """What searches are called in the files of a run, by their methods: of two alike each has a number, none has one of `TAKEN_NAMES`.

    >>> search_names(["annealing", "annealing", "my.module:uniform"])
    ['annealing-1', 'annealing-2', 'uniform-search']
    """
    short = [method.rpartition(":")[2] for method in methods]
    names = [name if short.count(name) == 1 else f"{name}-{short[: i + 1].count(name)}" for i, name in enumerate(short)]
    return [f"{name}-search" if name in TAKEN_NAMES else name for name in names]
