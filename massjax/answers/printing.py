"""What the commands of a log print: what is in it, what it took, a conversation; nothing in a text can steer the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest

from rich.console import RenderableType
from rich.panel import Panel as Frame
from rich.table import Table
from rich.text import Text

from massjax.answers.files import Recorded
from massjax.answers.log import AnswerLog
from massjax.answers.verify import Problem
from massjax.models.answer import Answer
from massjax.models.familiarity import read_familiarity
from massjax.models.forms import Familiar, Form, Pick, Write
from massjax.models.question import Question
from massjax.progress import duration
from massjax.row_words import counted
from massjax.terminal import escaped_text, markup_text

_LONGEST = 200
"""Characters of a field of a model's identity that are shown."""


def shown(text: object) -> Text:
    """Text of a log, which may be somebody else's, in which nothing can steer the terminal."""
    return Text(escaped_text(text, keep="\n"))


def _rows(title: str, rows: Mapping[str, object]) -> Table:
    table = Table(title=markup_text(title), show_header=False, title_style="bold", title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(shown(name), shown(value))
    return table


def described(log: AnswerLog, price: float | None = None) -> Iterator[RenderableType]:
    """A log in tables: how much is in it, who answered, what it took."""
    records = log.models()
    disagreements = log.disagreements()
    yield _rows(
        str(log.place),
        {
            "answers": f"{len(log):,}, in {counted(len(log.files), 'file')}",
            "asked without an answer": f"{log.failed:,}",
            "damaged files": "; ".join(f"{name} {why}" for name, why in log.damaged) or "none",
            "disagreements": f"{disagreements:,}: another answer to the same question counts in their place" if disagreements else "none",
        },
    )
    for digest, record in records.items():
        asked = record.answers + record.failures
        rows: dict[str, object] = {name: _shorten(value) for name, value in sorted(record.identity.items()) if name != "file_digests"}
        rows |= {"answers (repeated ones too)": f"{record.answers:,}, {record.failures:,} failures, the last on {record.last:%Y-%m-%d}"}
        rows |= {"prompt tokens": f"{record.prompt_tokens:,}, {_share(record.cached_tokens, record.prompt_tokens)} from the prefix cache"}
        rows |= {"tokens written": f"{record.written_tokens:,}", "machines": ", ".join(record.machines)}
        if record.seconds > 0:
            rows["time of the model"] = f"{duration(record.seconds)}, {asked / record.seconds:,.1f} questions a second"
        if price is not None:
            rows["price"] = f"{record.prompt_tokens * price / 1e6:,.2f}, at {price:,.2f} for a million prompt tokens"
        yield _rows(f"model {digest}", rows)


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def faults(problems: tuple[Problem, ...], notes: tuple[str, ...] = ()) -> Iterator[RenderableType]:
    """The faults as a table, then the notes."""
    if problems:
        table = Table("file", "fault", title="faults", title_style="bold", title_justify="left")
        for problem in problems:
            table.add_row(shown(problem.file), shown(problem.fault))
        yield table
    for note in notes:
        yield shown(f"note: {note}")


def unanswered_question(question: Question) -> Iterator[RenderableType]:
    """A question that the log does not have: what the model would be shown."""
    yield _rows(f"question {question.key.hex()}", {"asked": "not yet", "form": _form_words(question.form)})
    yield from _messages(question)


def conversation(recorded: Recorded) -> Iterator[RenderableType]:
    """A question and its answer: what the model was shown, and what it said, whole."""
    question, answer = recorded.question, recorded.answer
    yield _rows(
        f"question {question.key.hex()}",
        {
            "asked": f"{recorded.asked_at:%Y-%m-%d %H:%M} UTC",
            "of": f"{recorded.identity.get('model', '')} ({recorded.identity.get('engine', '')})",
            "on": f"{recorded.machine}, by massjax {recorded.massjax}",
            "form": _form_words(question.form),
        },
    )
    yield from _messages(question)
    if answer.text is not None and not isinstance(question.form, Familiar):
        yield Frame(shown(answer.text), title="text", title_align="left")
    yield from _said(question.form, answer)
    ended = f", ended: {answer.finish_reason}" if answer.finish_reason else ""
    if answer.prompt_tokens or answer.written_tokens or answer.seconds:
        took = f"{answer.prompt_tokens:,} tokens read ({answer.cached_tokens:,} cached), {answer.written_tokens:,} written"
        yield shown(f"{took}, {answer.seconds:.3g} s{ended}")
    else:
        yield shown(f"tokens and seconds: not recorded{ended}")


def _messages(question: Question) -> Iterator[RenderableType]:
    for title, text in (
        ("system", question.prompt.system),
        ("user", question.prompt.user),
        ("answer begins", getattr(question.form, "prefill", "")),
    ):
        if text:
            yield Frame(shown(text), title=title, title_align="left")


def _form_words(form: Form) -> str:
    if isinstance(form, Write):
        kind = "a text" if form.schema is None else f"JSON of the schema {form.schema}"
        return f"write {kind} of at most {form.max_tokens} tokens, at temperature {form.temperature:g}, seed {form.seed}"
    if isinstance(form, Pick):
        return f"pick {form.count} of {len(form.items)} ({form.method}, temperature {form.temperature:g}, seed {form.seed})"
    if isinstance(form, Familiar):
        return f"familiar: mean log-probability of the {', '.join(f'{percent:g}' for percent in form.percents)} % least likely tokens"
    return f"{form.kind}: {', '.join(form.choices)}"


def _said(form: Form, answer: Answer) -> Iterator[RenderableType]:
    if answer.failure is not None:
        yield shown(f"no answer: {answer.failure}")
    elif isinstance(form, Familiar):
        yield from _familiarity(answer.text)
    elif not isinstance(form, Write) and answer.probability is not None:
        table = Table("item" if isinstance(form, Pick) else "choice", "probability", *(["picked"] if isinstance(form, Pick) else []))
        names = form.items if isinstance(form, Pick) else form.choices
        for place, (name, share) in enumerate(zip_longest(names, answer.probability)):
            picked = (
                [str(answer.picks.index(place) + 1) if place in (answer.picks or ()) else ""]
                if isinstance(form, Pick) and answer.picks
                else []
            )
            table.add_row(shown(name), "none" if share is None else f"{share:.4f}", *picked)
        yield table
        yield shown(f"mass on them before renormalising: {answer.mass:.4f}")


def _familiarity(text: str | None) -> Iterator[RenderableType]:
    try:
        found = read_familiarity(text)
    except ValueError as error:
        yield shown(f"the answer {error}: {text}")
        return
    table = Table("% least likely tokens", "mean log-probability")
    for percent, mean in found.means.items():
        table.add_row(f"{percent:g}", f"{mean:.4f}")
    yield table
    yield shown(f"of {counted(found.tokens, 'token')} of the {'user message' if found.counted == 'user' else 'prompt'}")
