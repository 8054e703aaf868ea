"""Questions and answers for the tests of the log: what a question is answered depends on it alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from massjax.answers.log import AnswerLog
from massjax.models.answer import Answer
from massjax.models.failures import Failure, Reason
from massjax.models.familiarity import familiarity_answer
from massjax.models.forms import Familiar, Form, Pick, Rate, Write
from massjax.models.identity import identity_digest
from massjax.models.question import Prompt, Question

IDENTITY = {"engine": "fake", "model": "no model: answers are noise", "seed": "0"}
MODEL = identity_digest(IDENTITY)
MACHINE = "2 CPU cores"
RATE = Rate(("1", "2", "3", "4", "5"))


def questions(count: int, start: int = 0, form: Form = RATE, model: str = MODEL) -> list[Question]:
    """Some that share the beginnings of their prompts."""
    return [Question(model, Prompt(f"You are investor {i % 3}.", f"é stock {i // 3}, rate it."), form) for i in range(start, start + count)]


def answer(question: Question, salt: str = "") -> Answer:
    """What comes back to a question: of each fiftieth to be rated, a failure."""
    rng = random.Random(question.key + salt.encode())
    counts = {"prompt_tokens": 30 + rng.randrange(40), "cached_tokens": rng.randrange(20), "seconds": 0.25}
    if isinstance(question.form, Write):
        return Answer(None, float("nan"), None, f"noise {rng.random()}", None, "length", written_tokens=7, **counts)
    if isinstance(question.form, Pick):
        share = tuple(1 / len(question.form.items) for _ in question.form.items)
        picks = tuple(rng.sample(range(len(share)), question.form.count))
        return Answer(share, 0.5, picks, None, None, "stop", written_tokens=1, **counts)
    if rng.randrange(50) == 0:
        return Answer(None, float("nan"), None, None, Failure(Reason.NO_CHOICE, "said é\x1b[2J"), "", written_tokens=0, **counts)
    if isinstance(question.form, Familiar):
        return familiarity_answer(question.form, [-8 * rng.random() for _ in range(40)], "user")._replace(**counts)
    values = np.float16(np.random.default_rng(rng.randrange(2**32)).dirichlet(np.ones(len(question.form.choices))))
    mass = float(np.float32(0.5 + rng.random() / 2))
    return Answer(tuple(map(float, values)), mass, None, None, None, "stop", written_tokens=1, **counts)


def keys(asked: Sequence[Question]) -> np.ndarray:
    return np.frombuffer(b"".join(question.key for question in asked), dtype="<u8").reshape(-1, 2)


def fill(log: AnswerLog, asked: Sequence[Question], batch: int = 50, salt: str = "") -> AnswerLog:
    for begin in range(0, len(asked), batch):
        part = asked[begin : begin + batch]
        log.append(IDENTITY, part, [answer(question, salt) for question in part], MACHINE)
    return log


class Counting:
    """A model whose answers are those of `answer`, and which counts what it is asked."""

    questions_at_once = 8

    def __init__(self, salt: str = "") -> None:
        self.salt = salt
        self.asked: list[Question] = []

    def identity(self) -> dict[str, str]:
        return IDENTITY

    def load(self) -> None:
        pass

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked += questions
        return [answer(question, self.salt) for question in questions]

    def close(self) -> None:
        pass
