"""Replies of a server read for the forms of an answer: log-probabilities of tokens asked for, or of the prompt's own, and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from massjax.models.by_tokens import Seen
from massjax.models.failures import Failure, Reason
from massjax.models.probabilities import impossible
from massjax.models.replies import TOKEN, ChatReply, Message, TextAnswer, TextReply, declined, understood
from massjax.models.sequences import Tokens


class Said(NamedTuple):
    """A text as a server sent it."""

    text: str
    finish_reason: str
    prompt_tokens: int
    cached_tokens: int
    written_tokens: int


def read_tokens(body: bytes, wanted: Tokens) -> Seen | Failure:
    """The log-probability of every token wanted in a reply of the completions API (vLLM's `logprob_token_ids`)."""
    reply = understood(TextReply, body)
    if isinstance(reply, Failure):
        return reply
    logprobs = reply.choices[0].logprobs
    sent = (logprobs.top_logprobs[0] if logprobs is not None and logprobs.top_logprobs else None) or {}
    found = {token: sent.get(f"{TOKEN}{token}") for token in wanted}
    values = {token: value for token, value in found.items() if value is not None}
    if len(values) < len(wanted):
        first = next(token for token in wanted if token not in values)
        return Failure(Reason.NO_LOGPROBS, f"the server sent no log-probability of token {first} (it needs vLLM's logprob_token_ids)")
    numbers = np.array([value for value in sent.values() if value is not None], dtype=np.float64)
    if impossible(numbers[None, :])[0]:
        return Failure(Reason.IMPOSSIBLE, f"{numbers.max():g} and others, of which the probabilities add up to more than 1 or are none")
    return Seen(values, reply.usage.prompt_tokens, reply.usage.prompt_tokens_details.cached_tokens)


class Echoed(NamedTuple):
    """What a server tells of the tokens of a prompt: the log-probability of each, None where it has none."""

    logprobs: tuple[float | None, ...]
    prompt_tokens: int
    cached_tokens: int


def read_echo(body: bytes, ids: Sequence[int]) -> Echoed | Failure:
    """The log-probabilities of a prompt's own tokens in a reply of the completions API to `echo` with `logprobs`.

    The reply names every token by its id (vLLM's `return_tokens_as_token_ids`): a prompt that the server has read in another way than it
    was sent, or has not sent back, is a failure.
    """
    reply = understood(TextReply, body)
    if isinstance(reply, Failure):
        return reply
    logprobs = reply.choices[0].logprobs
    tokens, values = (logprobs.tokens or (), logprobs.token_logprobs or ()) if logprobs is not None else ((), ())
    if len(values) < len(ids) or tokens[: len(ids)] != tuple(f"{TOKEN}{token}" for token in ids):
        return Failure(Reason.NO_LOGPROBS, "the server sent none for the tokens of the prompt (it needs vLLM's echo with logprobs)")
    return Echoed(values[: len(ids)], reply.usage.prompt_tokens, reply.usage.prompt_tokens_details.cached_tokens)


def read_said(body: bytes, *, chat: bool) -> Said | Failure:
    """The text in a reply, or that the model or a filter would not answer, or has only thought."""
    reply: ChatReply | TextReply | Failure = understood(ChatReply, body) if chat else understood(TextReply, body)
    if isinstance(reply, Failure):
        return reply
    answer = reply.choices[0]
    message = Message(content=answer.text) if isinstance(answer, TextAnswer) else answer.message or Message()
    reason = answer.finish_reason or ""
    if not message.text.strip():
        refused = declined(message, answer.finish_reason)
        if refused is not None:
            return refused
        if message.thoughts.strip():
            return Failure(Reason.THINKING, f"it has said nothing else within its tokens; it began: {message.thoughts.strip()[:80]!r}")
    usage = reply.usage
    return Said(message.text, reason, usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens)
