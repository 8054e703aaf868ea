"""What a model was shown about one stock on one date, and what it said: the conversation behind a cell of the score tensor."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np

from massjax.agents.archetype import Archetype
from massjax.agents.protocols.turns import NO_DECISION
from massjax.answers.files import Recorded
from massjax.config import RunConfig
from massjax.errors import ConfigError, did_you_mean
from massjax.models.question import Question
from massjax.scores.build import Resolver
from massjax.scores.fitting import resolver_of_store
from massjax.scores.hindsight import MEANINGS, ViewCode
from massjax.scores.inputs import prepare
from massjax.scores.opinions import opinions
from massjax.scores.status import Status

DECISIONS = {1: "long", 0: "neither", -1: "short", NO_DECISION: "none"}


class Conversation(NamedTuple):
    """What was asked about one stock on one date.

    Attributes:
        questions: in the order of asking: what each is for, the question, and what the log has of it.
        outcome: the score that the answers come to, or why there is none, in words.
    """

    questions: tuple[tuple[str, Question, Recorded | None], ...]
    outcome: str


def conversation_of(config: RunConfig, archetype: str, stock: str, date: str) -> Conversation:
    """The questions that a score comes from, what came back to each, and what score that is.

    Args:
        config: of the run; it names the store.
        archetype, stock: names.
        date: such as 2024-01-31.

    Raises:
        ConfigError: there is no such archetype, stock or date, or nothing is asked about it.
    """
    if config.store is None:
        raise ConfigError("store: not set; name the score store that the answers are in")
    inputs = prepare(config)
    names = {one.name: one for one in inputs.asking}
    if archetype not in names:
        raise ConfigError(f"--archetype {archetype}: no archetype of that name asks a model{did_you_mean(archetype, names)}")
    panel = inputs.panel
    if stock not in panel.stocks:
        raise ConfigError(f"--stock {stock}: the market data have no such stock{did_you_mean(stock, panel.stocks)}")
    try:
        day = np.datetime64(datetime.strptime(date, "%Y-%m-%d").date(), "D")
    except ValueError:
        raise ConfigError(f"--date {date}: expected a day such as {panel.dates[0]}") from None
    if day not in panel.dates:
        raise ConfigError(f"--date {date}: is no date of the market data, which go from {panel.dates[0]} to {panel.dates[-1]}")
    resolver = resolver_of_store(inputs, config.store)
    n, t = panel.stocks.index(stock), int(np.searchsorted(panel.dates, day))
    found = resolver.conversation(names[archetype], n, t)
    if not panel.member[n, t]:
        raise ConfigError(f"{stock} is not in the universe on {date}: nothing is asked about it")
    asked = tuple((title, question, resolver.log.recorded(question.key)) for title, question in found)
    return Conversation(asked, _outcome(resolver, names[archetype], n, t))


def _outcome(resolver: Resolver, archetype: Archetype, stock: int, date: int) -> str:
    """What the answers about a stock on a date come to, in words."""
    scoring = resolver.inputs.config.scoring
    whole = archetype in resolver.inputs.viewed
    asks = resolver.turn(archetype, None if whole else slice(date, date + 1)).asks
    if asks is None:
        return "score: none yet, texts or decisions are to be asked for before"
    found = opinions(asks, resolver.log, scoring.minimum_coverage)
    place = stock, date if whole else 0
    score, status = found.score[place], Status(int(found.status[place]))
    if status == Status.NOT_APPLICABLE:
        return "score: none; nothing is asked, as the archetype sees no fact or text about the stock that day"
    if status == Status.UNDEFINED:
        return f"score: none; {MEANINGS[ViewCode.NO_PAST].removeprefix('no score: ')}"
    if np.isnan(score):
        return f"score: none ({status.name.lower().replace('_', ' ')})"
    after = ", after calibration" if any(read.prior is not None for read in asks.reads) else ""
    if found.decision is None:
        how = resolver.inputs.config.agents.hindsight_of(archetype)
        taken = f", memory taken out by {how}" if whole else ""
        return f"score: {score:.4f}, the expected choice, scaled to [0, 1]{after}{taken}"
    decision = DECISIONS[int(found.decision[place])]
    return f"score: {score:.4f}, the expected position from short (0) over neither (0.5) to long (1){after}; decision: {decision}"
