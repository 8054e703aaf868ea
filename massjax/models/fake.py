"""A stand-in for a language model, for tests of plumbing: answers are a hash of the prompt. Never a default."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from massjax.models.answer import Answer
from massjax.models.forms import Pick, Write, canonical
from massjax.models.identity import known_identity
from massjax.models.language_model import Answers, Sampling, Texts
from massjax.models.picks import generator
from massjax.models.question import Prompt, Question
from massjax.models.schema import referred
from massjax.models.scored import scored
from massjax.models.settings import ModelSettings, ScoringSettings


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


class Fake:
    """Deterministic noise in place of answers of all forms; implements `massjax.models.language_model.Answerer`.

    Args:
        seconds_per_question: how long it pretends to think.
    """

    questions_at_once = 1

    def __init__(self, settings: ModelSettings, seconds_per_question: float = 0.0) -> None:
        self.settings = settings
        self.seconds_per_question = seconds_per_question
        self.answered = 0

    def identity(self) -> dict[str, str]:
        """Says plainly that no model answered."""
        return known_identity(self.settings)

    def load(self) -> None:
        """Nothing to load."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers drawn from a generator that is seeded with each question's messages and form."""
        self.answered += len(questions)
        time.sleep(self.seconds_per_question * len(questions))
        return [self._answer(question)._replace(seconds=self.seconds_per_question) for question in questions]

    def close(self) -> None:
        """Nothing to free."""

    def _answer(self, question: Question) -> Answer:
        form, random = question.form, generator(question._replace(model=str(self.settings.seed)).key)
        tokens = sum(map(len, question.prompt)) // 4
        if isinstance(form, Write):
            text = f"noise {random.bytes(9).hex()}" if form.schema is None else canonical(_noise_that_fits(json.loads(form.schema), random))
            return Answer(text=text, finish_reason="stop", prompt_tokens=tokens, written_tokens=len(text) // 4)
        count = len(form.items) if isinstance(form, Pick) else len(form.choices)
        logprobs = np.log(random.dirichlet(np.ones(count)) * 0.9)
        return scored(form, logprobs, random)._replace(prompt_tokens=tokens)


def _noise_that_fits(schema: Any, random: np.random.Generator, root: Any = None) -> Any:
    """A value that fits a schema, as far as its keywords bound one; nothing deeper than what is required."""
    root = schema if root is None else root
    if "$ref" in schema:
        return _noise_that_fits(referred(schema["$ref"], root), random, root)
    options = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    if options:
        return options[int(random.integers(len(options)))]
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return _noise_that_fits(schema[name][int(random.integers(len(schema[name])))], random, root)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        known = schema.get("properties", {})
        names = [*known, *(name for name in schema.get("required", []) if name not in known)]
        return {name: _noise_that_fits(known.get(name, {}), random, root) for name in names}
    if kind == "array":
        return [_noise_that_fits(schema.get("items", {}), random, root) for _ in range(max(1, schema.get("minItems", 1)))]
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else 0)
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + 101) - 1)
        return int(random.integers(math.ceil(low), math.floor(high) + 1)) if kind == "integer" else float(random.uniform(low, high))
    word = random.bytes(4).hex()
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1 << 30)
    return {"boolean": bool(random.integers(2)), "null": None, "string": word.ljust(least, "x")[:most]}[kind]
