"""What a model was shown about one stock on one date, and what it said: the conversation behind a cell of the score tensor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from massjax.answers.files import Recorded
from massjax.config import RunConfig
from massjax.errors import ConfigError, did_you_mean
from massjax.machine import this_machine
from massjax.models.question import Question
from massjax.scores.asked_models import asked_models
from massjax.scores.fitting import answer_log, resolver_of
from massjax.scores.inputs import prepare


def conversation_of(config: RunConfig, archetype: str, stock: str, date: str) -> Iterator[tuple[str, Question, Recorded | None]]:
    """The questions that a score comes from, in the order of asking: what each is for, the question, and what the log has of it.

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
    log = answer_log(config.store)
    digests = {name: asked.digest for name, asked in asked_models(inputs, log, this_machine()).items()}
    resolver, _ = resolver_of(inputs, log, digests, config.store)
    n, t = panel.stocks.index(stock), int(np.searchsorted(panel.dates, day))
    found = resolver.conversation(names[archetype], n, t)
    if not any(title == "score" for title, _ in found) and not panel.member[n, t]:
        raise ConfigError(f"{stock} is not in the universe on {date}: nothing is asked about it")
    for title, question in found:
        yield title, question, log.recorded(question.key)
