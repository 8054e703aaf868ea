"""A stand-in for a language model, for tests of plumbing: answers are a hash of the prompt. Never a default."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np

from massjax.agents import Prompt
from massjax.config import ScoringSettings
from massjax.scoring.engine import Answers


class FakeEngine:
    """Deterministic noise in place of a model's answers; implements `massjax.scoring.engine.Engine`."""

    def __init__(self, settings: ScoringSettings, seconds_per_prompt: float = 0.0) -> None:
        self.settings = settings
        self.seconds_per_prompt = seconds_per_prompt
        self.asked = 0

    def identity(self) -> dict[str, str]:
        """Says plainly that no model answered."""
        return {
            "engine": "fake",
            "model": "no model: answers are noise",
            "choices": " ".join(self.settings.choices),
            "seed": str(self.settings.seed),
        }

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        """Log-probabilities drawn from a generator seeded with each prompt."""
        self.asked += len(prompts)
        time.sleep(self.seconds_per_prompt * len(prompts))
        rows = [self._logprobs(prompt) for prompt in prompts]
        return Answers(
            np.array(rows).reshape(len(prompts), len(self.settings.choices)), {}, sum(len(p.system + p.user) // 4 for p in prompts), 0
        )

    def _logprobs(self, prompt: Prompt) -> np.ndarray:
        seed = hashlib.sha256(f"{self.settings.seed}\n{prompt.system}\n{prompt.user}".encode()).digest()[:8]
        return np.log(np.random.default_rng(int.from_bytes(seed, "little")).dirichlet(np.ones(len(self.settings.choices))) * 0.9)

    def close(self) -> None:
        """Nothing to free."""
