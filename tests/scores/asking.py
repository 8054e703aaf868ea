"""Asking for the scores of a small run with the fake model, noting each question that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from massjax.answers.ask import Tally
from massjax.config import RunConfig
from massjax.machine import this_machine
from massjax.models.answer import Answer
from massjax.models.fake import Fake
from massjax.models.loading import Models
from massjax.models.question import Prompt, Question
from massjax.models.settings import ModelSettings
from massjax.scores.asked_models import asked_models
from massjax.scores.asking import WHOLE, Part, ask_everything
from massjax.scores.build import Resolver
from massjax.scores.fitting import answer_log, resolver_of
from massjax.scores.inputs import prepare
from massjax.scores.scores import Scores
from massjax.scores.writing import Written, write_scores


class Noting(Fake):
    """The fake model, with a list of the questions that it was given."""

    def __init__(self, settings: ModelSettings, asked: list[Question]) -> None:
        super().__init__(settings)
        self.asked = asked

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked += questions
        return super().answer(questions)


class Run(NamedTuple):
    """What asking came to.

    Attributes:
        written: the tensor, and what is counted of it.
        asked: the questions given to models, in order.
        score: [T, K, N], read at once: a later run's tensor takes the place of this one.
    """

    resolver: Resolver
    written: Written
    asked: list[Question]
    tally: Tally
    score: np.ndarray

    @property
    def scores(self) -> Scores:
        return self.written.scores

    def archetype(self, name: str) -> Any:
        return next(one for one in self.resolver.inputs.archetypes if one.name == name)

    def prompts(self, name: str) -> list[Prompt]:
        """The different prompts for an archetype's scores, without the one that calibrates."""
        turn = self.resolver.turn(self.archetype(name))
        assert turn.asks is not None
        return list(turn.prompts[: len(turn.asks.keys)])


def opened(config: RunConfig) -> tuple[Resolver, dict[str, Any], Any]:
    """The resolver of a configuration, the models it asks, and its layout."""
    assert config.store is not None
    inputs, log = prepare(config), answer_log(config.store)
    models = asked_models(inputs, log, this_machine())
    resolver, order = resolver_of(inputs, log, {name: asked.digest for name, asked in models.items()})
    return resolver, models, order


def at_hand(models: dict[str, Any], make: Any) -> Models:
    """The models of a configuration, made by the test."""
    return Models({name: one.settings for name, one in models.items()}, make)


def run(config: RunConfig, model: Any = Noting, part: Part = WHOLE) -> Run:
    """What `massjax.pipeline.precompute` does, with models of the test's own."""
    (resolver, models, order), asked = opened(config), list[Question]()
    with at_hand(models, partial(model, asked=asked)) as making:
        resolver, tally = ask_everything(resolver, making, layout=order.layout, part=part)
    written = write_scores(resolver, Path(str(config.store)), {name: one.identity for name, one in models.items()})
    return Run(resolver, written, asked, tally, written.scores.score())
