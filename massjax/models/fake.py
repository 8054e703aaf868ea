"""A stand-in for a language model, for tests of plumbing: answers are a hash of the prompt. Never a default."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from massjax.models.answer import Answer
from massjax.models.familiarity import familiarity_answer
from massjax.models.forms import Familiar, Pick, Write, canonical
from massjax.models.identity import known_identity
from massjax.models.picks import generator
from massjax.models.question import Question
from massjax.models.schema import referred
from massjax.models.scored import scored
from massjax.models.settings import ModelSettings

DEEP = 8
"""Steps into a value from which on it holds what a schema requires, and no more."""


class Fake:
    """Deterministic noise in place of answers of all forms; implements `massjax.models.language_model.LanguageModel`.

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
            text = f"noise {random.bytes(9).hex()}" if form.schema is None else canonical(noise_that_fits(json.loads(form.schema), random))
            return Answer(text=text, finish_reason="stop", prompt_tokens=tokens, written_tokens=len(text) // 4)
        if isinstance(form, Familiar):
            noise = -random.exponential(3.0, size=max(1, len(question.prompt.user) // 4))
            return familiarity_answer(form, noise.tolist(), "user")._replace(prompt_tokens=tokens)
        count = len(form.items) if isinstance(form, Pick) else len(form.choices)
        logprobs = np.log(random.dirichlet(np.ones(count)) * 0.9)
        return scored(form, logprobs, random)._replace(prompt_tokens=tokens)


def noise_that_fits(schema: Any, random: np.random.Generator, root: Any = None, depth: int = 0) -> Any:
    """A value that fits a schema, as far as its keywords bound one; deep inside nothing but what is required."""
    root, deep = schema if root is None else root, depth > DEEP

    def inner(schema: Any) -> Any:
        return noise_that_fits(schema, random, root, depth + 1)

    if "$ref" in schema:
        return inner(referred(schema["$ref"], root))
    options = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    if options:
        return options[int(random.integers(len(options)))]
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return inner(schema[name][0 if deep else int(random.integers(len(schema[name])))])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        known = schema.get("properties", {})
        required = schema.get("required", [])
        names = required if deep else [*known, *(name for name in required if name not in known)]
        return {name: inner(known.get(name, {})) for name in names}
    if kind == "array":
        least = schema.get("minItems", 0)
        return [inner(schema.get("items", {})) for _ in range(least if deep else max(1, least))]
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else 0)
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + 101) - 1)
        return int(random.integers(math.ceil(low), math.floor(high) + 1)) if kind == "integer" else float(random.uniform(low, high))
    word = random.bytes(4).hex()
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1 << 30)
    return {"boolean": bool(random.integers(2)), "null": None, "string": word.ljust(least, "x")[:most]}[kind]
