"""What a run of precompute came to where it did not only plan: nothing was left to ask, or something was asked."""

from __future__ import annotations

from dataclasses import dataclass

from massjax.answers.cost import Tally
from massjax.scoring.settled import Settled
from massjax.store import ScoreStore, Unit


@dataclass(frozen=True)
class NothingToAsk:
    """The store holds an answer, or a counted reason for none, to everything that was wanted.

    Attributes:
        settled: the store, and why its scores could not be compared with the model's files.
        units: of the store, that belong to the run.
    """

    settled: Settled
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Asked:
    """What was missing was asked, and is stored.

    Attributes:
        store: with the scores.
        units: of the store, that were to be asked for: those of the run, or of its shard.
        tally: what was asked, and what it took.
        unrecorded: why the store has no record of the run; None where it has.
    """

    store: ScoreStore
    units: tuple[Unit, ...]
    tally: Tally
    unrecorded: str | None
