"""What a server with the OpenAI API may send: schemas of its replies, and the reading of one reply.

A reply is read into what is needed of it, or into the reason why there is nothing to be had. Servers add fields of their own, which are
left aside; a field that is used has its type, or the reply is not understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from massjax.models.failures import Failure, Reason
from massjax.models.probabilities import SENTINEL, impossible, log_sums
from massjax.models.spelling import choice_of
from massjax.models.thinking import THOUGHT

TOKEN = "token_id:"
M = TypeVar("M", bound=BaseModel)


class _Sent(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, protected_namespaces=())


class Likely(_Sent):
    """One of the likeliest tokens of a chat reply."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None


class Position(_Sent):
    """The first token of a chat reply and its alternatives."""

    token: str | None = None
    logprob: float | None = None
    bytes: tuple[int, ...] | None = None
    top_logprobs: tuple[Likely, ...] | None = None


class ChatLogprobs(_Sent):
    """`logprobs` of a chat reply."""

    content: tuple[Position, ...] | None = None


class Part(_Sent):
    """A piece of a message that is sent in pieces."""

    type: str = "text"
    text: str | None = None


class Message(_Sent):
    """What a chat model said; servers send what it thought beside it, under one of two names."""

    content: str | tuple[Part, ...] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None

    @property
    def text(self) -> str:
        """What was said, in one piece."""
        if isinstance(self.content, tuple):
            return "".join(part.text or "" for part in self.content if part.type == "text")
        return self.content or ""

    @property
    def thoughts(self) -> str:
        """What was thought, where the server tells it apart or the text begins with a mark of thinking; else nothing."""
        apart = self.reasoning_content or self.reasoning or ""
        return apart if apart.strip() or not THOUGHT.match(self.text.lstrip()) else self.text


class ChatAnswer(_Sent):
    """An answer of the chat API."""

    message: Message | None = None
    logprobs: ChatLogprobs | None = None
    finish_reason: str | None = None


class TextLogprobs(_Sent):
    """`logprobs` of the completions API."""

    top_logprobs: tuple[dict[str, float | None] | None, ...] | None = None
    tokens: tuple[str, ...] | None = None
    token_logprobs: tuple[float | None, ...] | None = None


class TextAnswer(_Sent):
    """An answer of the completions API."""

    text: str | None = None
    logprobs: TextLogprobs | None = None
    finish_reason: str | None = None


def _or_nothing(value: Any) -> Any:
    """What a server says of tokens is of interest, but no reason to refuse its answer."""
    ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if ok else 0


Count = Annotated[int, BeforeValidator(_or_nothing)]


class CachedTokens(_Sent):
    """Of the prompt's tokens."""

    cached_tokens: Count = 0


