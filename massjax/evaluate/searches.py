"""The searches that a configuration lists: what they are called in a run, and the walk of each through time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Shaped, UInt32

from massjax.engine.blocks import MovedStocks
from massjax.engine.inputs import check_alpha, check_inputs
from massjax.errors import ConfigError, LeakageError, error_context
from massjax.evaluate.candidates import Candidate
from massjax.evaluate.found import find_weights, in_sample_fitness, on_host
from massjax.evaluate.memory import check_estimator, check_memory
from massjax.evaluate.named_signals import named_signal, signal_name
from massjax.evaluate.refitted import refitted
from massjax.evaluate.result import (
    BENCHMARK,
    BEST_SINGLE,
    EQUAL_RISK,
    LIGHTGBM,
    PERMUTED,
    RAW_FEATURES,
    UNIFORM,
    UNIFORM_LLM,
    UNIFORM_RULES,
)
from massjax.evaluate.settings import EvaluateSettings
from massjax.machine import FreeMemory
from massjax.row_words import counted
from massjax.search import Estimator, Method, Search, settings_from_mapping
from massjax.statistics.circular_shifts import stock_permutations
from massjax.timing import Timing

TAKEN_NAMES = {
    UNIFORM,
    UNIFORM_LLM,
    UNIFORM_RULES,
    BEST_SINGLE,
    EQUAL_RISK,
    RAW_FEATURES,
    PERMUTED,
    LIGHTGBM,
    BENCHMARK,
    "date",
}
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
    search: Method

    @property
    def label(self) -> str:
        """The name as tables print it; the class of a search of one's own stays as it is written."""
        words = self.name.replace("_", " ").replace("-", " ").replace("cmaes", "CMA-ES")
        return words[:1].upper() + words[1:]

    def written_out(self) -> dict[str, Any]:
        """As the configuration could give it, with every default."""
        return {"method": self.method, **self.search.model_dump(mode="json")}

    def reads_windows(self, settings: EvaluateSettings) -> bool:
        """Whether it reads no more of the scores at once than a block of dates, or the dates of a few windows of a fixed length."""
        if isinstance(self.search, Estimator):
            return self.search.by_blocks
        lookback = settings.lookback if self.search.lookback is None else self.search.lookback
        return lookback != "auto"

    def held_with_scores(self, archetypes: int, stocks: int, dates: int) -> int:
        """Bytes that an estimator holds beside scores in memory; what the chains of a search take does not hang on where scores lie."""
        return sum(self.search.held_bytes(archetypes, stocks, dates)) if isinstance(self.search, Estimator) else 0

    def check_memory(self, archetypes: int, dates: int, free: FreeMemory, *, stocks: int = 0, mapped: bool = False) -> None:
        """Refuse more chains than fit into what is free, and an estimator that holds more.

        Args:
            archetypes: K.
            dates: T.
            free: before the scores were read.
            stocks: N.
            mapped: whether the scores lie in a file.

        Raises:
            ConfigError: naming the search, and the number of chains that fits.
        """
        with self._error_context():
            if isinstance(self.search, Search):
                check_memory(self.search, archetypes, dates, free)
            elif isinstance(self.search, Estimator):
                check_estimator(self.search, archetypes, stocks, dates, free, mapped=mapped)

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
        daily_returns: Float[np.ndarray, "N T"] | None = None,
        stocks: Int[np.ndarray, " N"] | None = None,
        alpha: Float[np.ndarray, " T"] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Candidate:
        """Search on every date with what is known on it; the weights that were found, before they are judged.

        Their RankIC on the look-back is that of the signal that ranks the stocks, whichever they were fitted to, so that it can be compared
        with what came after and with other weights; unknown for a ranking signal of another one whose alpha changes from date to date.

        Args:
            scores: NaN where an archetype has none.
            member: True where the stock is in the universe.
            forward_returns: by horizon.
            settings: of the evaluation.
            execution_lag: dates from decision to fill.
            seed: of the run.
            dates: labels, for messages.
            daily_returns: from close to close, for estimators; None where there are none.
            stocks: the stock whose scores each stock gets, for estimators; None = its own.
            alpha: share of the mean that was learned on each date; None where the settings give it.
            progress: called with the dates that are done, and with their number.

        Raises:
            LeakageError: the gap is too short for the horizon.
            ConfigError: naming the search whose settings do not fit the data, or the memory of the device.
        """
        began, ranked_by = time.perf_counter(), named_signal(settings.signal)
        fitted_to = named_signal(settings.fitted_to)
        with self._error_context():
            timing = self.timing(settings, execution_lag, dates)
            key = _key_of(np.uint32(seed), np.uint32(self.place))
            history = on_host(check_inputs(scores, member, forward_returns[settings.horizon]))
            share = alpha if isinstance(settings.alpha, str) else check_alpha(settings.alpha)
            found = find_weights(
                history,
                self.search,
                timing,
                key=key,
                alpha=share,
                signal=fitted_to,
                missing=settings.missing,
                warm_start=settings.warm_start,
                daily_returns=None if daily_returns is None else jax.device_put(np.asarray(daily_returns, np.float32)),
                stocks=stocks,
                progress=progress,
            )
            fitness = found.fitness
            if signal_name(fitted_to) != signal_name(ranked_by):
                fitness = np.full(len(dates), np.nan)
                if not isinstance(settings.alpha, str):
                    fitness = in_sample_fitness(
                        (history[0] if stocks is None else MovedStocks(history[0], stocks), *history[1:]),
                        np.asarray(found.weights),
                        found.searched,
                        timing,
                        alpha=check_alpha(settings.alpha),
                        signal=ranked_by,
                        missing=settings.missing,
                    )
        return Candidate(
            name=self.name,
            label=self.label,
            kind="search",
            ranked_by=signal_name(ranked_by),
            weights=np.asarray(found.weights, np.float64),
            fitness=np.asarray(fitness, np.float64),
            own=found.searched,
            about=self.about,
            seconds=time.perf_counter() - began,
            procedure=partial(refitted, method=self.search, timing=timing, ranked_by=ranked_by, key=key, warm_start=settings.warm_start),
        )

    def timing(self, settings: EvaluateSettings, execution_lag: int, dates: Shaped[np.ndarray, " T"]) -> Timing:
        """When this method looks: its own look-back, or that of the run."""
        return settings.timing(execution_lag, self.search.lookback, dates)

    @property
    def lookback_field(self) -> str:
        """The setting that gives the look-back of this method."""
        return "evaluate.lookback" if self.search.lookback is None else f"search.{self.place}.lookback"

    @property
    def about(self) -> str:
        """One line on the size of a search."""
        if not isinstance(self.search, Search):
            return "weights from all that is known, every date"
        return f"{counted(self.search.population, 'chain')} of {counted(self.search.steps, 'step')}, every date"

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
            chains = f"{self.search.population:,} chains" if isinstance(self.search, Search) else "its work"
            raise ConfigError(f"{place}: {chains} do not fit into the memory of the device; take fewer") from error


