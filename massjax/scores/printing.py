"""What precompute prints when it is done: the plan, what was asked, what has no score, and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from massjax.answers.ask import Tally
from massjax.models.failures import Reason, by_kind
from massjax.models.forms import Decide, Rate
from massjax.row_words import counted
from massjax.scores.outcome import Asked, NothingToAsk
from massjax.scores.picked_places import PickedPlaces
from massjax.scores.plan import Plan
from massjax.scores.survey import Example
from massjax.scores.writing import Written
from massjax.terminal import escaped_text, markup_text

EXAMPLES = 3
"""Prompts that a plan shows, unless all are asked for."""
LITTLE_MASS = 0.3
"""Mean probability mass on the choices below which the answers say little about the choices."""
PREFILLS = ("I choose: ", "The answer is: ", "My decision, in one word: ")
"""To try where a role does not decide."""
LITTLE_DECIDED = 0.5
"""The same for decisions of roles, up to which they are doubted."""


def show_plan(found: Plan, path: Path | str, console: Console, errors: Console, *, every_example: bool = False) -> int:
    """Print a plan: some whole prompts, or one an archetype, then the counts, and what stands in the way; the exit code."""
    examples = found.examples if every_example else found.examples[:EXAMPLES]
    for line in (line for example in examples for line in (*lines_of(example), "")):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if more := len(found.examples) - len(examples):
        console.print(f"(and those of {counted(more, 'archetype')} more: --verbose prints them)\n", highlight=False, soft_wrap=True)
    console.print(found.table())
    roles = found.role_table()
    if roles is not None:
        console.print(roles)
    if not found.to_ask:
        console.print(f"Nothing is left to ask: all {found.scores:,} scores are in {markup_text(path)}.", soft_wrap=True)
    if found.waiting:
        stages = ", ".join(dict.fromkeys(found.waiting.values()))
        console.print(
            f"{counted(len(found.waiting), 'archetype')} first {'needs' if len(found.waiting) == 1 else 'need'} the answers of {stages}; "
            "how many questions follow them is estimated by role above, with made-up answers of full length in their place.",
            soft_wrap=True,
        )
    for warning in found.warnings:
        warn(errors, warning)
    return 0


def lines_of(example: Example) -> Iterator[str]:
    """An example as lines for a terminal, which nothing in the prompt can steer."""
    many = "archetypes" if len(example.archetypes) > 1 else "archetype"
    role = f" (role {example.role})" if example.role else ""
    yield escaped_text(f"Prompt of {many} {', '.join(example.archetypes)}{role} about {example.about}")
    for title, text in (("system", example.prompt.system), ("user", example.prompt.user)):
        yield f"  {title}:"
        yield from (f"    {escaped_text(line, keep=chr(9))}" for line in text.split(chr(10)))


def nothing_to_ask(found: NothingToAsk, path: Path | str, console: Console, errors: Console) -> int:
    """Say that all that is wanted is answered, and what has no score; the exit code is 1 where something has none."""
    written = found.written
    known, unscored = written.scored + written.rules, by_kind(written.unscored)
    which = f"{known:,} scores" if unscored else f"all {known:,} scores"
    console.print(f"Nothing is left to ask: {which} are in {markup_text(path)}.", soft_wrap=True, highlight=False)
    for why in found.unread:
        warn(errors, why)
    for reason, count in unscored.items():
        console.print(f"[yellow]no score: {reason}[/]  {count:,}", soft_wrap=True, highlight=False)
    _show_places(written.places, console)
    _show_memory(written, console)
    _warn_of_little_mass(written, errors)
    return 1 if unscored else 0


def conclude(found: Asked, path: Path | str, console: Console, errors: Console) -> int:
    """Say what was asked, and what has no score; the exit code is 1 where something has none."""
    tally, written = found.tally, found.written
    unscored = by_kind(tally.reasons if written is None else written.unscored)
    console.print(_table(tally, written, unscored, path))
    for reason in unscored:
        words = tally.words.get(reason)
        if words:
            console.print(f"[yellow]{reason}[/], for example: {markup_text(words)}", highlight=False, soft_wrap=True)
    if written is None:
        console.print(
            f"{counted(found.waiting, 'question')} of other parts of the work {'is' if found.waiting == 1 else 'are'} open; the last part "
            "to end, or python -m massjax.precompute without --shard, writes the score tensor.",
            soft_wrap=True,
            highlight=False,
        )
    else:
        _show_places(written.places, console)
        _show_memory(written, console)
        _warn_of_little_mass(written, errors)
    return 1 if unscored else 0


def _show_memory(written: Written, console: Console) -> None:
    """Print what was done about stocks and dates where memory is taken out of scores, and how much was taken out."""
    if written.memory:
        table = Table(title="Scores with memory taken out (archetype × stock × date)", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column(justify="right")
        for words, count in written.memory.items():
            table.add_row(words, f"{count:,}")
        for name, strengths in written.strengths.items():
            taken = ", ".join(f"{symbol} {value:.2f}" for symbol, value in strengths.items())
            table.add_row(f"taken off, on average: {markup_text(name)}", taken)
        console.print(table)


def _show_places(places: PickedPlaces | None, console: Console) -> None:
    """Print how often the stock at each place of a shuffled list was picked, against the share that is the same for all places."""
    if places is None:
        return
    table = Table("place", title="Picks by place in the list", title_justify="left")
    for name in ("lists", "picked", "if all places were alike", "95 % of shares then"):
        table.add_column(name, justify="right")
    rows = zip(places.lists, places.share, places.uniform, places.half_width, strict=True)
    for place, (lists, share, uniform, half) in enumerate(rows, start=1):
        outside = abs(share - uniform) > half
        said = f"[yellow]{share:.1%}[/]" if outside else f"{share:.1%}"
        table.add_row(str(place), f"{lists:,}", said, f"{uniform:.1%}", f"{max(0.0, uniform - half):.1%} to {min(1.0, uniform + half):.1%}")
    console.print(table)
    told = f"Position bias: chi-squared over all places, p = {places.p_value:.3g} where all are alike."
    console.print(told, highlight=False, soft_wrap=True)


def _warn_of_little_mass(written: Written, errors: Console) -> None:
    if written.mass < LITTLE_MASS:
        share = f"the model put only {written.mass:.0%} of its probability on the choices"
        warn(errors, f'{share}; a prefill such as "Rating: " (scoring.prefill) makes it choose')
    for (role, form), mass in written.roles.items():
        if mass <= LITTLE_DECIDED and isinstance(form, Rate | Decide):
            after = f", though its answer begins {form.prefill!r}" if form.prefill else ""
            share = f"role {role!r} put only {mass:.0%} of its probability on {', '.join(form.choices)}{after}: they say little"
            other = " or ".join(repr(one) for one in PREFILLS if one != form.prefill)
            warn(errors, f"{share}; a prefill such as {other} (roles: {{{role}: {{prefill: ...}}}}) may make it choose")


def _table(tally: Tally, written: Written | None, unscored: Mapping[Reason, int], path: Path | str) -> Table:
    """What was asked and what it took, and what the tensor holds, as a table."""
    table = Table(title=markup_text(f"Scores in {path}"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rate = tally.asked / tally.seconds if tally.seconds else 0.0
    if written is not None:
        table.add_row("scores in the store now", f"{written.scored:,}")
        if written.rules:
            table.add_row("rule scores (no model)", f"{written.rules:,}")
        table.add_row("distinct prompts", f"{written.distinct:,}")
        if written.empty:
            table.add_row("cells with nothing to ask", f"{written.empty:,}")
    table.add_row("questions asked", f"{tally.asked:,}")
    if tally.asked > tally.answered:
        table.add_row("of them without an answer", f"{tally.asked - tally.answered:,}")
    if tally.others:
        table.add_row("answered by other processes meanwhile", f"{tally.others:,}")
    table.add_row("questions a second", f"{rate:.1f}")
    table.add_row("tokens from the prefix cache", f"{tally.cached:.0%} of {tally.prompt_tokens:,}")
    for reason, count in unscored.items():
        table.add_row(f"[yellow]no score: {markup_text(reason)}", f"{count:,}")
    return table


def warn(console: Console, warning: str) -> None:
    """Print a warning."""
    console.print(f"[yellow]warning:[/] {markup_text(warning, keep=chr(10))}", highlight=False, soft_wrap=True)
