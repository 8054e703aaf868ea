"""A stand-in for a language model, for tests of plumbing: answers are a hash of the prompt. Never a default."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np

from massjax.models.language_model import Answers, Sampling, Texts
from massjax.models.question import Prompt
from massjax.models.settings import ScoringSettings


class FakeModel:
    """Deterministic noise in place of a model's answers; implements `massjax.models.language_model.LanguageModel`."""

    prompts_at_once = 1

    def __init__(self, settings: ScoringSettings, seconds_per_prompt: float = 0.0) -> None:
        self.settings = settings
        self.seconds_per_prompt = seconds_per_prompt
        self.asked = self.written = 0

    def identity(self) -> dict[str, str]:
        """Says plainly that no model answered."""
        return {
            "engine": "fake",
            "model": "no model: answers are noise",
            "choices": " ".join(self.settings.choices),
            "seed": str(self.settings.seed),
        }

    def load(self) -> None:
        """Nothing to load."""

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        """Log-probabilities drawn from a generator seeded with each prompt."""
        self.asked += len(prompts)
        time.sleep(self.seconds_per_prompt * len(prompts))
        rows = np.array([self._logprobs(prompt) for prompt in prompts]).reshape(len(prompts), len(self.settings.choices))
        tokens = np.array([len(p.system + p.user) // 4 for p in prompts], dtype=np.int64)
        return Answers(rows, {}, tokens, np.zeros_like(tokens))

    def write(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> Texts:
        """Words made of a hash of each prompt and its sampling."""
        self.written += len(prompts)
        time.sleep(self.seconds_per_prompt * len(prompts))
        made = [hashlib.sha256(repr((*prompt, *how)).encode()).hexdigest()[:24] for prompt, how in zip(prompts, sampling, strict=True)]
        return Texts([f"noise {word}" for word in made], {})

    def _logprobs(self, prompt: Prompt) -> np.ndarray:
        seed = hashlib.sha256(f"{self.settings.seed}\n{prompt.system}\n{prompt.user}".encode()).digest()[:8]
        return np.log(np.random.default_rng(int.from_bytes(seed, "little")).dirichlet(np.ones(len(self.settings.choices))) * 0.9)

    def close(self) -> None:
        """Nothing to free."""
