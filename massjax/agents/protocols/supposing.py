"""Made-up replies in the place of answers that are not there yet, so that what follows them can be counted before anything is asked."""

from __future__ import annotations

import json

import numpy as np

from massjax.agents.protocols.turns import ANSWERED, UNASKED, Ask, Replies
from massjax.models.fake import noise_that_fits
from massjax.models.forms import Pick, Write, canonical
from massjax.models.question import CHARACTERS_PER_TOKEN

WORD = " supposed"


def supposed(ask: Ask, replies: Replies) -> Replies:
    """Replies in which what was never asked has an answer: as long a text as may be written, or a JSON of
    its schema, another one for each question; a choice; or picks.

    Args:
        ask: the questions.
        replies: what there is.
    """
    rows = np.flatnonzero(replies.codes == UNASKED).tolist()
    codes = np.where(replies.codes == UNASKED, np.uint8(ANSWERED), replies.codes)
    if isinstance(ask.form, Write):
        texts = list(replies.texts)
        for row in rows:
            texts[row] = _text(ask.prompts[row].digest(), ask.form)
        return Replies(codes, texts)
    count = len(ask.form.items if isinstance(ask.form, Pick) else ask.form.choices)
    probability, mass, picks = replies.probability.copy(), replies.mass.copy(), replies.picks.copy()
    for row in rows:
        first = ask.prompts[row].digest() % count
        probability[row] = np.eye(count)[first]
        mass[row] = 1.0
        if isinstance(ask.form, Pick):
            picks[row] = (first + np.arange(ask.form.count)) % count
    return Replies(codes, (), probability, mass, picks)


def _text(digest: int, form: Write) -> str:
    if form.schema is not None:
        return canonical(noise_that_fits(json.loads(form.schema), np.random.default_rng(digest)))
    length = round(form.max_tokens * CHARACTERS_PER_TOKEN)
    return f"{digest:016x}{WORD * (length // len(WORD) + 1)}"[: max(16, length)]
