"""Which tokens of a chat prompt are those of its user message: a chat template tells where it stands, a tokenizer where each token does.

Template and system message are the same in all prompts of an investor; what differs, and may be remembered, is what the user message says.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from massjax.models.answer import Answer, unanswered
from massjax.models.chat import Chat
from massjax.models.failures import Reason
from massjax.models.familiarity import Counted, familiarity_answer
from massjax.models.forms import Familiar
from massjax.models.question import Prompt

_PROBE = Prompt("SYSTEM", "MARKOFTHEUSERTEXT")


class Placed(NamedTuple):
    """A prompt as token ids.

    Attributes:
        ids: all of them, up to where the answer begins, as they are sent for an answer without a `prefill`.
        places: of the tokens that count, none of them the first, of which no log-probability is to be had.
        counted: which these are.
    """

    ids: list[int]
    places: list[int]
    counted: Counted

    def answer(self, form: Familiar, logprobs: Sequence[float | None]) -> Answer:
        """The familiarity that the log-probabilities of all tokens make; a failure where one is missing.

        Args:
            logprobs: of each token of `ids`.
        """
        values = [logprobs[place] for place in self.places]
        given = [value for value in values if value is not None]
        if len(given) < len(values):
            return unanswered(Reason.NO_LOGPROBS, f"{len(values) - len(given)} of {len(values)} tokens of the prompt have none")
        return familiarity_answer(form, given, self.counted)


def placed_prompts(chat: Chat, prompts: Sequence[Prompt], longest: int) -> list[Placed | Answer]:
    """Prompts as token ids with the tokens that count; in the place of one that cannot be asked, a failure that says why.

    Args:
        longest: tokens that a prompt may have, with one that is said.
    """
    tells = _places(chat, _PROBE, chat.ids(_PROBE)) is not None
    found = list[Placed | Answer]()
    for prompt, ids in zip(prompts, chat.all_ids(prompts), strict=True):
        places = None if isinstance(ids, str) or not tells else _places(chat, prompt, ids)
        if isinstance(ids, str):
            found.append(unanswered(Reason.CONTROL_TOKEN))
        elif len(ids) > longest - 1:
            found.append(unanswered(Reason.TOO_LONG, f"it has {len(ids)} tokens, with the answer more than {longest - 1} (max_model_len)"))
        elif not tells:
            found.append(Placed(ids, list(range(1, len(ids))), "prompt"))
        elif places is None:
            found.append(unanswered(Reason.UNASKABLE, "the chat template changes the user message, so that its tokens are not known"))
        else:
            found.append(Placed(ids, places, "user"))
    return found


def _places(chat: Chat, prompt: Prompt, ids: Sequence[int]) -> list[int] | None:
    """The places of the tokens that hold a letter of the user message; None where the template or the tokenizer does not tell."""
    if not chat.tokenizer.is_fast:
        return None
    plainer = Prompt(*(unicodedata.normalize("NFKC", part) for part in prompt))
    for shown in dict.fromkeys((prompt, plainer)):
        text = chat.text(shown)
        span = _span(chat, text, shown.user)
        encoded = chat.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        if span is not None and list(encoded["input_ids"]) == list(ids):
            begin, end = span
            return [place for place, (start, stop) in enumerate(encoded["offset_mapping"]) if place and start < end and stop > begin]
    return None


def _span(chat: Chat, text: str, user: str) -> tuple[int, int] | None:
    """Where in a rendered prompt its user message stands, of which templates may strip the blanks at either end."""
    after = chat.text(_PROBE).rpartition(_PROBE.user)[2]
    if not text.endswith(after):
        return None
    end = len(text) - len(after)
    shown = chat.defuse(user)
    for said in (shown, shown.rstrip(), shown.strip(), shown.lstrip()):
        if text[:end].endswith(said):
            return end - len(said), end
    return None
