"""The fake model with a memory of its own: of the returns that followed a date, and of what stands behind a masked prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from massjax.errors import ModelError
from massjax.market import Panel
from massjax.models.answer import Answer
from massjax.models.fake import Fake
from massjax.models.forms import Decide, Rate
from massjax.models.question import Prompt, Question
from massjax.models.scored import scored
from massjax.models.settings import ModelSettings


class Planted(Fake):
    """Answers questions that show a date and a stock by what is remembered of them; others like the fake.

    Args:
        remembered: by stock and date, as prompts show them, what is remembered: above 0 speaks for the stock.
        labels: the label that is said to a masked prompt.
        patience: questions after which it breaks down.
    """

    def __init__(
        self,
        settings: ModelSettings,
        remembered: Mapping[tuple[str, str], float],
        labels: Mapping[Prompt, str] | None = None,
        patience: float = np.inf,
    ) -> None:
        super().__init__(settings)
        self.remembered, self.labels, self.patience = remembered, labels or {}, patience

    def _answer(self, question: Question) -> Answer:
        if self.answered > self.patience:
            raise ModelError("out of patience")
        form, shown = question.form, dict(re.findall(r"^- (date|stock): (.*)$", question.prompt.user, re.MULTILINE))
        if isinstance(form, Rate) and (value := self.remembered.get((shown.get("stock", ""), shown.get("date", "")))) is not None:
            ladder = np.linspace(-2.0, 2.0, len(form.choices)) * value
            return scored(form, ladder - np.log(np.exp(ladder).sum()) - 0.01, np.random.default_rng(0))
        if isinstance(form, Decide) and (label := self.labels.get(question.prompt)) is not None:
            chances = np.where(np.array(form.choices) == label, 0.9, 0.05 / (len(form.choices) - 1))
            return scored(form, np.log(chances), np.random.default_rng(0))
        return super()._answer(question)


def remembering(panel: Panel, values: np.ndarray) -> dict[tuple[str, str], float]:
    """What is remembered by stock and date: a number of each, NaN for nothing."""
    return {
        (f"{panel.names[stock]} ({stock})" if stock in panel.names else stock, str(day)): float(values[n, t])
        for n, stock in enumerate(panel.stocks)
        for t, day in enumerate(panel.dates)
        if np.isfinite(values[n, t])
    }


Make = Callable[[ModelSettings], Planted]
