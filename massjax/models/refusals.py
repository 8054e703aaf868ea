"""What a server's refusal means: a prompt that is too long, or a field of every request, for which there is a setting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|maximum (context|input|prompt|sequence)|too long|reduce the (length|size)|prompt is too"
    r"|exceed\w* (the |your |its |our )?(\w+ )?(maximum|available|allowed|limit|context|token)|too many (input |prompt )?tokens"
    r"|string_above_max_length|(prompt|input|request)\w* (is |are )?(longer|larger|bigger) than",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"system (role|message|prompt|instruction)s?|developer (role|message|instruction)s?|roles? must alternate|only user and assistant"
    r"|role\W+system|system\W+role",
    re.IGNORECASE,
)
_UNABLE = re.compile(r"support|allow|enable|alternat|only|unknown|unexpected|invalid|must|not permitted|unrecogni[sz]ed", re.IGNORECASE)
_SENT_AS_IDS = re.compile(r"prompt\W.*(valid string|must be a string|type string|expected string|str_type)", re.IGNORECASE)


_OUT_OF_CREDIT = re.compile(
    r"insufficient[_ ](quota|balance|credit|fund)s?|check your plan and billing|credit balance is too low|out of credit", re.I
)


def is_out_of_credit(words: str) -> bool:
    """Whether a server that says it is busy (429) means an account that is used up, which no waiting mends."""
    return _OUT_OF_CREDIT.search(words) is not None


def is_too_long(words: str) -> bool:
    """Whether a refusal is about the length of one prompt."""
    return "logprob" not in words.lower() and _TOO_LONG.search(words) is not None


def cure(words: str, body: Mapping[str, Any]) -> str | None:
    """The setting that mends a refusal of one field that every request has; None where the words name no such field.

    Args:
        words: the server's.
        body: what was sent.
    """
    told = words.lower()
    if is_too_long(words):
        return None
    if any(f"{name}" in told for name in ("logprob_token_ids", "return_tokens_as_token_ids", "add_special_tokens")) and "prompt" in body:
        return "it is no vLLM server: set scoring.endpoint.api: chat"
    if "echo" in body and re.search(r"\becho\b|prompt_logprobs", told):
        return "it tells no log-probabilities of the prompt: name a vLLM server, or load the model here (scoring.engine: vllm)"
    if "logprob" in told:
        return _logprobs(told, body)
    if "prompt" in body and _SENT_AS_IDS.search(words):
        return "it takes no token ids: set scoring.endpoint.api: chat"
    if "messages" in body and _ROLE.search(words) and _UNABLE.search(words):
        return "set scoring.endpoint.system_role: false, which puts the system text before the user's"
    if "response_format" in body and re.search(r"response_format|json_schema|structured|guided|grammar", told):
        return "it writes no JSON of this schema: ask for a text without one, or name a server that does (vllm serve)"
    if "max_completion_tokens" in told and "max_tokens" in body:
        return "set scoring.endpoint.token_limit: max_completion_tokens"
    if re.search(r"max_(completion_)?tokens", told):
        other = "max_tokens" if "max_completion_tokens" in body else "max_completion_tokens"
        return f"set scoring.endpoint.token_limit: {other}"
    for name in ("seed", "temperature"):
        if name in body and re.search(rf"\b{name}\b", told):
            return f"set scoring.endpoint.leave_out: [{name}]"
    named = [
        name
        for name in body
        if name not in ("model", "messages", "prompt") and re.search(rf"['\"`. ]{re.escape(name)}['\"`:. ]", f" {told} ")
    ]
    return f"remove {named[0]} from scoring.endpoint.extra" if named else None


def _logprobs(told: str, body: Mapping[str, Any]) -> str:
    asked = len(body["logprob_token_ids"]) if "logprob_token_ids" in body else int(body.get("top_logprobs", 0))
    numbers = [int(number) for number in re.findall(r"\b\d{1,4}\b", told)]
    allowed = [number for number in numbers if 0 < number < asked]
    if "logprob_token_ids" in body:
        return f"start the server with --max-logprobs {asked} or more (vllm serve), or set scoring.endpoint.api: chat"
    if allowed:
        return f"set scoring.endpoint.top_logprobs: {max(allowed)}"
    if "top_logprobs" in told or "more than" in told:
        return "set scoring.endpoint.top_logprobs to what it allows (5 is common)"
    return (
        "scores are read from log-probabilities, which this server or model does not give: name a model or server that does "
        "under scoring.endpoint (scoring.engine: vllm needs no server)"
    )
