"""Settings of the scoring room: which model answers, in which form, and at what speed."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from massjax.settings import Settings, resolve_path

OWN_FIELDS = frozenset(
    (
        *("model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "seed", "n", "stream", "echo"),
        *("logprobs", "top_logprobs", "logprob_token_ids", "return_tokens_as_token_ids", "add_special_tokens"),
    )
)
"""Fields of a request that `scoring.endpoint.extra` cannot replace."""


class EndpointSettings(Settings):
    """A server with the OpenAI API: `vllm serve`, or a hosted one.

    No API key stands here: `key_variable` names the environment variable that holds it.

    Attributes:
        url: its base, such as `http://127.0.0.1:8000/v1`.
        model: the name under which the server knows the model; the only one that it serves by default.
        api: `completions` sends token ids, rendered with the tokenizer in the folder `scoring.model`, and is answered with the exact
            log-probabilities of the choices (`vllm serve`). `chat` sends messages, and sees a choice only among the `top_logprobs`
            likeliest tokens (hosted models).
        key_variable: environment variable with the API key; None sends none.
        concurrency: requests under way at once.
        timeout: seconds from the sending of a request until the last byte of its reply; after that it counts as lost.
        attempts: how often a request is made before its prompt counts as failed; after 429, 5xx and lost connections.
        first_wait, longest_wait: seconds before the second attempt, and at most before any; doubled each time, with jitter. A server's
            Retry-After is honoured up to `longest_wait`.
        top_logprobs: likeliest tokens asked for by `chat`; hosted models allow 20 at most, some 5.
        system_role: False puts the system text before the user's, for models whose chat has no system role (`chat` only).
        token_limit: the name of the field that limits a reply's length; newer hosted models take `max_completion_tokens`.
        leave_out: fields that the server refuses: `seed`, `temperature`. Neither changes the log-probabilities that a score is read from.
        extra: further fields of every request, such as `{chat_template_kwargs: {enable_thinking: false}}`; part of the store's provenance.
    """

    url: str
    model: str = ""
    api: Literal["completions", "chat"] = "completions"
    key_variable: str | None = None
    concurrency: int = Field(64, ge=1, le=4096)
    timeout: float = Field(120.0, gt=0.0)
    attempts: int = Field(8, ge=1, le=100)
    first_wait: float = Field(0.5, ge=0.0)
    longest_wait: float = Field(60.0, ge=0.0)
    top_logprobs: int = Field(20, ge=1)
    system_role: bool = True
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    leave_out: tuple[Literal["seed", "temperature"], ...] = ()
    extra: dict[str, Any] = Field(default_factory=dict)

    @field_validator("extra")
    @classmethod
    def _not_what_massjax_sends(cls, extra: dict[str, Any]) -> dict[str, Any]:
        own = sorted(OWN_FIELDS & extra.keys())
        if own:
            raise ValueError(f"{own[0]} is a field that massjax sends itself; the other settings of scoring.endpoint shape it")
        try:
            json.dumps(extra, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError("holds something that JSON has not, such as a date; put text into quotes") from None
        return extra

    @model_validator(mode="after")
    def _no_secrets(self) -> EndpointSettings:
        try:
            parts = urlsplit(self.url)
            complete = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            complete = False
        if not complete:
            raise ValueError("url: expected an address such as http://127.0.0.1:8000/v1")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("url: holds a user, password or query; a key belongs in the environment variable that key_variable names")
        if self.key_variable is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", self.key_variable):
            raise ValueError("key_variable: expected the name of an environment variable such as OPENAI_API_KEY, not a key")
        return self


class ScoringSettings(Settings):
    """How prompts are put to a language model.

    Attributes:
        engine: `vllm` in this process; `openai` for a server with the OpenAI API (`endpoint`); `fake` is a plainly named stand-in for
            tests, never a default.
        model: a folder (relative to the config file), or a Hugging Face name. A name without `./` is looked up beside the config file
            first; a folder of that name there is taken, one of the form `owner/name` only if it holds a model.
        revision: branch, tag or commit of a Hugging Face name.
        endpoint: where the server is (`openai` only).
        choices: the answers in order from worst to best; each must be one token of the model.
        prefill: the beginning of the answer, put into the model's mouth before it chooses.
        calibrate: divide by the choice probabilities of a content-free prompt (contextual calibration, Zhao et al. 2021).
        minimum_coverage: below this raw probability mass on the choices an answer counts as invalid.
        dtype: numbers that the model computes in. `auto` goes on with those of the store; for a new one it takes bfloat16 where the device
            has it, and else float16 on a GPU and float32 on a CPU, where emulated bfloat16 is slow. The store keeps what was taken.
        head_dtype, compile: further numerics of the engine; all three are part of the store's provenance.
        seed: of the engine, part of the store's provenance; what a model scores, in one forward pass, does not depend on it.
        max_num_seqs, max_num_batched_tokens, block_size, max_model_len: vLLM's batching; None = chosen for the platform.
        tensor_parallel_size, gpu_memory_utilization: passed to vLLM.
        knowledge_cutoff: the model's training cut-off; scoring later-known dates draws a warning.
        price_per_million_tokens: prompt-token price, for the cost estimate of `--plan`.
        prompts_per_second: throughput that `--plan` reckons with; None = from the store's past runs, else from tokens and the device.
    """

    engine: Literal["vllm", "openai", "fake"] = "vllm"
    model: str = ""
    revision: str | None = None
    endpoint: EndpointSettings | None = None
    choices: tuple[str, ...] = Field(("1", "2", "3", "4", "5"), min_length=2, max_length=32)
    prefill: str = ""
    calibrate: bool = True
    minimum_coverage: float = Field(0.0, ge=0.0, lt=1.0)
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
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
    prompts_per_second: float | None = Field(None, gt=0.0)

    @field_validator("model")
    @classmethod
    def _relative_to_the_file(cls, model: str, info: ValidationInfo) -> str:
        if model.startswith((".", "~", "/")):
            return str(resolve_path(model, info))
        folder = (info.context or {}).get("folder")
        beside = Path(folder or ".") / model
        return str(beside.resolve()) if folder and model and _is_model(beside, model) else model

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(choices)) != len(choices) or not all(choices):
            raise ValueError("choices must be distinct and not empty")
        return choices

    @model_validator(mode="after")
    def _endpoint_for_openai(self) -> ScoringSettings:
        if (self.engine == "openai") != (self.endpoint is not None):
            raise ValueError(
                "scoring.engine 'openai' needs scoring.endpoint with the url of the server"
                if self.engine == "openai"
                else f"scoring.endpoint is used by scoring.engine 'openai' only, not by {self.engine!r}"
            )
        return self


def _is_model(folder: Path, name: str) -> bool:
    """Whether a folder is meant by a name: every one that exists, but a Hugging Face `owner/name` must hold a model there."""
    try:
        return folder.is_dir() and (name.count("/") != 1 or (folder / "config.json").is_file())
    except (OSError, ValueError):
        return False
