"""What a run of precompute would ask, without loading a model: scores, distinct prompts, tokens, time and cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from rich.table import Table

from massjax.agents import Prompt
from massjax.scoring.checking import check_settings
from massjax.scoring.placing import archetype_of, cells, check_axes, unit_keys
from massjax.scoring.work import Work, definition
from massjax.store import ScoreStore

CHARACTERS_PER_TOKEN = 4.4
SAMPLED_PROMPTS = 200


@dataclass(frozen=True)
class Plan:
    """What is wanted, what is there, and what asking for the rest would take.

    Attributes:
        scores: cells of LLM archetypes with something to ask; `stored` of them are already answered.
        rule_scores: cells of rule archetypes, computed without a model.
        prompts: distinct prompts among all cells; `to_ask` of them are not answered yet.
        tokens: prompt tokens of those to ask; `shared` of them repeat the text before (the prefix cache can answer them).
        tokens_from: how tokens were counted.
        seconds: at `scoring.prompts_per_second`, the start of the engine not counted.
        cost: at `scoring.price_per_million_tokens`; None without a price.
    """

    scores: int
    stored: int
    rule_scores: int
    prompts: int
    to_ask: int
    tokens: int
    shared: int
    tokens_from: str
    seconds: float
    cost: float | None

    def table(self) -> Table:
        """The plan as a table for a terminal."""
        table = Table(title="Plan", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column(justify="right")
        rows = {
            "scores wanted (archetype × stock × date)": f"{self.scores:,}",
            "already stored": f"{self.stored:,}",
            "rule scores (no model)": f"{self.rule_scores:,}",
            "distinct prompts": f"{self.prompts:,}",
            "prompts to ask": f"{self.to_ask:,}",
            f"prompt tokens ({self.tokens_from})": f"{self.tokens:,}",
            "of them shared with the prompt before": f"{self.shared:,}",
            "estimated time": _duration(self.seconds),
            "estimated cost": "no price given (scoring.price_per_million_tokens)" if self.cost is None else f"{self.cost:,.2f}",
        }
        for name, value in rows.items():
            table.add_row(name, value)
        return table


def plan(work: Work, path: Path) -> Plan:
    """Work out what `massjax.precompute` would do; reads the store at `path`, if there is one, and writes nothing.

    Raises:
        StoreError: the store there is damaged, or was made with other settings or archetypes.
    """
    digests = {name: digest[digest > 0] for name, digest in work.digests.items()}
    done = _stored(work, path)
    texts = {digest: prompt for name, prompts in work.prompts.items() for digest, prompt in ((p.digest(), p) for p in prompts.prompts)}
    to_ask = sorted(prompt for digest, prompt in texts.items() if digest not in done)
    scores = sum(len(d) for d in digests.values())
    stored = sum(int(np.isin(d, list(done)).sum()) for d in digests.values()) if done else 0
    scoring = work.config.scoring
    per_character, source = _tokens_per_character(scoring.model, to_ask)
    tokens = int(per_character * sum(len(p.system) + len(p.user) for p in to_ask))
    return Plan(
        scores=scores,
        stored=stored,
        rule_scores=sum(int(np.isfinite(values).sum()) for values in work.rule_scores.values()),
        prompts=len(texts),
        to_ask=len(to_ask),
        tokens=tokens,
        shared=int(per_character * sum(_shared(a, b) for a, b in zip(to_ask, islice(to_ask, 1, None), strict=False))),
        tokens_from=source,
        seconds=len(to_ask) / scoring.prompts_per_second,
        cost=None if scoring.price_per_million_tokens is None else tokens * scoring.price_per_million_tokens / 1e6,
    )


def _stored(work: Work, path: Path) -> set[int]:
    """Fingerprints of the prompts that the store has answers to.

    Raises:
        StoreError: precompute would refuse the store.
    """
    if not path.exists():
        return set()
    store = ScoreStore.open(path, archetypes=[definition(a) for a in work.archetypes])
    check_settings(work, store)
    check_axes(work, store)
    keys = unit_keys(work, store)
    done: set[int] = set()
    for unit, entry in store.entries().items():
        archetype = archetype_of(work, store, unit)
        if entry.key == keys[unit] and archetype.kind == "llm":
            where = {"dates": unit.dates, "archetypes": [archetype.name], "stocks": list(store.stocks[unit.stocks])}
            answered = np.isfinite(store.coverage(**where)[0])
            done.update(np.unique(cells(work, store, unit, work.digests[archetype.name]).T[answered]).tolist())
    return done


def _tokens_per_character(model: str, prompts: list[Prompt]) -> tuple[float, str]:
    """Counted on a sample with the model's own tokenizer where it is at hand."""
    file = Path(model) / "tokenizer.json"
    sample = prompts[:: max(1, len(prompts) // SAMPLED_PROMPTS)]
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return 1.0 / CHARACTERS_PER_TOKEN, f"{CHARACTERS_PER_TOKEN} characters each"
    if not file.is_file() or not sample:
        return 1.0 / CHARACTERS_PER_TOKEN, f"{CHARACTERS_PER_TOKEN} characters each"
    encoded = Tokenizer.from_file(str(file)).encode_batch(["\n".join(prompt) for prompt in sample])
    return sum(len(e.ids) for e in encoded) / sum(len("\n".join(p)) for p in sample), "counted on a sample"


def _shared(a: Prompt, b: Prompt) -> int:
    """Characters that two prompts have in common from their beginning."""
    if a.system != b.system:
        return 0
    same = next((i for i, (x, y) in enumerate(zip(a.user, b.user, strict=False)) if x != y), min(len(a.user), len(b.user)))
    return len(a.system) + same


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
