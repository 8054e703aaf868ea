"""What a model wrote, as an answer: without thoughts, and with a schema only where it fits it."""

from __future__ import annotations

from massjax.models.answer import Answer, unanswered
from massjax.models.failures import Failure, Reason
from massjax.models.schema import misfit
from massjax.models.thinking import spoken


def written(text: str, finish_reason: str, schema: str | None) -> Answer:
    """The answer that a text is; a failure where it is empty, thinks to its end, or does not fit `schema`.

    The text is kept beside a failure to fit, so that it can be read what was written instead.
    """
    said = spoken(text)
    if isinstance(said, Failure):
        return unanswered(*said)._replace(finish_reason=finish_reason)
    if not any(letter.isprintable() and not letter.isspace() for letter in said):
        return unanswered(Reason.NO_TEXT)._replace(finish_reason=finish_reason)
    fault = None if schema is None else misfit(said, schema)
    if fault is not None:
        ended = "; it ended at its max_tokens" if finish_reason == "length" else ""
        return Answer(text=said, failure=Failure(Reason.UNFIT, f"{fault}{ended}"), finish_reason=finish_reason)
    return Answer(text=said, finish_reason=finish_reason)
