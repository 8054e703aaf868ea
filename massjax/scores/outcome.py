"""What a run of precompute came to where it did not only plan: nothing was left to ask, or something was asked."""

from __future__ import annotations

from dataclasses import dataclass

from massjax.answers.ask import Tally
from massjax.scores.writing import Written


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
