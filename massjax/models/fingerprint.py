"""Finding a model's files."""

from __future__ import annotations

from pathlib import Path

from massjax.errors import ModelError

WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")


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
