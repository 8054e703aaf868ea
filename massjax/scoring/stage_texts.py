"""Texts of the stages before a score: read from a store, and written by a language model into it, beside the scores of the same model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping

from massjax.agents.protocols.staged import Wanted
from massjax.errors import ModelError
from massjax.models.language_model import LanguageModel
from massjax.store.folder import Where
from massjax.store.log import TEXTS, Log

LONGEST_TEXT = 4000
"""Characters of a text that are kept."""


def text_log(store: Where) -> Log:
    """Where the texts of a store are."""
    return Log(store, TEXTS)


def stored_texts(store: Where) -> dict[str, str]:
    """All texts of a store, by key; of two under one key the first."""
    texts: dict[str, str] = {}
    for body in text_log(store).records():
        for key, text in json.loads(body.decode()).items():
            texts.setdefault(key, text)
    return texts


def write_texts(
    model: LanguageModel,
    store: Where,
    texts: Mapping[str, str],
    missing: Callable[[Mapping[str, str]], Iterable[Wanted]],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, str], int, float]:
    """Write all texts that are missing, stage after stage; each call's are kept before the next begins.

    Args:
        missing: what is missing given the texts so far; asked again after every round, because a stage may need another's texts.

    Returns:
        All texts; how many were written; the seconds that the model took.

    Raises:
        ModelError: a text could not be had.
    """
    log, known, count, seconds = text_log(store), dict(texts), 0, 0.0
    model.load()
    while wanted := {one.key: one for one in missing(known)}:
        ordered = sorted(wanted.values(), key=lambda one: (one.sampling, one.prompt))
        done, failed = 0, []
        while done < len(ordered):
            batch = ordered[done : done + max(1, model.prompts_at_once)]
            began = time.monotonic()
            written = model.write([one.prompt for one in batch], [one.sampling for one in batch])
            seconds += time.monotonic() - began
            new = {one.key: text[:LONGEST_TEXT] for one, text in zip(batch, written.texts, strict=True) if text is not None}
            if new:
                log.append(json.dumps(new, ensure_ascii=False).encode())
            failed += [(batch[row], reason) for row, reason in written.failures.items()]
            known |= new
            done, count = done + len(batch), count + len(new)
            if progress is not None:
                progress(done, len(ordered))
        if failed:
            one, reason = failed[0]
            raise ModelError(
                f"stage {one.stage!r}: {len(failed)} of {len(ordered)} texts could not be had, the first for archetype "
                f"{one.archetype!r} ({reason}); the others are stored: start again to ask for these alone"
            )
    return known, count, seconds