@jax.jit
def _key_of(seed: UInt32[Array, ""], place: UInt32[Array, ""]) -> Key[Array, ""]:
    """The key of the search at a place of the list."""
    return jax.random.fold_in(jax.random.key(seed), place)


def on_permuted_scores(
    searches: Sequence[ListedSearch],
    walk: Callable[[ListedSearch, Int[np.ndarray, " N"]], Candidate],
    stocks: int,
    seed: int,
) -> list[Candidate]:
    """What the first estimator of a run makes of scores that know nothing: each stock has those of another, the same one on every date.

    Args:
        searches: of the run; none of them an estimator, and there is no such control, for a search costs as much as the run's own.
        walk: of a search, where each stock has the scores of the one named.
        stocks: how many there are.
        seed: of the run.
    """
    estimators = [search for search in searches if not isinstance(search.search, Search)]
    if not estimators:
        return []
    moved = stock_permutations(stocks, 1, seed)[0]
    found = walk(estimators[0], moved)
    label = f"{estimators[0].label}, scores permuted"
    return [replace(found, name=PERMUTED, label=label, kind="control", stocks=moved, procedure=None)]


def first_evaluated(timings: Sequence[Timing], dates: Shaped[np.ndarray, " T"], fields: Sequence[str] = ()) -> int:
    """Index of the first date on which the weights of every method come from a full look-back window.

    Args:
        timings: of the methods.
        dates: labels of the dates, for the message.
        fields: the setting that gives the look-back of each method, for the message; `evaluate.lookback` where there is none.

    Raises:
        ConfigError: the panel has no such date whose decision could still be filled; the message names the setting.
    """
    longest, timing = max(enumerate(timings), key=lambda placed: placed[1].first_applied)
    if timing.first_applied + timing.execution_lag >= dates.size:
        field = fields[longest] if fields else "evaluate.lookback"
        begins = " (the fewest that auto begins with)" if timing.lookback == "auto" else ""
        raise ConfigError(
            f"{field}: {timing.least} dates do not fit{begins}: with a gap of {timing.gap}, a delay of {timing.delay} and an execution "
            f"lag of {timing.execution_lag} the first decision needs {timing.first_applied + timing.execution_lag + 1} dates, the market "
            f"data has {dates.size} ({dates[0]} to {dates[-1]}); shorten the look-back or load more dates"
        )
    return timing.first_applied


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
