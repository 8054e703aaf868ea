"""Settings of the scoring room: which model answers, in which form, and at what speed."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from massjax.config.base import Settings, resolve_path


class ScoringSettings(Settings):
    """How prompts are put to a language model.

    Attributes:
        engine: `vllm`; `fake` is a plainly named stand-in for tests, never a default.
        model: a Hugging Face name, or a folder (`./…` or `../…` is relative to the config file).
        choices: the answers in order from worst to best; each must be one token of the model.
        prefill: the beginning of the answer, put into the model's mouth before it chooses.
        calibrate: divide by the choice probabilities of a content-free prompt (contextual calibration, Zhao et al. 2021).
        minimum_coverage: below this raw probability mass on the choices an answer counts as invalid.
        dtype, head_dtype, compile: numerics of the engine; part of the store's provenance.
        max_num_seqs, max_num_batched_tokens, block_size, max_model_len: vLLM's batching; None = chosen for the platform.
        knowledge_cutoff: the model's training cut-off; scoring later-known dates draws a warning.
        price_per_million_tokens: prompt-token price, for the cost estimate of `--plan`.
        prompts_per_second: throughput assumed by `--plan`.
    """

    engine: Literal["vllm", "fake"] = "vllm"
    model: str = ""
    revision: str | None = None
    choices: tuple[str, ...] = Field(("1", "2", "3", "4", "5"), min_length=2, max_length=32)
    prefill: str = ""
    calibrate: bool = True
    minimum_coverage: float = Field(0.0, ge=0.0, lt=1.0)
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "bfloat16"
    head_dtype: Literal["float32", "model"] = "float32"
    compile: bool = False
    seed: int = 0
    max_num_seqs: int | None = Field(None, ge=1)
    max_num_batched_tokens: int | None = Field(None, ge=1)
    block_size: int | None = Field(None, ge=1)
    max_model_len: int = Field(2048, ge=16)
    tensor_parallel_size: int = Field(1, ge=1)
    gpu_memory_utilization: float = Field(0.9, gt=0.0, le=1.0)
    knowledge_cutoff: date | None = None
    price_per_million_tokens: float | None = Field(None, ge=0.0)
    prompts_per_second: float = Field(38.0, gt=0.0)

    @field_validator("model")
    @classmethod
    def _relative_to_the_file(cls, model: str, info: ValidationInfo) -> str:
        return str(resolve_path(model, info)) if model.startswith((".", "~", "/")) else model

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(choices)) != len(choices) or not all(choices):
            raise ValueError("choices must be distinct and not empty")
        return choices


class StoreSettings(Settings):
    """Where the scores are kept; `dates_per_unit` dates of one archetype are one unit of work."""

    dates_per_unit: int = Field(20, ge=1, le=1000)
