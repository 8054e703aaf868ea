"""What finds weights: a `Search` moves a population of candidates, an `Estimator` computes weights directly from the past.

To add a method, derive settings from `Search` or `Estimator` in one file and name it in a config as `package.module:ClassName`:
`docs/own_search.md` shows a whole one.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key
from pydantic import Field

from massjax.engine.inputs import Missing, SignalName
from massjax.engine.windows import Window
from massjax.errors import ConfigError
from massjax.search.objectives import Objective, ObjectiveSettings, make_objective
from massjax.settings import Settings
from massjax.timing import LookbackSetting, Timing


class Method(Settings):
    """Settings of anything that finds an agent distribution on every date of a walk through time."""

    lookback: LookbackSetting | None = Field(
        None, description="Dates of the look-back of this method alone, `auto` for all that are known; null takes `evaluate.lookback`."
    )


class HeldBytes(NamedTuple):
    """Memory that an estimator takes.

    Attributes:
        like_scores: of arrays that lie in a file where the scores do.
        beside: of all else.
    """

    like_scores: int
    beside: int


class Estimator(Method):
    """A method that computes weights directly from what is known on each date, without candidates that compete.

    It runs under `jax.jit`, in two pure functions: what depends on the scores alone is prepared once, because the p-values of a run
    repeat the rest with the returns shifted in time, hundreds of times over. The scores are then whole on the device. Where they are too
    large for that, an estimator can read them `by_blocks`.
    """

    @property
    def by_blocks(self) -> bool:
        """Whether it reads the scores some dates at a time.

        `prepare` is then not compiled; it is given the scores on the host, which may lie in a file, and `room`, which makes arrays for
        what is as large. `weights_of_draws` is given what it made.
        """
        return False

    def weights_of_draws(
        self, prepared: Any, forward_returns: Float[Any, "G N T"], timing: Timing, daily_returns: Float[Any, "G N T"] | None = None
    ) -> Float[Any, "G T K"]:
        """`weights` under each of some draws of the returns, where it reads `by_blocks`; override it to read them once for all."""
        daily = [None] * len(forward_returns) if daily_returns is None else daily_returns
        return np.stack([self.weights(prepared, returns, timing, some) for returns, some in zip(forward_returns, daily, strict=True)])

    def draws_together(self, archetypes: int, stocks: int, dates: int) -> int:
        """How many draws `weights_of_draws` is given at once."""
        del archetypes, stocks, dates
        return 1

    def held_bytes(self, archetypes: int, stocks: int, dates: int) -> HeldBytes:
        """What it holds beyond the scores; 0 where that is not known, so that no run is refused for it."""
        del archetypes, stocks, dates
        return HeldBytes(0, 0)

    def is_random(self, signal: SignalName) -> bool:
        """Whether `key` has a part in the weights for this signal, so that a run tells how far its RankIC hangs on the seed."""
        del signal
        return False

    @abstractmethod
    def prepare(
        self,
        scores: Float[Any, "K N T"],
        member: Bool[Any, "N T"],
        timing: Timing,
        *,
        alpha: Float[Array, ""],
        signal: SignalName,
        missing: Missing,
        key: Key[Array, ""],
    ) -> Any:
        """Everything that the scores alone decide, as a pytree.

        Args:
            scores: NaN where an archetype has none.
            member: True where the stock is in the universe.
            timing: of the walk.
            alpha: share of the mean in the combined signal.
            signal: which signal the weights are to rank the stocks by.
            missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
            key: randomness, where there is any.
        """

    @abstractmethod
    def weights(
        self, prepared: Any, forward_returns: Float[Any, "N T"], timing: Timing, daily_returns: Float[Any, "N T"] | None = None
    ) -> Float[Any, "T K"]:
        """Weights found on each date, non-negative and summing to 1; equal before `timing.first_search`, and where nothing is known.

        Row t may depend only on `timing.window(t)` of the forward returns, on daily returns up to t, and on scores up to t.

        Args:
            prepared: of `prepare`.
            forward_returns: over `timing.horizon`; NaN where unknown.
            timing: of the walk.
            daily_returns: from the close of the date before to the close of the date; None where there are none.
        """


class Search(Method):
    """Settings of a search, with its algorithm as two pure functions; both run under `jax.jit` and `jax.vmap`.

    The state is any pytree with a field `best`, the `Evaluated` best of each chain so far. `init` only sets up; `step` is applied
    `steps + 1` times, and the first time judges the start. So the exact fitness is compiled once. The fitness of the start may be
    undefined, as where equal weights of a factor and its mirror cancel: `step` must move on from there.

    `massjax.testing.SearchContract` tests whether a search of your own keeps this contract, and docs/own_search.md walks through one.

    Example:
        Random search, the baseline that every other has to beat: after the start, each step draws distributions anew.

        >>> from typing import NamedTuple
        >>> import jax, jax.numpy as jnp, numpy as np, massjax as mj
        >>> from massjax.search import Evaluated, unevaluated
        >>> class State(NamedTuple):
        ...     begun: jax.Array
        ...     best: Evaluated
        >>> class RandomSearch(mj.Search):
        ...     draws: int = 64
        ...     @property
        ...     def population(self):
        ...         return self.draws
        ...     def init(self, objective, start, key):
        ...         return State(jnp.zeros((), bool), unevaluated(start))
        ...     def step(self, objective, state, key):
        ...         drawn = jax.random.dirichlet(key, jnp.ones(state.best.weights.shape[1]), (self.draws,))
        ...         judged = objective.judge(jnp.where(state.begun, drawn, state.best.weights))
        ...         return State(jnp.ones((), bool), state.best.improved(*judged))
        >>> rng = np.random.default_rng(0)
        >>> returns, member = rng.normal(0, 0.02, size=(6, 3)), np.ones((6, 3), bool)
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> scores = np.stack([ranks, rng.random((6, 3)), 1 - ranks])
        >>> mj.search_window(scores, member, returns, RandomSearch(steps=20), signal="mean", key=jax.random.key(0))
        SearchResult(fitness 1.0000, 20 steps, 64 chains, 3 archetypes)
    """

    steps: int = Field(
        200,
        ge=0,
        le=10_000_000,
        description="Steps that every chain takes at most; 0 judges the start only. More steps fit the look-back more closely.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Steps without an improvement of the best of all chains after which the search of a date ends; null takes all "
        "`steps`. They are counted from the first fitness that is defined; set it to save time.",
    )
    objective: ObjectiveSettings = Field(ObjectiveSettings(), description="What is maximised; by default the mean RankIC.")
    average: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the chains, the best of them, whose weights are averaged into those that are found, which steadies them; "
        "null takes the weights of the best chain alone.",
    )

    @property
    @abstractmethod
    def population(self) -> int:
        """Number of chains P that run in lock-step."""

    @property
    def uses_previous(self) -> bool:
        """Whether what is maximised depends on the weights found for the date before, so that dates must be searched in their order."""
        return self.objective.uses_previous

    def make_objective(
        self, window: Window, alpha: Float[Array, ""], signal: SignalName, previous: Float[Array, " K"] | None = None
    ) -> Objective:
        """What is maximised over one window; override it to maximise something of your own.

        Args:
            window: of `massjax.engine.prepare_window`.
            alpha: share of the mean in the combined signal.
            signal: which signal ranks the stocks while searching.
            previous: weights found for the date before, summing to 1; None = equal.
        """
        archetypes = window.opinions.scores.shape[1]
        equal = jnp.full(archetypes, 1.0 / archetypes, jnp.float32)
        return make_objective(self.objective, window, alpha, signal, equal if previous is None else previous)

    @abstractmethod
    def init(self, objective: Objective, start: Float[Array, "P K"], key: Key[Array, ""]) -> Any:
        """The state before the first step.

        Args:
            objective: what is maximised.
            start: positive weights of each chain, summing to 1.
            key: randomness for the start.
        """

    @abstractmethod
    def step(self, objective: Objective, state: Any, key: Key[Array, ""]) -> Any:
        """The state one step on, with what the step judged taken into its `best`."""


def check_method(settings: object, wanted: type[Method] = Method) -> None:
    """Refuse what finds no weights.

    Args:
        settings: what is to find them.
        wanted: `Search` where candidates are needed.

    Raises:
        ConfigError: `settings` is not an instance of a class derived from `wanted`.
    """
    if not isinstance(settings, wanted):
        raise ConfigError(
            f"settings={settings!r} is no search; expected an instance of one, such as massjax.Annealing(chains=1024, steps=200)"
        )
