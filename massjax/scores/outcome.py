"""What a run of precompute came to where it did not only plan: nothing was left to ask, or something was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from massjax.answers.ask import Tally
from massjax.progress import Speaker
from massjax.scores.asked_models import AskedModel
from massjax.scores.build import Resolver
from massjax.scores.writing import Written, write_scores


@dataclass(frozen=True)
class NothingToAsk:
    """The log holds an answer to everything that was wanted.

    Attributes:
        written: the tensor.
        unread: why the answers could not be compared with the files of a model; empty where they were.
    """

    written: Written
    unread: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What was open was asked, and is in the log.

    Attributes:
        tally: what was asked, and what it took.
        written: the tensor; None where other parts of the work have to be done first.
        waiting: questions that are open, of other parts of the work.
    """

    tally: Tally
    written: Written | None
    waiting: int


def concluded(
    resolver: Resolver, models: Mapping[str, AskedModel], store: Path | str, tally: Tally, speaker: Speaker, *, whole: bool
) -> Asked:
    """Write the tensor, unless other parts of the work have questions open."""
    resolver.log.refresh()
    waiting = 0 if whole else _not_asked(resolver)
    if waiting:
        return Asked(tally, None, waiting)
    recorded = resolver.log.models()
    identities = {
        name: recorded[digest].identity if digest in recorded else models[name].identity for name, digest in resolver.models.items()
    }
    return Asked(tally, write_scores(resolver, store, identities, speaker.tell), 0)


def _not_asked(resolver: Resolver) -> int:
    """Open questions that nobody has asked yet, those that failed aside."""
    keys = np.concatenate([keys for archetype in resolver.inputs.asking for _, keys in resolver.open_keys(archetype)])
    return int((~resolver.log.asked(np.unique(keys, axis=0))).sum())
