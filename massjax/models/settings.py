"""Settings of language models: which one answers, where it is, and at what speed; and what a score is asked with."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from massjax.models.spelling import without_blanks
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
    """

    url: str = Field(description="Base address of the server, such as http://127.0.0.1:8000/v1, without a user, password or query.")
    model: str = Field(
        "",
        description="Name under which the server knows the model; empty takes the only one that it serves. Give it where it serves "
        "several.",
    )
    api: Literal["completions", "chat"] = Field(
        "completions",
        description="Which requests are made: `completions` sends token ids and is answered with the exact log-probabilities of the "
        "choices (`vllm serve`); `chat` sends messages and sees a choice only among the `top_logprobs` likeliest tokens "
        "(hosted models).",
    )
    key_variable: str | None = Field(
        None, description="Name of the environment variable that holds the API key, such as OPENAI_API_KEY; null sends no key."
    )
    concurrency: int = Field(
        64, ge=1, le=4096, description="Requests under way at once; lower it where the server answers 429, raise it for a large server."
    )
    timeout: float = Field(
        120.0,
        gt=0.0,
        description="Seconds from the sending of a request until the last byte of its reply, after which it counts as lost.",
    )
    attempts: int = Field(
        8, ge=1, le=100, description="How often a request is made before its prompt counts as failed: after 429, 5xx and lost connections."
    )
    first_wait: float = Field(
        0.5, ge=0.0, description="Seconds before the second attempt of a request; doubled before each further one, with jitter."
    )
    longest_wait: float = Field(
        60.0, ge=0.0, description="Seconds before any attempt at most; up to this a server's Retry-After is honoured."
    )
    top_logprobs: int = Field(
        20,
        ge=1,
        description="Likeliest tokens whose log-probabilities `chat` asks for; hosted models allow 20 at most, some 5.",
    )
    minimum_listed_mass: float = Field(
        0.5,
        ge=0.0,
        lt=1.0,
        description="Probability that the choices must have among the `top_logprobs` likeliest tokens, below which an answer is refused: "
        "`chat` does not see the others, so that what it sees is a lower bound (`chat` only).",
    )
    system_role: bool = Field(
        True,
        description="Send the system text as a message of its own. Set it to false for models whose chat has no system role: the text "
        "then goes before the user's (`chat` only).",
    )
    token_limit: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens",
        description="Name of the request's field that limits a reply's length; newer hosted models take `max_completion_tokens`.",
    )
    leave_out: tuple[Literal["seed", "temperature"], ...] = Field(
        (),
        description="Fields of a request that the server refuses and that are therefore not sent. Neither changes the log-probabilities "
        "that a score is read from.",
    )
    extra: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of every request, such as `{chat_template_kwargs: {enable_thinking: false}}`. They are part of "
        "every question's key.",
    )

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


