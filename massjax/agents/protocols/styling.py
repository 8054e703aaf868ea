"""Styles of an archetype's replicas: a JSON that a model writes once, or on each date from what is known of the market by its close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Int, UInt8

from massjax.agents.archetype import Archetype
from massjax.agents.facts import UNKNOWN, Fact
from massjax.agents.finite import Draw, FiniteSettings
from massjax.agents.lists import ListMarket
from massjax.agents.prompts import STYLE, PromptTemplate, distinct_rows, modality_title
from massjax.agents.protocols.staged import written_form
from massjax.agents.protocols.turns import ANSWERED, Ask, Replies
from massjax.agents.style import HOLDING_PERIODS, RISK_APPETITES, Style, StyleSettings, style_of, style_schema
from massjax.models.failures import REASONS, Reason
from massjax.models.forms import Write
from massjax.models.question import Prompt

ROLE = "style"


class Styles(NamedTuple):
    """The styles of an archetype's replicas, by replica r and date t at r T + t.

    Attributes:
        found: different styles.
        which: of them, -1 where there is none.
        why: 0 where there is one, else the place in `REASONS` of why there is none.
        dates: T of them.
    """

    found: tuple[Style, ...]
    which: Int[np.ndarray, " RT"]
    why: UInt8[np.ndarray, " RT"]
    dates: int

    def lines(self, column: int) -> tuple[str, ...]:
        """What a prompt shows of a style."""
        return self.found[self.which[column]].lines()

    def draws(self, replica: int, default: Draw) -> list[Draw]:
        """How the list of a replica is drawn on each date; `default` where there is no style."""
        of_one = self.which[replica * self.dates : (replica + 1) * self.dates].tolist()
        return [default if row < 0 else cast("Draw", self.found[row].watch_list) for row in of_one]

    def told(self) -> dict[str, str]:
        """What a report tells of them: of each field the value that most replicas and dates have, and the share that has it."""
        styles = [self.found[row] for row in self.which.tolist() if row >= 0]
        if not styles:
            return {}
        found = {}
        for name in ("risk_appetite", "holding_period", "watch_list"):
            value, count = Counter(str(getattr(style, name)) for style in styles).most_common(1)[0]
            found[name] = value if count == len(styles) else f"{value} ({count / len(styles):.0%})"
        return found


def form_of_style(settings: StyleSettings, draws: Sequence[str], replica: int) -> Write:
    """How the style of a replica is written; a style of all replicas as that of the first."""
    number = replica if settings.per == "replica" else 0
    form = written_form(settings.max_tokens, settings.temperature, settings.seed, number)
    return Write(form.max_tokens, form.temperature, form.seed, style_schema(draws))


def styled(
    archetype: Archetype, settings: FiniteSettings, market: ListMarket, facts: Sequence[Fact], here: Bool[np.ndarray, "N T"]
) -> Generator[tuple[Ask, ...], tuple[Replies, ...], Styles]:
    """Have the styles of an archetype's replicas written.

    Args:
        archetype: whose replicas they are.
        settings: of the replicas, with those of styles.
        market: which draws can be served, and which modalities are about the whole market.
        facts: known at the close of each date.
        here: True where the archetype can be asked about a stock.
    """
    own = settings.style
    assert own is not None
    dates = here.shape[1]
    macro = [fact for fact in facts if own.when == "daily" and fact.modality in market.macro and bool((fact.codes == fact.codes[:1]).all())]
    rows, which = np.zeros((1, 0), np.int32), np.zeros(dates, np.int64)
    if macro and dates:
        rows, which = distinct_rows([fact.codes[0] for fact in macro])
    template = PromptTemplate(STYLE)
    prompts = [_prompt(template, archetype, facts, market, macro, row) for row in rows.tolist()]
    index = np.where(here, which[None], UNKNOWN).astype(np.int32)
    nobody = np.full(here.shape, UNKNOWN, np.int32)
    model, draws = own.model or archetype.model, tuple(market.weights)
    together = settings.replicas if own.per == "type" else 1
    groups = [range(first, first + together) for first in range(0, settings.replicas, together)]
    asks = tuple(
        Ask(
            ROLE,
            form_of_style(own, draws, group[0]),
            prompts,
            np.concatenate([index if replica in group else nobody for replica in range(settings.replicas)], axis=1),
            model,
            kind="stage",
        )
        for group in groups
    )
    found, of_column = dict[Style, int](), np.full(settings.replicas * dates, UNKNOWN, np.int64)
    why = np.zeros(settings.replicas * dates, np.uint8)
    for group, ask, replies in zip(groups, asks, (yield asks), strict=True):
        assert isinstance(ask.form, Write)
        codes, numbers = replies.codes.copy(), np.full(len(replies.codes), UNKNOWN, np.int64)
        for row in np.flatnonzero(replies.codes == ANSWERED).tolist():
            style = style_of(replies.texts[row] or "", ask.form)
            if style is None:
                codes[row] = REASONS.index(Reason.UNFIT)
            else:
                numbers[row] = found.setdefault(style, len(found))
        columns = slice(group[0] * dates, (group[-1] + 1) * dates)
        of_column[columns], why[columns] = np.tile(numbers[which], len(group)), np.tile(codes[which], len(group))
    return Styles(tuple(found), of_column, why, dates)


def _prompt(
    template: PromptTemplate, archetype: Archetype, facts: Sequence[Fact], market: ListMarket, macro: Sequence[Fact], row: Sequence[int]
) -> Prompt:
    """What a style is written from: the kinds of facts that the archetype sees, and what is known of the market."""
    groups = [
        {"title": modality_title(name), "labels": list(dict.fromkeys(fact.label for fact in facts if fact.modality == name))}
        for name in archetype.modalities
    ]
    shared = [{"label": fact.label, "text": fact.texts[code]} for fact, code in zip(macro, row, strict=True) if code != UNKNOWN]
    values = {"groups": groups, "shared": shared, "draws": list(market.weights)}
    scales = {"risk_appetites": list(RISK_APPETITES), "holding_periods": list(HOLDING_PERIODS)}
    return template.render_with(archetype, "", **values, **scales)
