"""Picks by a language model: each replica of an archetype picks some of its watch list on each date, in one answer a list.

A replica's list is shuffled under letters. Before it picks it may be given a style, which a model writes for it, and be told of its own
earlier picks with what these have returned as known by the date. A place of what is asked is a stock and r T + t, of replica r on date t
(`massjax.scores.views.ReplicaView`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from massjax.agents.archetype import Archetype
from massjax.agents.facts import UNKNOWN, Fact
from massjax.agents.finite import Draw, FiniteSettings
from massjax.agents.lists import ListMarket, shown_places, watch_list
from massjax.agents.prompts import PICK, PromptTemplate, askable, is_quoted
from massjax.agents.protocols.styling import Styles, styled
from massjax.agents.protocols.turns import ANSWERED, NOTHING, Ask, Last, Opinion, Replies, Steps, Vote, at_cells
from massjax.models.failures import REASONS, Reason
from massjax.models.forms import Pick
from massjax.models.picks import LABELS
from massjax.models.question import Prompt

ROLE = "pick"
PREFILL = "My picks: "
NO_VALUE = "unknown"
"""In the place of a fact that is not known of a stock."""
LOW_COVERAGE = REASONS.index(Reason.LOW_COVERAGE)


def form_of_picks(settings: FiniteSettings, length: int, prefill: str) -> Pick:
    """How a list of so many stocks is picked from; the prompt shows it shuffled, so that item i is what stands at letter i."""
    seed = settings.seed if settings.temperature > 0 else 0
    count = min(settings.picks, length)
    return Pick(tuple(LABELS[:length]), tuple(range(length)), count, settings.method, settings.temperature, seed, prefill)


def picking(
    archetype: Archetype,
    settings: FiniteSettings,
    market: ListMarket,
    facts: Sequence[Fact],
    member: Bool[np.ndarray, "N T"],
    prefill: str,
    minimum_mass: float = 0.0,
) -> Steps:
    """Have the replicas of an archetype pick from their lists, all dates at once, or one after another where earlier picks are told.

    Args:
        archetype: whose replicas they are.
        settings: of the replicas.
        market: what lists are drawn from, and returns as known at the close of each date.
        facts: known at the close of each date.
        member: True where the stock is in the universe.
        prefill: beginning of the answers.
        minimum_mass: probability on the letters below which an answer counts as none.
    """
    stocks, dates = member.shape
    here = askable(archetype, facts, member)
    lost = np.full((stocks, settings.replicas * dates), NOTHING, np.uint8)
    score = np.full(lost.shape, np.nan, np.float32)
    styles: Styles | None = None
    if settings.style is not None:
        styles = yield from styled(archetype, settings, market, facts, here)
    places = _places(archetype, settings, market, here, styles)
    if styles is not None:
        without = (places >= 0) & (styles.why != ANSWERED)[None]
        lost = np.where(without, styles.why[None], lost).astype(np.uint8)
        places = np.where(without, -1, places)
    shown = _Shown(archetype, facts, market, settings, styles)
    picked = np.zeros(lost.shape, bool)
    asked: list[Ask] = []
    for block in _blocks(dates, settings):
        of_block = np.zeros(lost.shape, bool)
        for replica in range(settings.replicas):
            of_block[:, replica * dates + block.start : replica * dates + block.stop] = True
        asks = _asks(shown, np.where(of_block, places, -1), places, picked & (lost == ANSWERED), prefill)
        if not asks and not asked and block.stop == dates:
            length = min(settings.watchlist, stocks)
            asks = (Ask(ROLE, form_of_picks(settings, length, prefill), [], np.full(lost.shape, UNKNOWN, np.int32), archetype.model),)
        if not asks:
            continue
        for ask, replies in zip(asks, (yield asks), strict=True):
            assert ask.index is not None
            there = ask.index != UNKNOWN
            code = at_cells(_with_mass(replies, minimum_mass), ask.index, NOTHING)
            said = at_cells(replies.picks.astype(np.int16), ask.index, -2)
            picked |= there & (said == places[:, :, None]).any(axis=2)
            lost = np.where(there, code, lost).astype(np.uint8)
        asked += asks
    score = np.where(lost == ANSWERED, picked, score).astype(np.float32)
    votes = tuple(Vote(ask, _none) for ask in asked)
    return Last(votes, lambda _: Opinion(score), lost, apart=True, told={} if styles is None else styles.told())


def _none(probability: Float[np.ndarray, "Q C"]) -> Float[np.ndarray, "Q 0"]:
    """Picks are read by the protocol itself."""
    return probability[:, :0]


def _blocks(dates: int, settings: FiniteSettings) -> Iterator[slice]:
    """Dates that can be asked together: none of them is told of the picks of another."""
    together = min(settings.reflection, default=max(dates, 1))
    return (slice(start, min(start + together, dates)) for start in range(0, dates, together))


def _with_mass(replies: Replies, minimum: float) -> UInt8[np.ndarray, " Q"]:
    return np.where((replies.codes == ANSWERED) & (replies.mass < minimum), np.uint8(LOW_COVERAGE), replies.codes).astype(np.uint8)


def _places(
    archetype: Archetype, settings: FiniteSettings, market: ListMarket, here: Bool[np.ndarray, "N T"], styles: Styles | None
) -> Int[np.ndarray, "N RT"]:
    """The place of each stock in each list as it is shown; -1 where it is not watched."""
    found = []
    for replica in range(settings.replicas):
        weights = _weights(settings, market, styles, replica, here.shape[1])
        watched = watch_list(here, weights, market, settings, archetype.name, replica)
        found.append(shown_places(watched, market, settings, archetype.name, replica))
    return np.concatenate(found, axis=1)


def _weights(
    settings: FiniteSettings, market: ListMarket, styles: Styles | None, replica: int, dates: int
) -> Float[np.ndarray, "N T"] | None:
    """Chances of stocks in the lists of a replica: by its style on each date where styles choose, else by the draw of the settings."""
    if styles is None or settings.style is None or not settings.style.chooses_list:
        return market.weights[settings.draw]
    draws: list[Draw] = styles.draws(replica, settings.draw)
    if set(draws) == {"random"}:
        return None
    columns = [market.weights[draw] for draw in draws]
    alike = np.ones(len(market.stocks))
    return np.stack([alike if values is None else values[:, t] for t, values in enumerate(columns)], axis=1)


class _Shown(NamedTuple):
    """What prompts are made of."""

    archetype: Archetype
    facts: Sequence[Fact]
    market: ListMarket
    settings: FiniteSettings
    styles: Styles | None

    def seen(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.modality in self.archetype.modalities or not fact.modality]


def _asks(
    shown: _Shown,
    places: Int[np.ndarray, "N RT"],
    whole: Int[np.ndarray, "N RT"],
    picked: Bool[np.ndarray, "N RT"],
    prefill: str,
) -> tuple[Ask, ...]:
    """The questions about some lists, those of one length together.

    Args:
        places: of the stocks in these lists; -1 elsewhere.
        whole: in all lists.
        picked: what is picked of lists before.
    """
    template, seen = PromptTemplate(PICK), shown.seen()
    alike = [bool((fact.codes == fact.codes[:1]).all()) for fact in seen]
    lengths = (places >= 0).sum(axis=0)
    found = []
    for length in np.unique(lengths[lengths > 0]).tolist():
        rows, index = dict[Prompt, int](), np.full(places.shape, UNKNOWN, np.int32)
        form = form_of_picks(shown.settings, length, prefill)
        for column in np.flatnonzero(lengths == length).tolist():
            watched = np.flatnonzero(places[:, column] >= 0)
            listed = watched[np.argsort(places[watched, column])]
            memory = _memory(shown, column, whole, picked)
            prompt = _prompt(template, shown, seen, alike, listed.tolist(), column, form.count, memory)
            index[listed, column] = rows.setdefault(prompt, len(rows))
        found.append(Ask(ROLE, form, list(rows), index, shown.archetype.model))
    return tuple(found)


def _prompt(
    template: PromptTemplate,
    shown: _Shown,
    seen: Sequence[Fact],
    alike: Sequence[bool],
    listed: Sequence[int],
    column: int,
    count: int,
    memory: Iterable[str],
) -> Prompt:
    date = column % len(shown.market.days)
    shared, columns, cells = [], [], [list[str]() for _ in listed]
    texts = [list[dict[str, str]]() for _ in listed]
    for fact, same in zip(seen, alike, strict=True):
        said = [fact.texts[code] if code != UNKNOWN else None for code in fact.codes[listed, date].tolist()]
        if same:
            shared += [{"label": fact.label, "text": said[0]}] if said[0] is not None else []
        elif any(is_quoted(text) for text in fact.texts):
            for place, text in enumerate(said):
                texts[place] += [{"label": fact.label, "text": text}] if text is not None else []
        else:
            columns.append(fact.label)
            for place, text in enumerate(said):
                cells[place].append(NO_VALUE if text is None else text)
    stocks = [{"label": LABELS[place], "cells": cells[place], "texts": texts[place]} for place in range(len(listed))]
    style = () if shown.styles is None else shown.styles.lines(column)
    values = {"style": list(style), "shared": shared, "columns": columns, "stocks": stocks, "memory": list(memory), "count": count}
    return template.render_with(shown.archetype, "\n".join(style), **values)


def _memory(shown: _Shown, column: int, places: Int[np.ndarray, "N RT"], picked: Bool[np.ndarray, "N RT"]) -> Iterator[str]:
    """What a replica is told of its own earlier picks, with the returns of these that are known by the close of the date."""
    date = column % len(shown.market.days)
    for ago in shown.settings.reflection:
        before = np.flatnonzero(picked[:, column - ago]) if date >= ago else np.empty(0, int)
        if not len(before):
            continue
        returns = shown.market.returns[ago][:, date]
        said = []
        for stock in before.tolist():
            place = int(places[stock, column])
            name = f"stock {LABELS[place]} of today's list" if place >= 0 else "a stock that is not on today's list"
            said.append(f"{name} ({_percent(returns[stock])})")
        when = "On the last trading day" if ago == 1 else f"{ago} trading days ago"
        known = returns[before][np.isfinite(returns[before])]
        listed = returns[places[:, column - ago] >= 0]
        listed = listed[np.isfinite(listed)]
        means = f"; mean {_percent(known.mean())}, of your whole list then {_percent(listed.mean())}" if len(known) else ""
        yield f"{when} you picked, with the return since: {', '.join(said)}{means}."


def _percent(value: float) -> str:
    return f"{100.0 * value:+.1f}%" if np.isfinite(value) else "no return known yet"
