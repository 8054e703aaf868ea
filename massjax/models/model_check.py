"""What is known of a model before it is loaded: is its folder whole, are the choices single tokens, which prompts are too long?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from massjax.errors import ModelError
from massjax.models.by_tokens import plan_of
from massjax.models.chat import Chat
from massjax.models.fingerprint import WEIGHTS, model_folder
from massjax.models.forms import Familiar, Form, Write, unaskable_in_chat
from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt
from massjax.models.settings import ModelSettings

CHUNK = 1000
"""Prompts whose tokens are held at once."""
OVERHEAD = 256
"""Tokens that a chat template adds at most, by which a prompt is too long for certain to need counting."""


class CountTokens(Protocol):
    """Counts the tokens of prompts."""

    def __call__(self, prompts: Sequence[Prompt]) -> list[int]:
        """Tokens of each."""
        ...


@dataclass(frozen=True)
class ModelCheck:
    """What is known of a model before it is loaded.

    Attributes:
        said: what was checked and found, or why it could not be, in a few words.
        faults: what would stop a run.
        folder: where its files are; None where they are not here.
        count: counts tokens as the model will, or None.
    """

    said: str
    faults: tuple[str, ...] = ()
    folder: Path | None = None
    count: CountTokens | None = None


def check_model(settings: ModelSettings, forms: Sequence[Form]) -> ModelCheck:
    """Look at the model's folder, its tokenizer, and whether all forms can be asked of it; loads no weights and fetches nothing."""
    asked = list(dict.fromkeys(form for form in forms if not isinstance(form, Write)))
    if settings.engine == "fake":
        return ModelCheck("none: the fake engine answers with noise")
    if settings.endpoint is not None and settings.endpoint.api == "chat":
        unaskable = (fault for form in asked if (fault := unaskable_in_chat(form)) is not None)
        return ModelCheck("not checked: the server has it, its tokenizer too", tuple(dict.fromkeys(unaskable)))
    try:
        folder = _folder_here(settings)
    except ModelError as error:
        return ModelCheck("not checked: its folder is not here", (str(error),))
    if folder is None:
        return ModelCheck("not checked: its files are not here, and are fetched when it is asked")
    faults = _faults_of_folder(folder, settings)
    try:
        import transformers  # noqa: F401
    except ImportError:
        return _check_roughly(folder, faults)
    try:
        chat = Chat(folder, thinking=settings.thinking)
    except ModelError as error:
        return ModelCheck("its tokenizer cannot be used", (*faults, str(error)), folder)
    try:
        for form in asked:
            if not isinstance(form, Familiar):
                plan_of(chat, form)
    except ModelError as error:
        faults = (*faults, str(error))
    said = "folder, tokenizer and choices checked" + (f": {len(faults)} at fault" if faults else "")
    return ModelCheck(said, faults, folder, lambda prompts: [0 if isinstance(ids, str) else len(ids) for ids in chat.all_ids(prompts)])


def _folder_here(scoring: ModelSettings) -> Path | None:
    """The model's folder; None where it is a name on a hub and was never fetched.

    Raises:
        ModelError: it can be neither.
    """
    path = Path(scoring.model).expanduser()
    if path.exists() or scoring.model.startswith((".", "/", "~")) or scoring.model.count("/") != 1:
        return model_folder(scoring.model, scoring.revision)
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(scoring.model, revision=scoring.revision, local_files_only=True))
    except Exception:  # not installed, never fetched, or a cache that is not whole: loading it will say which
        return None


def _faults_of_folder(folder: Path, scoring: ModelSettings) -> tuple[str, ...]:
    faults = []
    if scoring.engine == "vllm" and not any(file for pattern in WEIGHTS for file in folder.glob(pattern)):
        faults.append(f"{folder}: holds no weights ({', '.join(WEIGHTS)})")
    longest = _config(folder).get("max_position_embeddings")
    if scoring.engine == "vllm" and isinstance(longest, int) and longest < scoring.max_model_len:
        faults.append(f"scoring.max_model_len: {scoring.max_model_len} tokens are more than the {longest} that the model is made for")
    return tuple(faults)


def _config(folder: Path) -> Mapping[str, object]:
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _check_roughly(folder: Path, faults: tuple[str, ...]) -> ModelCheck:
    """Without transformers the chat template cannot be applied, but the tokenizer's own library may be there."""
    try:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises bare Exceptions for files it cannot read
        return ModelCheck(f"folder checked; tokenizer and choices not ({type(error).__name__}: {error})", faults, folder)

    def count(prompts: Sequence[Prompt]) -> list[int]:
        return [len(found.ids) for found in tokenizer.encode_batch(["\n".join(prompt) for prompt in prompts], add_special_tokens=False)]

    said = "folder and tokenizer checked, choices and chat template not (transformers is not installed)"
    return ModelCheck(said, faults, folder, count)


def too_long(check: ModelCheck, scoring: ModelSettings, prompts: Sequence[Prompt]) -> dict[int, int]:
    """The prompts that leave no room for an answer within `scoring.max_model_len`: tokens, by the prompt's fingerprint.

    Only prompts that have more bytes than tokens are allowed are counted: no tokenizer makes more tokens than bytes. Without a tokenizer
    tokens are taken to have 4 characters.
    """
    limit = scoring.max_model_len - 1
    if scoring.engine == "fake" or (scoring.endpoint is not None and scoring.endpoint.api == "chat"):
        return {}
    suspects = [p for p in prompts if sum(len(part.encode("utf-8", "replace")) for part in p) + OVERHEAD > limit]
    count = check.count or (lambda some: [int(sum(map(len, prompt)) / CHARACTERS_PER_TOKEN) for prompt in some])
    found = {}
    for first in range(0, len(suspects), CHUNK):
        chunk = suspects[first : first + CHUNK]
        found.update({prompt.digest(): tokens for prompt, tokens in zip(chunk, count(chunk), strict=True) if tokens > limit})
    return found
