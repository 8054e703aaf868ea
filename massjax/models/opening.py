"""What the first replies of a server show: whether it can be asked at all, before a thousand requests meet the same refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from massjax.errors import ModelError
from massjax.models.failures import Failure, Reason
from massjax.models.http import ReadReply, Reply, Requests
from massjax.models.refusals import cure

ALIKE = 3
"""Different prompts that fail for one reason, none having been answered, before it counts as the reason of all."""

MAY_PASS = frozenset({Reason.UNAVAILABLE, Reason.TIMED_OUT})
"""Failures after which the same request may be answered another time."""
OF_ONE_PROMPT = frozenset({Reason.TOO_LONG, Reason.CONTROL_TOKEN, Reason.NO_CHOICE, Reason.NO_TEXT, Reason.DECLINED})
"""Failures that tell nothing of other prompts."""

T = TypeVar("T")


def opened(
    requests: Requests, path: str, bodies: Sequence[Mapping[str, Any]], read_reply: ReadReply[T] | Sequence[ReadReply[T]]
) -> dict[int, Reply[T]]:
    """Make the first requests one after the other, once each, until one is answered; the replies that are final, by row.

    Raises:
        ModelError: a field of every request is refused, or the first prompts fail for a reason that every prompt has.
    """
    replies: dict[int, Reply[T]] = {}
    alike = 0
    for row, body in enumerate(bodies[: 4 * ALIKE]):
        (reply,) = requests.post(path, [body], read_reply if callable(read_reply) else read_reply[row], attempts=1)
        if reply.failure is None:
            return {**replies, row: reply}
        reason, words = reply.failure
        if reason in MAY_PASS:
            break
        if reason is not Reason.MALFORMED:
            replies[row] = reply
        if reason in OF_ONE_PROMPT:
            continue
        alike += 1
        if alike == ALIKE or (reason is Reason.REFUSED and cure(words, body) is not None):
            raise ModelError(_hopeless(requests.settings.url, reply.failure, body))
    return replies


def nothing_answered(url: str, found: Sequence[object], bodies: Sequence[Mapping[str, Any]], *, answered_before: bool) -> None:
    """End a run whose call was not answered at all, unless the prompts themselves are at fault.

    Raises:
        ModelError: every request of the call failed, for another reason than its own prompt.
    """
    failures = [one for one in found if isinstance(one, Failure)]
    if not found or len(failures) < len(found):
        return
    own = OF_ONE_PROMPT | ({Reason.REFUSED, Reason.MALFORMED} if answered_before else frozenset())
    first = next((failure for failure in failures if failure.reason not in own), None)
    if first is None:
        return
    if first.reason in MAY_PASS:
        raise ModelError(
            f"{url}: answered none of {len(found)} prompts; the first: {first}. "
            "What is scored is stored; start again when the server answers"
        )
    raise ModelError(_hopeless(url, first, bodies[0]))


def _hopeless(url: str, failure: Failure, body: Mapping[str, Any]) -> str:
    """Why no prompt will be answered, in the server's words, and what to do."""
    reason, words = failure
    if reason is Reason.REFUSED:
        found = cure(words, body)
        advice = f"; {found}" if found else "; check .model, .api and .extra under scoring.endpoint against what the server takes"
        return f"{url}: refuses every request with {words}{advice}"
    if reason is Reason.THINKING:
        without = (
            "with scoring.endpoint.extra (vLLM: {chat_template_kwargs: {enable_thinking: false}})"
            if "messages" in body
            else 'with a scoring.prefill that ends it, such as "<think>\\n\\n</think>\\n\\n"'
        )
        return (
            f"{url}: the model thinks before it answers ({words}), but a score is read from the first token of the answer; "
            f"let it answer at once {without}, or name a model that does (scoring.endpoint.model)"
        )
    if reason is Reason.NO_LOGPROBS:
        return (
            f"{url}: {words}; scores are read from log-probabilities: name a model or server that gives them under scoring.endpoint, "
            "or load the model here (scoring.engine: vllm)"
        )
    if reason is Reason.IMPOSSIBLE:
        return f"{url}: sent log-probabilities that cannot be ({words}); nothing it answers can be scored: use another server or version"
    return f"{url}: does not answer as the OpenAI API does: {words}; check scoring.endpoint.url (it usually ends in /v1) and .api"
