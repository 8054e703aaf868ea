"""Which of a model's files its answers depend on: all but those known not to matter; and a digest of each, by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from massjax.errors import ModelError
from massjax.models.fingerprint import WEIGHTS
from massjax.user_files import special

FOLDERS_LEFT_OUT = frozenset({"original", "onnx", "openvino", "coreml", "runs", "logs", "images", "figures", "assets", "__pycache__"})
"""Folders that hold the same weights in another format, or records of training."""
LEFT_OUT = (
    *("readme*", "license*", "licence*", "notice*", "use_policy*", "citation*", "changelog*", "*.md", "*.pdf", "*.lock", ".*"),
    *("*.png", "*.jpg", "*.jpeg", "*.gif", "*.svg", "*.webp", "*.ico", "*.mp4"),
    *("optimizer*.pt", "optimizer*.bin", "scheduler*.pt", "rng_state*.pth", "trainer_state.json", "training_args.bin"),
    *("events.out.tfevents.*", "*.onnx", "*.msgpack", "*.h5", "*.tflite", "eval_results*.json", "all_results.json"),
)
"""Names of files, in small letters, that neither a tokenizer nor an engine reads."""

_SAYS_WHO_WROTE = frozenset({"transformers_version", "_name_or_path", "_model_name_or_path"})
_WITHOUT = frozenset({"config.json", "generation_config.json"})
_THREADS = 4


def counted_files(folder: Path) -> dict[str, Path]:
    """The files of a model that its answers may depend on, by their name within the folder: weights, configurations of model, generation,
    quantisation and adapters, tokenizer and vocabularies, chat templates, code."""
    found = {}
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(folder)
        folders = inside.parts[:-1]
        skipped = any(part.startswith(".") or part.lower() in FOLDERS_LEFT_OUT for part in folders)
        if skipped or file.is_dir() or any(fnmatch(file.name.lower(), pattern) for pattern in LEFT_OUT):
            continue
        if (kind := special(file)) is not None:
            raise ModelError(f"{file}: is {kind}, expected a file of the model")
        found[inside.as_posix()] = file
    return found


def file_digests(folder: Path, *, weights: bool = True) -> dict[str, str]:
    """BLAKE2b-128 of the contents of every file that counts, by name, in order.

    A file is read once a process, unless its size, time or place on the disk changes.

    Args:
        weights: off for a folder of which the tokenizer alone is used: files of weights do not count then, and need not be there.

    Raises:
        ModelError: the folder holds no weights, or something that is not a file stands for one.
    """
    kept = _kept(folder, weights=weights)
    with ThreadPoolExecutor(_THREADS) as threads:
        return dict(zip(kept, threads.map(_digest, kept.values()), strict=True))


def _kept(folder: Path, *, weights: bool) -> dict[str, Path]:
    files = counted_files(folder)
    heavy = {name for name in files if any(fnmatch(name.rpartition("/")[2], pattern) for pattern in WEIGHTS)}
    if weights and not heavy:
        raise ModelError(f"{folder}: holds no weights ({', '.join(WEIGHTS)})")
    return {name: file for name, file in files.items() if weights or name not in heavy}


def changed_files(folder: Path, recorded: str, since: float, *, weights: bool) -> list[str]:
    """Names of files that are others than those recorded; only what was written or renamed since some time is read.

    Args:
        recorded: `file_digests` of an identity.
        since: seconds of the clock; what a folder holds unchanged since before is taken for what was recorded then.
        weights: as of `file_digests`.

    Raises:
        ModelError: the folder holds no weights, or a file cannot be read.
    """
    files, known = _kept(folder, weights=weights), _by_name(recorded)
    later = {name: file for name, file in files.items() if name in known and _changed_at(file) >= since}
    return sorted({*(files.keys() ^ known.keys()), *(name for name, file in later.items() if not _digest(file).startswith(known[name]))})


def files_identity(digests: Mapping[str, str]) -> dict[str, str]:
    """A model's files as fields of its identity: one digest of all, and the beginning of each file's, to tell which one differs."""
    lines = "\n".join(f"{name} {digest}" for name, digest in sorted(digests.items()))
    short = "\n".join(f"{name} {digest[:12]}" for name, digest in sorted(digests.items()))
    return {"files": hashlib.blake2b(lines.encode(), digest_size=16).hexdigest(), "file_digests": short}


def differing_files(one: str, other: str) -> list[str]:
    """Names of files that differ between two `file_digests`, or that only one of them has."""
    first, second = _by_name(one), _by_name(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_ctime
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from None


def _by_name(digests: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in digests.splitlines() if " " in line)


def _digest(file: Path) -> str:
    try:
        state = file.stat()
        return _digest_of(str(file), state.st_size, state.st_mtime_ns, state.st_ino)
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from None


@cache
def _digest_of(file: str, size: int, changed: int, place: int) -> str:
    path = Path(file)
    if path.name in _WITHOUT:
        return _digest_of_settings(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _digest_of_settings(file: Path) -> str:
    """Of a configuration without the fields that say who wrote it rather than what the model computes."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file}: is not valid JSON ({error}); fetch the model again") from None
    kept = {key: value for key, value in document.items() if key not in _SAYS_WHO_WROTE} if isinstance(document, dict) else document
    return hashlib.blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=16).hexdigest()
