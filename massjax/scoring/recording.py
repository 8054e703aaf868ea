"""What a run says of itself in the store when it is done: what was asked, what it took, and which part of the work it was."""

from __future__ import annotations

from massjax.answers.cost import Tally
from massjax.errors import StoreError
from massjax.machine import this_machine
from massjax.scoring.work import Work
from massjax.store import ScoreStore


def record_run(work: Work, store: ScoreStore, tally: Tally, **part: str | int) -> str | None:
    """Keep what a run did in its store, for `python -m massjax.store info`; nothing is kept of a run that found nothing to do.

    Args:
        part: which part of the work it was, such as `shard="3/8"`.

    Returns:
        A warning where the record cannot be written. The scores were stored before it, and are not touched.
    """
    if not tally.units and not tally.texts:
        return None
    price = work.config.scoring.price_per_million_tokens
    known = {} if price is None else {"price_per_million_tokens": price}
    try:
        store.add_run({**tally.statistics(), "order": work.order.layout, "machine": str(this_machine()), **part, **known})
    except StoreError as error:
        return f"{error}; every score is stored, but what this run took is not (`python -m massjax.store info` will not list it)"
    return None
