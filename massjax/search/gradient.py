"""Gradient ascent on a smooth RankIC over softmax weights, from many starts at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Key
from pydantic import Field, field_validator

from massjax.engine.devices import spread_candidates
from massjax.errors import ConfigError, did_you_mean
from massjax.search.base import Search
from massjax.search.evaluated import Evaluated, unevaluated
from massjax.search.objectives import DailyObjective, Objective, SmoothObjective, SmoothObjectiveSettings
from massjax.search.perturbed import perturbed_slopes
from massjax.search.soft import soft_value

OPTIMIZERS = ("adabelief", "adam", "adamw", "lion", "nadam", "radam", "rmsprop", "sgd", "yogi")
"""optax optimizers that take a learning rate and treat every number alike."""

LEAST_SPREAD = 0.1
"""Standard deviation of the logits of a restart that begins again, where `spread` is less: it must not begin where it was lost."""

TILE = 32
"""Restarts whose gradients are taken together, always: so that none depends on how many others there are, here or on other devices."""


class GradientState(NamedTuple):
    """The logits of each restart, its optimizer, whether the start has been judged, and the best that each has met."""

    logits: Float[Array, "P K"]
    optimizer: Any
    evaluated: Bool[Array, ""]
    best: Evaluated


class GradientSearch(Search):
    """Gradient ascent on `soft fitness - kl_strength * KL(w || prior) + entropy_strength * H(w)` over w = softmax(logits).

    Ranks are constant nearly everywhere and have no gradient to follow. What is climbed in their place is the objective made of a RankIC in
    which a smooth step of width `temperature`, `t (3 - t²) / 2`, stands for the sign of the difference t of two stocks (smooth
    comparisons: Qin, Liu and Li 2010, doi 10.1007/s10791-009-9124-x); Pearson's IC; or the exact RankIC averaged over noise on the logits
    (Berthet et al. 2020, arXiv 2002.08676). Where each step of an optax optimizer leads is judged by the exact fitness, which alone
    decides the result. Many restarts climb at once; one that comes where the exact fitness or the gradient is undefined begins again
    around the best it has met, at first its start.

    Example:
        Six stocks on three dates, and three archetypes: the first ranks the stocks as they returned afterwards, the last the other way
        round. A penalty on the distance from a prior keeps some weight on all of them:

        >>> import jax, numpy as np, massjax as mj
        >>> rng = np.random.default_rng(0)
        >>> returns, member = rng.normal(0, 0.02, size=(6, 3)), np.ones((6, 3), bool)
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> scores = np.stack([ranks, rng.random((6, 3)), 1 - ranks])
        >>> settings = mj.GradientSearch(restarts=8, steps=50, kl_strength=0.1, prior=(0.4, 0.3, 0.3))
        >>> found = mj.search_window(scores, member, returns, settings, signal="mean", key=jax.random.key(0))
        >>> found
        SearchResult(fitness 1.0000, 50 steps, 8 chains, 3 archetypes)
        >>> int(found.weights.argmax()), bool((found.weights > 1e-3).all())
        (0, True)
    """

    restarts: int = Field(
        64,
        ge=1,
        le=10_000_000,
        description="Number of starts that climb at once: the first from the start weights, the others drawn around them (`spread`).",
    )
    steps: int = Field(100, ge=0, le=10_000_000, description="Optimizer steps of each restart at most; 0 judges the start only.")
    learning_rate: float = Field(
        0.1,
        gt=0,
        le=1e6,
        description="Learning rate of the optimizer, on the logits of the weights; lower it where the fitness jumps about.",
    )
    optimizer: str = Field(
        "adam",
        description=f"Name of an optax optimizer: {', '.join(OPTIMIZERS[:-1])} or {OPTIMIZERS[-1]}.",
        json_schema_extra={"enum": list(OPTIMIZERS)},
    )
    objective: SmoothObjective = Field(
        SmoothObjectiveSettings(),
        description="What is maximised, and what of it is climbed (`smooth`). A name alone, `soft_rank_ic`, `ic` or `perturbed_rank_ic`, "
        "says what is climbed towards the mean RankIC.",
    )
    temperature: float = Field(
        0.25,
        ge=1e-6,
        le=1e6,
        description="Width of the soft comparison of two stocks, in cross-sectional standard deviations of the signal; towards 0 it "
        "becomes the exact RankIC, whose gradient vanishes. For `soft_rank_ic` only.",
    )
    noise: float = Field(
        0.1, ge=1e-6, le=100, description="Standard deviation of the perturbations of the logits, for `perturbed_rank_ic` only."
    )
    pairs: int = Field(
        8,
        ge=1,
        le=100_000,
        description="Mirrored pairs of perturbations for each gradient, for `perturbed_rank_ic` only; each pair costs two exact "
        "evaluations, and more make the gradient less noisy.",
    )
    kl_strength: float = Field(
        0.0, ge=0, le=1e6, description="Weight of the penalty KL(w || prior), in units of fitness; above 0 it keeps weights near the prior."
    )
    prior: tuple[float, ...] | None = Field(
        None,
        max_length=1_000_000,
        description="Positive weights, one for each archetype, that the KL penalty pulls towards; scaled to sum 1, null for equal ones.",
    )
    entropy_strength: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="Weight of the entropy of the weights, in units of fitness; above 0 it keeps them from relying on few archetypes.",
    )
    spread: float = Field(
        1.0, ge=0, le=100, description="Standard deviation of the logits of the starts around the start weights; 0 starts all alike."
    )

    @field_validator("optimizer")
    @classmethod
    def _known_optimizer(cls, name: str) -> str:
        if name not in OPTIMIZERS:
            raise ValueError(f"optimizer {name!r} is not known{did_you_mean(name, OPTIMIZERS)}; expected one of {', '.join(OPTIMIZERS)}")
        return name

    @field_validator("prior")
    @classmethod
    def _positive_prior(cls, prior: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if prior is not None and not (prior and min(prior) > 1e-30 * max(prior)):
            raise ValueError(f"prior {prior} must give every archetype a positive weight, of 1e-30 of the largest at least")
        return prior

    @property
    def population(self) -> int:
        """Number of restarts."""
        return self.restarts

    def init(self, objective: Objective, start: Float[Array, "P K"], key: Key[Array, ""]) -> GradientState:
        """Logits around the start weights."""
        if self.prior is not None and len(self.prior) != start.shape[1]:
            raise ConfigError(f"prior has {len(self.prior)} weights, the scores {start.shape[1]} archetypes; expected one for each")
        if self.objective.smooth != "perturbed_rank_ic" and not isinstance(objective, DailyObjective):
            raise ConfigError(
                f"{type(objective).__name__} has no `of_daily` to climb; a gradient search on it needs objective='perturbed_rank_ic'"
            )
        noise = self.spread * jax.random.normal(key, start.shape).at[0].set(0.0)
        logits = jnp.log(jnp.maximum(start, jnp.finfo(jnp.float32).tiny)) + noise
        return GradientState(logits, jax.vmap(self._optimizer().init)(logits), jnp.zeros((), bool), unevaluated(start))

    def step(self, objective: Objective, state: GradientState, key: Key[Array, ""]) -> GradientState:
        """Judge where every restart is, its start the first time, and take one optimizer step from there."""
        here = objective.judge(jnp.where(state.evaluated, jax.nn.softmax(state.logits), state.best.weights))
        best = state.best.improved(*here)
        slopes = spread_candidates(self.slopes, state.logits, objective)
        if self.objective.smooth == "perturbed_rank_ic":
            slopes = slopes + perturbed_slopes(objective, state.logits, self.noise, self.pairs, key)
        with jax.numpy_dtype_promotion("standard"):  # optax counts steps in integers
            updates, optimizer = jax.vmap(self._optimizer().update)(-slopes, state.optimizer, state.logits)
        lost = ~jnp.isfinite(slopes).all(axis=1) | (state.evaluated & jnp.isnan(here.fitness))
        logits, optimizer = self._begin_again(lost, state.logits + updates, optimizer, best, jax.random.fold_in(key, 1))
        return GradientState(logits, optimizer, jnp.ones((), bool), best)

    def _begin_again(
        self, lost: Bool[Array, " P"], logits: Float[Array, "P K"], optimizer: Any, best: Evaluated, key: Key[Array, ""]
    ) -> tuple[Float[Array, "P K"], Any]:
        """The restarts that are lost at random around their best with a new optimizer, the others as they are.

        A best that is undefined is half mixed with equal weights: those of a start may be so small that no noise would tell.
        """

        def anew() -> tuple[Float[Array, "P K"], Any]:
            mixed = 0.5 * best.weights + 0.5 / logits.shape[1]
            around = jnp.where(jnp.isnan(best.fitness)[:, None], mixed, best.weights)
            noise = max(self.spread, LEAST_SPREAD) * jax.random.normal(key, logits.shape)
            begun = jnp.log(jnp.maximum(around, jnp.finfo(jnp.float32).tiny)) + noise
            new = begun, jax.vmap(self._optimizer().init)(begun)
            return jax.tree.map(lambda a, b: jnp.where(lost.reshape(-1, *[1] * (a.ndim - 1)), a, b), new, (logits, optimizer))

        return lax.cond(lost.any(), anew, lambda: (logits, optimizer))

    def slopes(self, logits: Float[Array, "P K"], objective: Objective) -> Float[Array, "P K"]:
        """The gradient of the smooth objective and its penalties."""
        return map_tiles(jax.grad(lambda logits: self._gain(objective, logits).sum()), logits)

    def _optimizer(self) -> optax.GradientTransformation:
        return getattr(optax, self.optimizer)(self.learning_rate)

    def _gain(self, objective: Objective, logits: Float[Array, "P K"]) -> Float[Array, " P"]:
        log_weights = jax.nn.log_softmax(logits)
        weights = jnp.exp(log_weights)
        gain = jnp.zeros(logits.shape[0])
        if self.objective.smooth != "perturbed_rank_ic":
            assert isinstance(objective, DailyObjective)
            gain = soft_value(objective, weights, self.objective.smooth, self.temperature)
        if self.kl_strength:
            prior = jnp.ones(logits.shape[1]) if self.prior is None else jnp.asarray(self.prior, jnp.float32)
            gain = gain - self.kl_strength * jnp.sum(weights * (log_weights - jnp.log(prior / prior.sum())[None, :]), axis=1)
        if self.entropy_strength:
            gain = gain - self.entropy_strength * jnp.sum(weights * log_weights, axis=1)
        return gain


def map_tiles(function: Callable[[Array], Array], logits: Float[Array, "P K"]) -> Float[Array, "P K"]:
    """Apply `function` to tiles of `TILE` restarts in turn, so that memory does not grow with their number."""
    restarts, archetypes = logits.shape
    tiles = -(-restarts // TILE)
    padded = jnp.concatenate([logits, jnp.zeros((tiles * TILE - restarts, archetypes), logits.dtype)])
    return lax.map(function, padded.reshape(tiles, TILE, archetypes)).reshape(tiles * TILE, archetypes)[:restarts]
