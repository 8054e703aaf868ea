"""Made-up replies in the place of answers that are not there yet, so that what follows them can be counted before anything is asked."""

from __future__ import annotations

import numpy as np

from massjax.agents.protocols.turns import ANSWERED, UNASKED, Ask, Replies
from massjax.models.forms import Pick, Write
from massjax.models.question import CHARACTERS_PER_TOKEN

WORD = " supposed"


def supposed(ask: Ask, replies: Replies) -> Replies:
    """Replies in which what was never asked has an answer: as long a text as may be written, another one for each question; or a choice.

    Args:
        ask: the questions.
        replies: what there is.
    """
    rows = np.flatnonzero(replies.codes == UNASKED).tolist()
    codes = np.where(replies.codes == UNASKED, np.uint8(ANSWERED), replies.codes)
    if isinstance(ask.form, Write):
        texts = list(replies.texts)
        for row in rows:
            texts[row] = _text(ask.prompts[row].digest(), ask.form.max_tokens)
        return Replies(codes, texts)
    count = len(ask.form.items if isinstance(ask.form, Pick) else ask.form.choices)
    probability, mass = replies.probability.copy(), replies.mass.copy()
    for row in rows:
        probability[row] = np.eye(count)[ask.prompts[row].digest() % count]
        mass[row] = 1.0
    return Replies(codes, (), probability, mass)


def _text(digest: int, tokens: int) -> str:
    length = round(tokens * CHARACTERS_PER_TOKEN)
    return f"{digest:016x}{WORD * (length // len(WORD) + 1)}"[: max(16, length)]