class Usage(_Sent):
    """How many tokens a request took."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    prompt_tokens_details: Annotated[CachedTokens, BeforeValidator(lambda value: value if isinstance(value, dict) else {})] = CachedTokens()


UsageOrNone = Annotated[Usage, BeforeValidator(lambda value: value if isinstance(value, dict) else {})]


class ChatReply(_Sent):
    """A reply of `/chat/completions`."""

    choices: tuple[ChatAnswer, ...] = Field(min_length=1)
    usage: UsageOrNone = Usage()


class TextReply(_Sent):
    """A reply of `/completions`."""

    choices: tuple[TextAnswer, ...] = Field(min_length=1)
    usage: UsageOrNone = Usage()


class Scored(NamedTuple):
    """The log-probability of each choice [C], tokens of the prompt, those from the cache, and what the model was likeliest to say."""

    logprobs: Float[np.ndarray, " C"]
    prompt_tokens: int
    cached_tokens: int
    likeliest: str


_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def parsed(body: bytes) -> Any:
    """The JSON in a body; raises ValueError where it is none, however deep or odd."""
    return _JSON.validate_json(body.removeprefix(b"\xef\xbb\xbf"))


def understood(schema: type[M], body: bytes) -> M | Failure:
    """A reply as a schema has it; or the error that the server put into it; or what about it is not understood."""
    plain = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return schema.model_validate_json(plain)
    except ValidationError as error:
        try:
            document = parsed(plain)
        except ValueError:
            return Failure(Reason.MALFORMED, f"not JSON: {shown(plain)}" if plain.strip() else "an empty body")
        told = error_in(document)
        if told is not None:
            return Failure(Reason.REFUSED, told)
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in fault["loc"][:6])
        return Failure(Reason.MALFORMED, f"{where + ': ' if where else ''}{fault['msg']}; it begins {shown(plain)}")


def shown(body: bytes, limit: int = 120) -> str:
    """The beginning of a body as text."""
    text = " ".join(body[: 4 * limit].decode("utf-8", "replace").split())
    return text if len(text) <= limit else text[:limit] + "…"


def error_in(document: Any) -> str | None:
    """The words of an error that a server reports in JSON, in one of the forms in use; None where it reports none."""
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if error is None or error == "error" or error is True:
        error = document if document.get("object") == "error" or error is not None else document.get("detail", document.get("message"))
    if isinstance(error, dict):
        words = next(
            (str(error[name]) for name in ("message", "msg", "detail", "error", "type", "code") if error.get(name)),
            "an error without words",
        )
        place = error.get("loc")
        if isinstance(place, list) and place:
            words = f"{'.'.join(str(part) for part in place[:6])}: {words}"
        code = error.get("code")
        return f"{code}: {words}" if isinstance(code, int | str) and code and str(code) not in words else words
    if isinstance(error, list):
        return "; ".join(words for words in (error_in({"error": one}) for one in error[:5]) if words) or None
    return str(error) if error else None


def read_chat(body: bytes, choices: Sequence[str]) -> Scored | Failure:
    """The choices' log-probabilities in a chat reply: those of all the likeliest tokens that spell a choice, added.

    The same token may be listed twice, as the one that was drawn and among the likeliest: entries of equal text, bytes and
    log-probability are one token; entries of equal text that differ in either are several tokens.
    """
    reply = understood(ChatReply, body)
    if isinstance(reply, Failure):
        return reply
    answer = reply.choices[0]
    message = answer.message or Message()
    if message.thoughts.strip():
        return Failure(Reason.THINKING, f"it began: {message.thoughts.strip()[:80]!r}")
    refused = declined(message, answer.finish_reason)
    if refused is not None:
        return refused
    first = answer.logprobs.content[0] if answer.logprobs is not None and answer.logprobs.content else None
    if first is None or not first.top_logprobs:
        if not message.text.strip() and answer.finish_reason == "length":
            return Failure(Reason.THINKING, "it said nothing that is seen with its first token, and the reply has no log-probabilities")
        return Failure(Reason.NO_LOGPROBS, "the server sent no log-probabilities (it may not support logprobs)")
    entries = dict.fromkeys(first.top_logprobs)
    if first.token is not None and first.logprob is not None and not any(e.token == first.token for e in entries):
        entries[Likely(token=first.token, logprob=first.logprob, bytes=first.bytes)] = None
    likeliest = max(entries, key=lambda entry: entry.logprob).token
    if THOUGHT.match(likeliest.strip()):
        return Failure(Reason.THINKING, f"its likeliest first token is {likeliest!r}")
    found = [(_spelled_by(entry, choices), entry.logprob) for entry in entries]
    return _scored(found, len(choices), reply.usage, f"likeliest was {likeliest[:40]!r}")


def declined(message: Message, finish_reason: str | None) -> Failure | None:
    """That the model, or a filter of the server's, would not answer."""
    if message.refusal and message.refusal.strip():
        return Failure(Reason.DECLINED, f"it said: {message.refusal.strip()[:80]!r}")
    if finish_reason == "content_filter" and not message.text.strip():
        return Failure(Reason.DECLINED, "the server's content filter withheld the answer")
    return None


def _spelled_by(entry: Likely, choices: Sequence[str]) -> int | None:
    number = choice_of(entry.token, choices)
    if number is None and entry.bytes and all(0 <= byte < 256 for byte in entry.bytes):
        return choice_of(bytes(entry.bytes).decode("utf-8", "replace"), choices)
    return number


def _scored(found: Sequence[tuple[int | None, float]], choices: int, usage: Usage, likeliest: str) -> Scored | Failure:
    values = np.array([value for _, value in found], dtype=np.float64)
    if impossible(values[None, :])[0]:
        worst = ", ".join(f"{value:g}" for value in sorted(values.tolist(), key=lambda value: -np.inf if value != value else -value)[:3])
        return Failure(Reason.IMPOSSIBLE, f"{worst}, of which the probabilities add up to more than 1 or are none")
    sums = log_sums([(number, value) for number, value in found if number is not None and value > SENTINEL], choices)
    return Scored(sums, usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, likeliest)


class Listed(NamedTuple):
    """The models that a server lists; whether there may be more than these."""

    names: tuple[str, ...]
    more: bool


def read_models(body: bytes) -> Listed | Failure:
    """The models in a reply of `/models`: a mapping with `data` or `models`, or a bare list; of mappings with `id` or `name`, or names."""
    try:
        document = parsed(body)
    except ValueError:
        return Failure(Reason.MALFORMED, f"not JSON: {shown(body)}")
    told = error_in(document)
    entries = document
    if isinstance(document, dict):
        entries = next((document[name] for name in ("data", "models") if isinstance(document.get(name), list)), None)
    if not isinstance(entries, list):
        return Failure(Reason.REFUSED, told) if told else Failure(Reason.MALFORMED, f"no list of models: {shown(body)}")
    names = [
        e if isinstance(e, str) else (e.get("id") or e.get("name") or e.get("model")) if isinstance(e, dict) else None for e in entries
    ]
    kept = [name for name in names if isinstance(name, str) and name]
    if entries and not kept:
        return Failure(Reason.MALFORMED, f"a list without names of models: {shown(body)}")
    pages = ("next", "next_page", "nextPageToken", "next_page_token", "next_cursor")
    more = isinstance(document, dict) and (document.get("has_more") is True or any(document.get(name) for name in pages))
    return Listed(tuple(dict.fromkeys(kept)), more)
