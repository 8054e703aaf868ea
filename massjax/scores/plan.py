"""What a run of precompute would ask, without loading a model: scores, distinct prompts, tokens, time and cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rich.table import Table

from massjax.agents import TextCounts, count_texts
from massjax.answers.plan import Plan as Asking
from massjax.machine import Machine
from massjax.models.dtype import said_dtype
from massjax.models.model_check import ModelCheck
from massjax.models.settings import ModelSettings
from massjax.progress import duration
from massjax.scores.asked_models import AskedModel
from massjax.scores.build import Resolver
from massjax.scores.inputs import DEFAULT_MODEL
from massjax.scores.survey import Example, RoleCount, Survey
from massjax.scores.templates import ChosenLayout
from massjax.terminal import markup_text


@dataclass(frozen=True)
class ModelPlan:
    """What one model would be asked.

    Attributes:
        name: in `models:`; empty for that of `scoring`.
        open: questions of all kinds; `texts` of them for texts, `calibrating` without facts.
        asking: what they would take.
        seconds: that asking takes; None where nothing tells.
        cost: at its price for a million tokens; None without a price.
        said: what is known of the model before it is loaded.
        dtype: the numbers it would compute in, and why.
    """

    name: str
    open: int
    texts: int
    calibrating: int
    asking: Asking
    seconds: float | None
    prompts_per_second: float | None
    cost: float | None
    said: str
    dtype: str


class RolePlan(NamedTuple):
    """What a role would ask of a model, in whatever archetypes have it.

    Attributes:
        role: its name.
        model: in `models:`; empty for that of `scoring`.
        open: questions that can be asked; `later` about how many follow answers that are not there yet.
        prompt_tokens, written_tokens: of all of them, about; written at most.
        cost: at the model's price for a million tokens; None without a price.
    """

    role: str
    model: str
    open: int
    later: int
    prompt_tokens: int
    written_tokens: int
    cost: float | None


@dataclass(frozen=True)
class Plan:
    """What is wanted, what is there, and what asking for the rest would take.

    Attributes:
        scores: cells of archetypes that ask a model with something to ask; `stored` of them are answered.
        rule_scores: cells of rule archetypes, computed without a model.
        prompts: distinct prompts for scores among all cells.
        models: what each model would be asked, in the order of asking.
        order: prompt layout and order of asking, and why.
        waiting: archetypes whose scores wait for texts, with the stage that is first.
        given: texts of the market data, known and shown; None without any.
        warnings: what would stop the run, or leave prompts without a score.
        examples: one whole prompt an archetype, or role.
        roles: what roles and stages would ask, in the order of asking; empty where archetypes have none.
        of_replicas: whether `scores` and `stored` count what each replica of an archetype watches.
    """

    scores: int
    stored: int
    rule_scores: int
    prompts: int
    models: tuple[ModelPlan, ...]
    order: ChosenLayout
    waiting: Mapping[str, str]
    given: TextCounts | None
    warnings: tuple[str, ...]
    examples: tuple[Example, ...]
    roles: tuple[RolePlan, ...] = ()
    of_replicas: bool = False

    @property
    def to_ask(self) -> int:
        """Open questions of all kinds that are known already; texts may be followed by more."""
        return sum(model.open for model in self.models)

    def table(self) -> Table:
        """The plan as a table for a terminal."""
        table = Table(title="Plan", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column(justify="right")
        cells = "archetype × replica × stock × date" if self.of_replicas else "archetype × stock × date"
        rows = {
            f"scores wanted ({cells})": f"{self.scores:,}",
            "already stored": f"{self.stored:,}",
            "rule scores (no model)": f"{self.rule_scores:,}",
            "distinct prompts": f"{self.prompts:,}",
            "prompt layout": self._layout(),
            "order of asking": "by archetype" if self.order.layout == "archetype-first" else "by stock and date, archetypes together",
        }
        for name, value in {**rows, **self._given()}.items():
            table.add_row(name, markup_text(value))
        for model in self.models:
            title = "" if len(self.models) == 1 and not model.name else f" of {model.name or 'scoring'}"
            for name, value in _model_rows(model).items():
                table.add_row(markup_text(name + title), markup_text(value))
        if follows := sum(role.later for role in self.roles):
            table.add_row("questions in all, with those that follow", f"about {self.to_ask + follows:,}")
        return table

    def role_table(self) -> Table | None:
        """What each role would ask, as a table for a terminal; None where archetypes have no roles."""
        if not self.roles:
            return None
        table = Table("role", "model", title="Questions by role", title_justify="left")
        for name in ("to ask now", "later, about", "prompt tokens", "written, at most", "cost"):
            table.add_column(name, justify="right")
        costs = [role.cost for role in self.roles]
        sums = np.sum([(one.open, one.later, one.prompt_tokens, one.written_tokens) for one in self.roles], axis=0).tolist()
        whole = RolePlan("all", "", sums[0], sums[1], sums[2], sums[3], None if None in costs else sum(cost or 0.0 for cost in costs))
        for role in (*self.roles, whole):
            counts = [f"{count:,}" for count in (role.open, role.later, role.prompt_tokens, role.written_tokens)]
            model = role.model or ("scoring" if role is not whole else "")
            table.add_row(markup_text(role.role), markup_text(model), *counts, "" if role.cost is None else f"{role.cost:,.2f}")
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
        if not self.order.total:
            return f"{layout}: {self.order.reason}"
        own, other = (self.order.computed[name] for name in sorted(self.order.computed, key=lambda name: name != self.order.layout))
        return f"{layout}: on a sample {own:,} of {self.order.total:,} tokens are computed, else {other:,}"


def _model_rows(model: ModelPlan) -> dict[str, str]:
    texts = {"texts to write first": f"{model.texts:,}"} if model.texts else {}
    scores, asking = model.open - model.texts - model.calibrating, model.asking
    return {
        **texts,
        "prompts to ask": f"{scores:,}" + (f", and {model.calibrating:,} to calibrate" if model.calibrating else ""),
        "prompt tokens": f"{asking.prompt_tokens:,}",
        "of them shared with the prompt before": f"{asking.prompt_tokens - asking.computed_tokens:,}",
        "model": model.said,
        "its numbers (dtype)": model.dtype,
        "estimated time" + (", of the texts alone" if model.texts and not scores else ""): said_time(model),
        "estimated cost": "no price given (price_per_million_tokens)" if model.cost is None else f"{model.cost:,.2f}",
    }


def said_time(model: ModelPlan) -> str:
    """How long asking takes, and what that rests on, in words."""
    if not model.open:
        return "none: nothing is left to ask"
    if model.seconds is None:
        return "unknown: the log has no answers of this model to prompts of this length (prompts_per_second may tell)"
    if model.prompts_per_second is not None:
        return f"{duration(model.seconds)} (at {model.prompts_per_second:g} prompts a second, as prompts_per_second says)"
    basis = model.asking.basis
    if basis is None:
        return duration(model.seconds)
    where = "this machine" if basis.here else ", ".join(basis.machines)
    return f"{duration(model.seconds)} (as {basis.answers:,} answers of this log took on {where})"


def plan(
    resolver: Resolver,
    found: Survey,
    order: ChosenLayout,
    models: Mapping[str, AskedModel],
    checks: Mapping[str, ModelCheck],
    machine: Machine,
) -> Plan:
    """What `massjax.precompute` would do.

    Args:
        resolver: of what is wanted.
        found: what is open of it.
        order: the prompt layout.
        models: that are asked, by name.
        checks: what is known of each before it is loaded.
        machine: where a model in this process would run.
    """
    inputs = resolver.inputs
    planned = tuple(_model_plan(name, asked, inputs.model_settings(name), found, checks[name], machine) for name, asked in models.items())
    faults = tuple(fault for check in checks.values() for fault in check.faults)
    return Plan(
        scores=found.scores,
        stored=found.stored,
        rule_scores=sum(int((values == values).sum()) for values in inputs.rule_scores.values()),
        prompts=found.distinct,
        models=planned,
        order=order,
        waiting=dict(found.waiting),
        given=None if inputs.panel.texts is None else count_texts(inputs.panel, inputs.config.agents),
        warnings=(*faults, *_too_long(found, resolver, checks)),
        examples=tuple(found.examples),
        roles=tuple(_role_plans(found, resolver)),
        of_replicas=any(chosen.replicas for chosen in inputs.protocols.values()),
    )


def _role_plans(found: Survey, resolver: Resolver) -> Iterator[RolePlan]:
    """What each role would ask, in the order in which archetypes come to them."""
    inputs = resolver.inputs
    order = [(part.role, inputs.model_named(part.model)) for one in inputs.asking for part in inputs.protocols[one.name].parts]
    if all(len(chosen.parts) == 1 and not chosen.together for chosen in inputs.protocols.values()):
        return
    for role, model in dict.fromkeys([*order, *found.roles]):
        count, price = found.roles.get((role, model), RoleCount()), inputs.model_settings(model).price_per_million_tokens
        now, later = count
        tokens, written = now.prompt_tokens + later.prompt_tokens, now.written_tokens + later.written_tokens
        yield RolePlan(role, model, now.open, later.open, tokens, written, None if price is None else tokens * price / 1e6)


def _model_plan(name: str, asked: AskedModel, given: ModelSettings, found: Survey, check: ModelCheck, machine: Machine) -> ModelPlan:
    asking, price, rate = found.asking.get(name, Asking()), given.price_per_million_tokens, given.prompts_per_second
    return ModelPlan(
        name=name,
        open=found.open[name],
        texts=found.texts[name],
        calibrating=found.calibrating[name],
        asking=asking,
        seconds=asking.seconds if rate is None else found.open[name] / rate,
        prompts_per_second=rate,
        cost=None if price is None else asking.prompt_tokens * price / 1e6,
        said=check.said,
        dtype=said_dtype(given, asked.settings.dtype, machine) if given.engine == "vllm" else "the engine's own",
    )


def _too_long(found: Survey, resolver: Resolver, checks: Mapping[str, ModelCheck]) -> list[str]:
    """Which prompts have no room for an answer: how many, and the first of them by date and stock."""
    if not found.long:
        return []
    t, n, name, tokens = min(found.long)
    inputs = resolver.inputs
    archetype = next(one for one in inputs.asking if one.name == name)
    model = inputs.model_named(archetype.model)
    limit, about = inputs.model_settings(model).max_model_len, "" if checks[model].count is not None else "about "
    where = "scoring" if model == DEFAULT_MODEL else f"models.{model}"
    are = "prompt is" if found.too_long == 1 else "prompts are"
    return [
        f"{about}{found.too_long:,} {are} too long for {where}.max_model_len ({limit} tokens, answer included) and would have no score, "
        f"the first that of archetype {name!r} about stock {inputs.panel.stocks[n]} on {inputs.panel.dates[t]} ({about}{tokens:,} tokens); "
        f"raise {where}.max_model_len, or show fewer or shorter texts"
    ]
