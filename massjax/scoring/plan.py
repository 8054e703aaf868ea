"""What a run of precompute would ask, without loading a model: scores, distinct prompts, tokens, time and cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from massjax.agents import TextCounts, count_texts
from massjax.agents.archetype import asks_a_model
from massjax.answers.order import shared
from massjax.machine import Machine, this_machine
from massjax.models.model_check import ModelCheck, check_model, parameters_of, tokens_per_character, too_long
from massjax.models.settings import ScoringSettings
from massjax.progress import duration
from massjax.scoring.answers import Answered, answer_log, logged_answers, stored_answers, stored_priors
from massjax.scoring.checking import check_continues
from massjax.scoring.dtype import said_dtype
from massjax.scoring.estimate import Estimate, Load, estimate
from massjax.scoring.examples import Example, examples_of
from massjax.scoring.placing import unit_keys
from massjax.scoring.templates import ChosenLayout
from massjax.scoring.work import Work
from massjax.store import ScoreStore, exists
from massjax.store.folder import Where
from massjax.store.info import add_up
from massjax.terminal import markup_text


@dataclass(frozen=True)
class Plan:
    """What is wanted, what is there, and what asking for the rest would take.

    Attributes:
        scores: cells of LLM archetypes with something to ask; `stored` of them are already answered.
        rule_scores: cells of rule archetypes, computed without a model.
        prompts: distinct prompts among all cells; `to_ask` of them are not answered yet.
        tokens: prompt tokens of those to ask; `shared` of them repeat the text before (the prefix cache can answer them).
        tokens_from: how tokens were counted.
        estimate: the time to ask them, and what it rests on.
        cost: at `scoring.price_per_million_tokens`; None without a price.
        order: prompt layout and order of asking, and why.
        texts: texts to be written before the scores that need them, of the first stage that lacks any.
        given: texts of the market data, known and shown; None without any.
        calibrating: prompts without facts to ask besides, whose answers calibrate the others'.
        model: what is known of the model before it is loaded.
        dtype: the numbers it would compute in, and why.
        warnings: what would stop the run, or leave prompts without a score.
        examples: one whole prompt an archetype.
    """

    scores: int
    stored: int
    rule_scores: int
    prompts: int
    to_ask: int
    tokens: int
    shared: int
    tokens_from: str
    estimate: Estimate
    cost: float | None
    order: ChosenLayout
    texts: int
    given: TextCounts | None
    calibrating: int
    model: ModelCheck
    dtype: str
    warnings: tuple[str, ...]
    examples: tuple[Example, ...]

    @property
    def nothing_left(self) -> bool:
        """Whether a run would ask no model anything."""
        return self.to_ask == 0 and self.calibrating == 0 and not self.texts

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
            "prompts to ask": f"{self.to_ask:,}" + (f", and {self.calibrating:,} to calibrate" if self.calibrating else ""),
            f"prompt tokens ({self.tokens_from})": f"{self.tokens:,}",
            "of them shared with the prompt before": f"{self.shared:,}",
            "prompt layout": self._layout(),
            "order of asking": "by archetype" if self.order.layout == "archetype-first" else "by stock and date, archetypes together",
            "model": self.model.said,
            "its numbers (scoring.dtype)": self.dtype,
            "estimated time": self.time(),
            "estimated cost": "no price given (scoring.price_per_million_tokens)" if self.cost is None else f"{self.cost:,.2f}",
        }
        if self.texts:
            rows = {"texts to write first": f"{self.texts:,}", **rows}
        for name, value in {**rows, **self._given()}.items():
            table.add_row(name, markup_text(value))
        return table

    def _given(self) -> dict[str, str]:
        """Rows about the texts of the market data."""
        if self.given is None:
            return {}
        rows = {"texts known": self.given.known, "of them shown in a prompt": self.given.shown}
        left = {"left out: copies of one shown": self.given.repeated, "left out: beyond agents.texts_per_prompt": self.given.left_out}
        return {name: f"{count:,}" for name, count in {**rows, **left}.items()}

    def time(self) -> str:
        """How long asking takes, and what that rests on, in words."""
        if self.to_ask == 0:
            return "none: nothing is left to ask"
        start = f", and {duration(self.estimate.start)} for the model to start" if self.estimate.start else ""
        return f"{duration(self.estimate.seconds)}{start} ({self.estimate.basis})"

    def _layout(self) -> str:
        layout = self.order.layout.replace("-", " ")
        if not self.order.computed:
            return f"{layout}: {self.order.reason}"
        own, other = (self.order.computed[name] for name in sorted(self.order.computed, key=lambda name: name != self.order.layout))
        return f"{layout}: on a sample {own:,} of {self.order.total:,} tokens are computed, else {other:,}"


def plan(work: Work, path: Where, machine: Machine | None = None, asked: ScoringSettings | None = None) -> Plan:
    """Work out what `massjax.precompute` would do; reads the store at `path`, if there is one, and writes nothing.

    Args:
        machine: where the model would run; this one by default.
        asked: the settings as they were given, where `work` has `scoring.dtype` resolved.

    Raises:
        StoreError: the store there is damaged, or was made with other settings or archetypes.
    """
    machine = machine or this_machine()
    digests = {name: digest[digest > 0] for name, digest in work.digests.items()}
    done, priors, runs, units = _answered(work, path)
    texts = {digest: prompt for name, prompts in work.prompts.items() for digest, prompt in ((p.digest(), p) for p in prompts.prompts)}
    to_ask = sorted(prompt for digest, prompt in texts.items() if digest not in done)
    scores = sum(len(d) for d in digests.values())
    stored = sum(int(np.isfinite(done.look_up(d[None, :])[1]).sum()) for d in digests.values())
    scoring = work.config.scoring
    check = check_model(scoring) if asks_a_model(work.archetypes) else ModelCheck("none: rules only")
    per_character, source = tokens_per_character(check, to_ask)
    tokens = int(per_character * sum(len(p.system) + len(p.user) for p in to_ask))
    repeated = int(per_character * sum(shared(a, b) for a, b in pairwise(to_ask)))
    long = too_long(check, scoring, to_ask)
    return Plan(
        scores=scores,
        stored=stored,
        rule_scores=sum(int(np.isfinite(values).sum()) for values in work.rule_scores.values()),
        prompts=len(texts),
        to_ask=len(to_ask),
        tokens=tokens,
        shared=repeated,
        tokens_from=source,
        estimate=estimate(Load(len(to_ask), tokens, repeated), scoring, machine, parameters_of(check), runs, units),
        cost=None if scoring.price_per_million_tokens is None else tokens * scoring.price_per_million_tokens / 1e6,
        order=work.order,
        given=None if work.panel.texts is None else count_texts(work.panel, work.config.agents),
        texts=len({wanted.key for a in work.archetypes if a.stages for wanted in work.missing_texts(a, work.texts)}),
        calibrating=_calibrating(work, done, priors),
        model=check,
        dtype=said_dtype(asked or scoring, scoring.dtype, machine) if scoring.engine == "vllm" else "the engine's own",
        warnings=(*check.faults, *_too_long_warnings(work, long, check)),
        examples=examples_of(work),
    )


def _calibrating(work: Work, done: Answered, priors: Collection[str]) -> int:
    if not work.config.scoring.calibrate:
        return 0
    ready = [a for a in work.archetypes if a.kind == "llm" and a.name in work.prompts and a.name not in priors]
    return len({digest for digest in (work.content_free(a).digest() for a in ready) if digest not in done})


def _too_long_warnings(work: Work, long: Mapping[int, int], check: ModelCheck) -> list[str]:
    """Which prompts have no room for an answer: how many, and the first of them by date and stock."""
    if not long:
        return []
    found = []
    for name, digests in work.digests.items():
        cells = np.argwhere(np.isin(digests, np.array(list(long), dtype=np.uint64)).T)
        found += [(int(t), int(n), name) for t, n in cells[:1]]
    t, n, name = min(found)
    tokens, limit = long[int(work.digests[name][n, t])], work.config.scoring.max_model_len
    about = "" if check.count is not None else "about "
    are = "prompt is" if len(long) == 1 else "prompts are"
    return [
        f"{about}{len(long):,} {are} too long for scoring.max_model_len ({limit} tokens, answer included) and would have no score, "
        f"the first that of archetype {name!r} about stock {work.panel.stocks[n]} on {work.panel.dates[t]} ({about}{tokens:,} tokens); "
        "raise scoring.max_model_len, or show fewer or shorter texts"
    ]


class _Stored(NamedTuple):
    """What a store has for a plan: answers to its prompts, archetypes that are calibrated, and what its past runs and units took."""

    answered: Answered
    priors: Collection[str] = ()
    runs: Sequence[Mapping[str, Any]] = ()
    units: Mapping[str, Any] | None = None


def _answered(work: Work, path: Where) -> _Stored:
    """What the store, or the log of a run that was stopped, has of this run's prompts.

    Raises:
        StoreError: precompute would refuse the store.
    """
    answered = Answered(len(work.config.scoring.choices))
    if not exists(path):
        return _Stored(answered)
    store = ScoreStore.open(path)
    check_continues(work, store)
    keys, entries = unit_keys(work, store), store.entries()
    current = [unit for unit, entry in entries.items() if entry.key == keys.get(unit)]
    wanted = {int(digest) for digests in work.digests.values() for digest in np.unique(digests)} - {0}
    ready = [a for a in work.archetypes if a.kind == "llm" and a.name in work.prompts]
    priors = {work.content_free(a).digest() for a in ready} if work.config.scoring.calibrate else set()
    stored_answers(work, store, current, answered, wanted)
    logged_answers(answer_log(store), answered, wanted | priors)
    runs = [run["statistics"] for run in store.runs()]
    return _Stored(answered, stored_priors(store, current).keys(), runs, add_up(entry.stats for entry in entries.values()))