class ModelSettings(Settings):
    """A language model, and how it is run or reached."""

    engine: Literal["vllm", "openai", "fake"] = Field(
        "vllm",
        description="What answers the prompts: `vllm` in this process, or `openai`, a server with the OpenAI API (`scoring.endpoint`); "
        "`fake` makes numbers up, for tests.",
    )
    model: str = Field(
        "",
        description="Folder of a model (relative to the config file) or its Hugging Face name. A name without `./` is looked up beside "
        "the config file first; one of the form `owner/name` is taken for a folder there only if it holds a model.",
    )
    revision: str | None = Field(
        None, description="Branch, tag or commit of a Hugging Face name; give one to pin what is downloaded, null takes the newest."
    )
    endpoint: EndpointSettings | None = Field(
        None, description="Where the server is and how it is asked; needed by `scoring.engine: openai`, refused with the others."
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto",
        description="Numbers that the model computes in. `auto` goes on with those of the store; for a new one it takes bfloat16 where "
        "the device has it, else float16 on a GPU and float32 on a CPU, where emulated bfloat16 is slow.",
    )
    head_dtype: Literal["float32", "model"] = Field(
        "float32",
        description="Numbers of the model's last layer, which gives the log-probabilities: `float32`, or `model` for those of `dtype`. It "
        "is part of every question's key.",
    )
    thinking: Literal["off", "prefill", "refuse"] = Field(
        "off",
        description="What becomes of a model that thinks before it answers: `off` asks its chat template to leave the thinking out "
        "(`enable_thinking`), `prefill` puts an empty passage of thinking before the answer, `refuse` does not ask such a model. Over "
        "`api: chat` the server renders the prompt: see `scoring.endpoint.extra`.",
    )
    compile: bool = Field(
        False,
        description="Let vLLM compile the model and use CUDA graphs: slower to start, faster for long runs. It is part of every "
        "question's key.",
    )
    seed: int = Field(
        0,
        description="Seed that vLLM or the server is given. A model's score is one forward pass and does not depend on it, so it is no "
        "part of a question's key; the numbers that `fake` makes up depend on it, and there it is.",
    )
    max_num_seqs: int | None = Field(
        None, ge=1, description="Prompts that vLLM computes at once at most; null takes 64 on a CPU and vLLM's own number on a GPU."
    )
    max_num_batched_tokens: int | None = Field(
        None,
        ge=1,
        description="Tokens that vLLM computes in one step at most; null takes 4096 on a CPU and vLLM's own number on a GPU. Lower it "
        "where memory runs out.",
    )
    block_size: int | None = Field(
        None, ge=1, description="Tokens in a block of vLLM's key-value cache; null takes 32 on a CPU and vLLM's own number on a GPU."
    )
    max_model_len: int = Field(
        2048, ge=16, description="Longest prompt with its answer, in tokens; raise it for long texts, at the cost of memory."
    )
    tensor_parallel_size: int = Field(
        1, ge=1, description="GPUs that vLLM splits the model over; raise it for a model that does not fit one."
    )
    gpu_memory_utilization: float = Field(
        0.9, gt=0.0, le=1.0, description="Share of a GPU's memory that vLLM takes; lower it where others use the GPU too."
    )
    knowledge_cutoff: date | None = Field(
        None,
        description="Date at which the model's training data ends, such as 2024-06-30. A warning is given where dates up to it are "
        "scored, which the model may remember; null cannot warn.",
    )
    price_per_million_tokens: float | None = Field(
        None,
        ge=0.0,
        description="Price of a million prompt tokens, in any currency: `--plan` estimates the cost with it; what was spent "
        "`python -m massjax.answers info PATH --price PRICE` tells.",
    )
    prompts_per_second: float | None = Field(
        None,
        gt=0.0,
        description="Throughput that `--plan` reckons with, in prompts a second; null takes it from the seconds that the "
        "answers in the log took, and estimates nothing where there are none.",
    )

    @field_validator("model")
    @classmethod
    def _relative_to_the_file(cls, model: str, info: ValidationInfo) -> str:
        if model.startswith((".", "~", "/")):
            return str(resolve_path(model, info))
        folder = (info.context or {}).get("folder")
        beside = Path(folder or ".") / model
        return str(beside.resolve()) if folder and model and _is_model(beside, model) else model

    @model_validator(mode="after")
    def _endpoint_for_openai(self) -> Self:
        if (self.engine == "openai") != (self.endpoint is not None):
            raise ValueError(
                "scoring.engine 'openai' needs scoring.endpoint with the url of the server"
                if self.engine == "openai"
                else f"scoring.endpoint is used by scoring.engine 'openai' only, not by {self.engine!r}"
            )
        return self


class ScoringSettings(ModelSettings):
    """The language model that scores, and how prompts are put to it."""

    choices: tuple[str, ...] = Field(
        ("1", "2", "3", "4", "5"),
        min_length=2,
        max_length=32,
        description="Answers that the model chooses among, in order from worst to best; the score is their expected place, scaled to "
        "0 to 1. One of several tokens is scored token by token.",
    )
    prefill: str = Field(
        "",
        description="Beginning of the answer, put into the model's mouth before it chooses, such as `Rating: `. Set it where the mass on "
        "the choices is low.",
    )
    calibrate: bool = Field(
        True,
        description="Divide by the choice probabilities of a content-free prompt, which removes a model's bias towards some choices: "
        "contextual calibration (Zhao et al. 2021).",
    )
    minimum_coverage: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="Raw probability mass on the choices, from 0 to 1, below which an answer counts as invalid and its score as missing.",
    )

    keep_probabilities: bool = Field(
        False,
        description="Whether the score tensor also holds the probability of every choice, as answered, for uses beside the expected "
        "choice; it grows by as many 16-bit numbers a score as there are choices.",
    )

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(choices)) != len(choices) or not all(choices):
            raise ValueError("choices must be distinct and not empty")
        for number, choice in enumerate(choices):
            if not choice.isprintable():
                raise ValueError(f"{choice!r} holds a character that no answer shows; write it as plain text")
            if not without_blanks(choice) or without_blanks(choice) in map(without_blanks, choices[:number]):
                raise ValueError(f"{choice!r} is another one or nothing once blanks at its ends are taken off; use other choices")
        return choices


def _is_model(folder: Path, name: str) -> bool:
    """Whether a folder is meant by a name: every one that exists, but a Hugging Face `owner/name` must hold a model there."""
    try:
        return folder.is_dir() and (name.count("/") != 1 or (folder / "config.json").is_file())
    except (OSError, ValueError):
        return False
