"""What runs on accelerators can be lowered for them on this machine: no callback to the host, and nothing that only a CPU can call."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from massjax.engine import evaluation, prepare_window, window_fitness
from massjax.engine.cpu.compiled import available
from massjax.engine.inputs import SignalName
from massjax.evaluate.found import _search_block
from massjax.search import CMAES, Annealing, DifferentialEvolution, GradientSearch, Posterior, Search, run_search
from massjax.search.objectives import ObjectiveSettings, SmoothObjectiveSettings
from massjax.timing import Timing
from tests.engine import slow_reference as slow

PLATFORMS = ("cuda", "tpu")
ALLOWED = re.compile(
    "|".join(
        (
            "Sharding|SPMD\\w+|annotate_device_placement|LayoutConstraint|xla[.]sdy.*",  # about where things lie
            "TopK|ApproxTopK|mhlo[.]\\w+",  # operations of XLA itself, on every platform
            "cu_threefry2x32(_ffi)?",  # random bits on a GPU
            "(cusolver|cublas|cu_)\\w*|Eigh|Qr|Cholesky|tpu_custom_call",  # linear algebra that JAX's own GPU and TPU backends provide
        )
    )
)
"""Operations of others that may be called: none of the host, none of this package."""
STOCKS = {"pairs": 24, "network": evaluation.PAIRS_UP_TO + 1}

ROBUST = {
    "mean": {},
    "shrunk_mean": {"kind": "shrunk_mean", "kl_uniform": 0.1},
    "median_of_blocks": {"kind": "median_of_blocks", "blocks": 2, "kl_previous": 0.1},
    "worst_fold": {"kind": "worst_fold", "turnover": 0.1},
}
SEARCHES: dict[str, Search] = {
    **{
        f"annealing, {name}": Annealing(chains=8, steps=2, average=0.5, objective=ObjectiveSettings(**kind))
        for name, kind in ROBUST.items()
    },
    "cmaes": CMAES(chains=8, steps=2),
    "evolution": DifferentialEvolution(chains=8, steps=2),
    "evolution, worst_fold": DifferentialEvolution(chains=8, steps=2, objective=ObjectiveSettings(**ROBUST["worst_fold"])),
    "gradient": GradientSearch(restarts=8, steps=2),
    "gradient, ic, median": GradientSearch(
        restarts=8, steps=2, objective=SmoothObjectiveSettings(smooth="ic", **ROBUST["median_of_blocks"])
    ),
    "gradient, perturbed": GradientSearch(restarts=8, steps=2, objective=SmoothObjectiveSettings(smooth="perturbed_rank_ic"), pairs=2),
}


def calls_of(function: Callable[..., Any], *arguments: Any, platforms: tuple[str, ...] = PLATFORMS) -> set[str]:
    """What a function calls outside of XLA's own operations once it is lowered; `jax.export` itself refuses what is not portable."""
    every = (jax.export.DisabledSafetyCheck.custom_call(name) for name in ("massjax_evaluated_products", "massjax_ranked_covariance"))
    exported = jax.export.export(jax.jit(function), platforms=platforms, disabled_checks=tuple(every))(*arguments)
    assert exported.platforms == platforms
    found = re.findall(r"custom_call @([\w.$]+)|call_target_name = \"([\w.$]+)\"", exported.mlir_module())
    return {first or second for first, second in found}


def foreign(calls: set[str]) -> set[str]:
    return {call for call in calls if not ALLOWED.fullmatch(call)}


def arrays(stocks: int, dates: int = 3) -> tuple[jax.Array, ...]:
    return tuple(map(jnp.asarray, slow.panel(0, 4, stocks, dates)))


def judged(scores: jax.Array, member: jax.Array, returns: jax.Array, weights: jax.Array) -> jax.Array:
    return window_fitness(prepare_window(scores, member, returns, "renormalize"), weights, jnp.float32(0.5), "combined")


@pytest.mark.parametrize("stocks", STOCKS.values(), ids=STOCKS)
def test_the_kernel_runs_on_accelerators(stocks: int) -> None:
    assert not foreign(calls_of(judged, *arrays(stocks)))


def test_the_platform_lowered_for_chooses_the_kernel() -> None:
    if not available():
        pytest.skip("numba is not installed: pip install 'massjax[numba]'")
    assert "massjax_evaluated_products" in calls_of(judged, *arrays(24), platforms=("cpu",))
    assert "massjax_evaluated_products" not in calls_of(judged, *arrays(24))
    here, elsewhere = (jax.jit(judged).trace(*arrays(24)).lower(lowering_platforms=(one,)).as_text() for one in ("cpu", "cuda"))
    assert "top_k" in elsewhere, "the portable kernel looks for candidates that it has to rank again"
    assert "top_k" not in here, "a program for a CPU must not hold the kernels of other platforms too"


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_every_search_runs_on_accelerators(search: Search) -> None:
    scores, member, returns, _ = arrays(24, 6)
    start = jnp.full((search.population, 4), 0.25)

    def found(scores: jax.Array, member: jax.Array, returns: jax.Array, key: jax.Array) -> Any:
        window = prepare_window(scores, member, returns, "renormalize")
        return run_search(search.make_objective(window, jnp.float32(0.5), "combined"), search, start, jax.random.wrap_key_data(key))

    assert not foreign(calls_of(found, scores, member, returns, jax.random.key_data(jax.random.key(0))))


@pytest.mark.parametrize("warm_start", [False, True])
def test_the_walk_forward_runs_on_accelerators(warm_start: bool) -> None:
    scores, member, returns, _ = arrays(24, 12)
    search = Annealing(chains=8, steps=2, objective=ObjectiveSettings(turnover=0.1) if warm_start else ObjectiveSettings())

    def block(scores: jax.Array, member: jax.Array, returns: jax.Array, key: jax.Array) -> Any:
        history, today = (scores, member, returns), jnp.arange(7, 10)
        key = jax.random.wrap_key_data(key)
        equal = jnp.full(4, 0.25)
        return _search_block(
            history, jnp.int32(0), search, 5, 1, key, jnp.float32(0.5), "combined", "renormalize", warm_start, today, equal
        )

    assert not foreign(calls_of(block, scores, member, returns, jax.random.key_data(jax.random.key(0))))


@pytest.mark.parametrize("signal", ["mean", "combined"])
def test_the_posterior_runs_on_accelerators(signal: SignalName) -> None:
    scores, member, returns, _ = arrays(24, 70)
    timing, method = Timing(horizon=1), Posterior()

    def weights(scores: jax.Array, member: jax.Array, returns: jax.Array, alpha: jax.Array) -> jax.Array:
        options = {"alpha": alpha, "signal": signal, "missing": "renormalize", "key": jax.random.key(0)}
        return method.weights(method.prepare(scores, member, timing, **options), returns, timing)

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert not foreign(calls_of(weights, scores, member, returns, jnp.float32(0.5)))


def test_a_callback_would_be_found() -> None:
    def told(x: jax.Array) -> jax.Array:
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    with pytest.raises((ValueError, NotImplementedError, AssertionError)):
        assert not foreign(calls_of(told, jnp.ones(3)))


def test_linear_algebra_is_that_of_the_accelerator() -> None:
    calls = calls_of(lambda x: jnp.linalg.eigh(x), jnp.eye(3))
    assert calls
    assert not foreign(calls)
    assert foreign(calls_of(lambda x: jnp.linalg.eigh(x), jnp.eye(3), platforms=("cpu",)))
