"""What whoever asks a model should know before anything is asked: noise for scores, slow numbers, prompts alike, names that leak."""

from __future__ import annotations

from collections.abc import Iterator

from massjax.machine import Machine
from massjax.scoring.dtype import dtype_warnings
from massjax.scoring.leaks import leak_warnings
from massjax.scoring.work import Work, same_prompts


def cautions(work: Work, machine: Machine) -> Iterator[str]:
    """Sentences on the settings and the prompts of a run, those on the market data aside.

    Args:
        work: what is wanted; its prompts are searched for names and dates where they are to be masked.
        machine: where a model in this process would run.
    """
    if work.config.scoring.engine == "fake":
        yield "scoring.engine is 'fake': the scores are noise, for tests of the machinery only"
    yield from dtype_warnings(work.config.scoring, machine)
    for first, second in same_prompts(work):
        yield (
            f"archetypes {first!r} and {second!r} ask the very same prompts, so their scores are the same; "
            "give one another persona, preference or modality, or a template that uses archetype.replica"
        )
    yield from leak_warnings(work)
