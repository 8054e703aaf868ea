"""What a run of precompute would ask, without loading a model: scores, distinct prompts, tokens, time and cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.table import Table

from massjax.agents import Prompt, TextCounts, count_texts
from massjax.scoring.answers import Answered, answer_log, logged_answers, stored_answers
from massjax.scoring.checking import check_settings
from massjax.scoring.order import CHARACTERS_PER_TOKEN, Choice, shared
from massjax.scoring.placing import check_axes, check_definitions, unit_keys
from massjax.scoring.work import Work
from massjax.store import ScoreStore, exists
from massjax.store.folder import Where

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
        order: prompt layout and order of asking, and why.
        texts: texts to be written before the scores that need them, of the first stage that lacks any.
        given: texts of the market data, known and shown; None without any.
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
    order: Choice
    texts: int
    given: TextCounts | None = None

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
            "prompt layout": self._layout(),
            "order of asking": "by archetype" if self.order.layout == "archetype-first" else "by stock and date, archetypes together",
            "estimated time": _duration(self.seconds),
            "estimated cost": "no price given (scoring.price_per_million_tokens)" if self.cost is None else f"{self.cost:,.2f}",
        }
        if self.texts:
            rows = {"texts to write first": f"{self.texts:,}", **rows}
        for name, value in {**rows, **self._given()}.items():
            table.add_row(name, value)
        return table

    def _given(self) -> dict[str, str]:
        """Rows about the texts of the market data."""
        if self.given is None:
            return {}
        rows = {"texts known": self.given.known, "of them shown in a prompt": self.given.shown}
        left = {"left out: copies of one shown": self.given.repeated, "left out: beyond agents.texts_per_prompt": self.given.left_out}
        return {name: f"{count:,}" for name, count in {**rows, **left}.items()}

    def _layout(self) -> str:
        layout = self.order.layout.replace("-", " ")
        if not self.order.computed:
            return f"{layout}: {self.order.reason}"
        own, other = (self.order.computed[name] for name in sorted(self.order.computed, key=lambda name: name != self.order.layout))
        return f"{layout}: on a sample {own:,} of {self.order.total:,} tokens are computed, else {other:,}"


def plan(work: Work, path: Where) -> Plan:
    """Work out what `massjax.precompute` would do; reads the store at `path`, if there is one, and writes nothing.

    Raises:
        StoreError: the store there is damaged, or was made with other settings or archetypes.
    """
    digests = {name: digest[digest > 0] for name, digest in work.digests.items()}
    done = _answered(work, path)
    texts = {digest: prompt for name, prompts in work.prompts.items() for digest, prompt in ((p.digest(), p) for p in prompts.prompts)}
    to_ask = sorted(prompt for digest, prompt in texts.items() if digest not in done)
    scores = sum(len(d) for d in digests.values())
    stored = sum(int(np.isfinite(done.look_up(d[None, :])[1]).sum()) for d in digests.values())
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
        shared=int(per_character * sum(shared(a, b) for a, b in pairwise(to_ask))),
        tokens_from=source,
        seconds=len(to_ask) / scoring.prompts_per_second,
        cost=None if scoring.price_per_million_tokens is None else tokens * scoring.price_per_million_tokens / 1e6,
        order=work.order,
        given=None if work.panel.texts is None else count_texts(work.panel, work.config.agents),
        texts=len({wanted.key for a in work.archetypes if a.stages for wanted in work.missing_texts(a, work.texts)}),
    )


def _answered(work: Work, path: Where) -> Answered:
    """The answers that the store, or the log of a run that was stopped, has to this run's prompts.

    Raises:
        StoreError: precompute would refuse the store.
    """
    answered = Answered(len(work.config.scoring.choices))
    if not exists(path):
        return answered
    store = ScoreStore.open(path)
    check_settings(work, store)
    check_definitions(work, store, work.archetypes)
    check_axes(work, store)
    keys = unit_keys(work, store)
    current = [unit for unit, entry in store.entries().items() if entry.key == keys.get(unit)]
    wanted = {int(digest) for digests in work.digests.values() for digest in np.unique(digests)} - {0}
    stored_answers(work, store, current, answered, wanted)
    logged_answers(answer_log(store), answered, wanted)
    return answered


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


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
