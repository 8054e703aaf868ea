"""Which model a server serves, and which version of what it is, as far as it says so in a form that can be believed and shown."""

from __future__ import annotations

import re

from massjax.errors import ModelError, did_you_mean
from massjax.models.failures import Failure, Reason
from massjax.models.http import Requests
from massjax.models.replies import Listed, parsed, read_models
from massjax.row_words import counted, first_few

LONGEST_NAME = 200
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")


def served_name(requests: Requests) -> str:
    """The model to ask for: the one that the settings name, else the only one that the server lists.

    A server that has no list, or one that is not understood or goes on elsewhere, is asked for the model that the settings name.

    Raises:
        ModelError: the server is not there, lists other models, or does not say which, where none is named.
    """
    url, named = requests.settings.url, requests.settings.model
    reply = requests.get("/models", read_models)
    listed = reply.value or Listed((), more=True)
    failure = reply.failure
    if failure is not None and (not named or _not_there(failure)):
        advice = "is the server running?" if _not_there(failure) else "name the model as scoring.endpoint.model"
        raise ModelError(f"{url}: cannot be asked which models it serves (/models): {failure.words or failure}; {advice}")
    names = [name for name in listed.names if is_a_name(name) and requests.redacted(name) == name]
    if named:
        if named not in names and not listed.more:
            hint = did_you_mean(named, names)
            raise ModelError(f"scoring.endpoint.model: {url} does not serve {named!r}{hint}")
        return named
    if len(names) != 1 or listed.more or len(listed.names) != 1:
        count = f"{counted(len(listed.names), 'model')}{' and more' if listed.more else ''}"
        said = first_few(names, 5)
        odd = "" if len(names) == len(listed.names) else f" ({len(listed.names) - len(names)} of them under names that cannot be shown)"
        raise ModelError(f"{url}: serves {count}{odd}{': ' + said if said else ''}; name one as scoring.endpoint.model")
    return names[0]


def is_a_name(text: str) -> bool:
    """Whether a text can be a model's name: something printable of a length that a line can hold."""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and text == text.strip()


def server_version(requests: Requests) -> str:
    """What the server says of its version at `/version`, as vLLM does."""
    body = requests.probe(requests.settings.url.rstrip("/").removesuffix("/v1") + "/version")
    try:
        document = None if body is None else parsed(body)
    except ValueError:
        document = None
    version = document.get("version") if isinstance(document, dict) else None
    known = isinstance(version, str) and _VERSION.fullmatch(version) is not None and requests.redacted(version) == version
    return f"vllm {version}" if known else "unknown: the server does not say its version"


def _not_there(failure: Failure) -> bool:
    """Whether nothing that could be asked is at the address."""
    return failure.reason in (Reason.TIMED_OUT, Reason.UNAVAILABLE) and "HTTP " not in failure.words
