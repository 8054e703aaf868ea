"""A protocol of one's own, as a configuration names it: a trader decides, a sceptic says how likely he is wrong."""

import numpy as np

from massjax.agents.prompts import PromptTemplate, prompts_of
from massjax.agents.protocols.turns import Ask, Last, Opinion, Vote
from massjax.models.forms import Decide, Write
from massjax.models.question import Prompt


def protocol(archetype, facts, member):
    asked = prompts_of(archetype, facts, member, PromptTemplate("stage.j2"), (), "Argue against buying this stock.")
    doubts = Ask("sceptic", Write(30), asked.prompts, asked.index, archetype.model)
    (said,) = yield (doubts,)
    pairs = zip(asked.prompts, said.texts, strict=True)
    prompts = [Prompt(one.system, f"{one.user}\n\nA sceptic wrote: {text or ''}\n\nBuy or sell?") for one, text in pairs]
    trade = Ask("trader", Decide(("buy", "sell"), "I "), prompts, asked.index, archetype.model)
    lost = np.append(said.codes, np.uint8(0))[asked.index]
    return Last((Vote(trade, lambda probability: probability),), opinion, lost)


def opinion(values):
    buy, sell = values[0][..., 0], values[0][..., 1]
    return Opinion(0.5 + 0.5 * (buy - sell), np.sign(buy - sell).astype(np.int8))
