"""Prompts: one archetype's view of one stock on one date, rendered from a jinja template."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import jinja2
import jinja2.nodes
import numpy as np
from jaxtyping import Bool, Int

from massjax.agents.archetype import Archetype
from massjax.agents.facts import UNKNOWN, Fact
from massjax.agents.sandbox import PromptEnvironment
from massjax.agents.sandbox_filters import LONGEST_TEXT
from massjax.errors import ConfigError
from massjax.models.question import Prompt
from massjax.user_files import read_small

MODALITY_TITLES = {
    "price": "the price trend",
    "price_feature": "technical price patterns",
    "risk": "risk and volatility",
    "cross_industry": "strength relative to the market",
    "valuation": "valuation",
    "dividend": "dividends",
    "growth": "growth",
    "quality": "quality of the business",
    "news": "news",
    "macro": "the state of the economy",
}

QUOTED = '  "'
"""How a quoted text begins."""
ARCHETYPE_FIRST, FACTS_FIRST, STAGE, ROLE = "investor.j2", "investor_facts_first.j2", "stage.j2", "role.j2"
PICK, STYLE, BLANK = "pick.j2", "style.j2", "blank.j2"
"""The packaged templates."""
HEARD = "role:"
"""Beginning of the modality of a fact that a role of a protocol said: it is what others heard, and no fact about the stock."""
LONGEST_TEMPLATE = 2**20
"""Bytes of a template."""
LONGEST_REASON = 300
"""Characters that are shown of why a template cannot be rendered."""


_PACKAGED = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
"""Renders the templates that come with massjax, whose every step need not be counted; the texts that they show are values, never code."""


class Viewer(Protocol):
    """Whoever is asked: an archetype, or a role of its protocol."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Of the facts that are shown."""

    def shown(self) -> dict[str, object]:
        """What a template is given of it, by name, in plain values alone."""


class PromptTemplate:
    """A compiled prompt template with the blocks `system` and `user`, and a fingerprint of its text.

    Args:
        path: a file, which is rendered under limits (`massjax.agents.sandbox`), or the name of a packaged template.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.name = str(path) if path else ARCHETYPE_FIRST
        self.source = _read(path or ARCHETYPE_FIRST)
        self.sha256 = hashlib.sha256(self.source.encode()).hexdigest()
        self._environment = PromptEnvironment()
        self._last: tuple[Viewer, dict[str, object]] | None = None
        try:
            self._template = _compiled(self.source) if isinstance(path, str | None) else self._environment.compiled(self.source)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(f"{self.name}, line {error.lineno}: {error.message}") from None
        except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
            raise ConfigError(f"{self.name}: is nested too deeply, or holds a number too large, for a template ({error})") from None
        self._of_archetype_alone = isinstance(path, str | None) and not _shows_sections(self.source)
        self._last_system: tuple[object, str] | None = None
        missing = {"system", "user"} - set(self._template.blocks)
        if missing:
            raise ConfigError(f"{self.name}: a prompt template needs the blocks 'system' and 'user'; missing: {', '.join(sorted(missing))}")

    def render(self, viewer: Viewer, lines: Sequence[tuple[Fact, str]], choices: Sequence[str], instruction: str = "") -> Prompt:
        """The prompt for one stock and date; `lines` are the facts known, each with its text.

        `instruction` is for the templates of stages and roles: what to write, or to decide.

        Raises:
            ConfigError: the template uses a name that is not given to it, reaches for more than plain values, or asks for too much work.
        """
        sections: dict[str, list[dict[str, str]]] = {}
        heard = list[dict[str, str]]()
        for fact, text in lines:
            if fact.modality.startswith(HEARD):
                heard.append({"title": fact.label, "text": text})
            else:
                sections.setdefault(fact.modality, []).append({"label": fact.label, "text": text})
        context: dict[str, object] = {
            **self._plain(viewer),
            "modalities": [modality_title(m) for m in viewer.modalities if not m.startswith(HEARD)],
            "sections": [{"title": f"About {modality_title(m)}:" if m else "The stock:", "lines": lines} for m, lines in sections.items()],
            "heard": heard,
            "choices": list(choices),
            "instruction": instruction,
        }
        return self._filled(viewer, context)

    def render_with(self, viewer: Viewer, about: str, **values: object) -> Prompt:
        """The prompt that shows plain values beside those of the viewer and its modalities.

        Args:
            about: whatever of `values` the system message shows, as one text.

        Raises:
            ConfigError: as `render` raises it.
        """
        titles = [modality_title(modality) for modality in viewer.modalities]
        return self._filled(viewer, {**self._plain(viewer), "modalities": titles, "choices": [], "instruction": about, **values})

    def _filled(self, viewer: Viewer, context: dict[str, object]) -> Prompt:
        self._environment.start()
        try:
            prompt = Prompt(self._system(viewer, context), self._block("user", context))
            "".join(prompt).encode()
            return prompt
        except UnicodeEncodeError as error:
            raise ConfigError(
                f"{self.name}: cannot be rendered for archetype {viewer.name!r}: it holds half a character "
                f"({error.object[error.start]!a}, a surrogate), which no text in UTF-8 can; write the character itself"
            ) from None
        except Exception as error:  # the template is foreign code: whatever it raises is its fault
            raise ConfigError(f"{self.name}: cannot be rendered for archetype {viewer.name!r}: {_reason(error)}") from None

    def render_rows(
        self, viewer: Viewer, facts: Sequence[Fact], rows: Int[np.ndarray, "R F"], choices: Sequence[str], instruction: str = ""
    ) -> list[Prompt]:
        """The prompts for R situations, each given by which text of each of F facts is known, -1 where none is.

        A packaged template shows texts as they are, and treats them in one of two ways: it is rendered once for each combination of
        these ways, with marks in the place of texts. A template of one's own is rendered for every row.

        Raises:
            ConfigError: like `render`.
        """
        if not len(rows) or not self._of_archetype_alone or not _can_be_sent(facts):
            return [self._render_row(viewer, facts, row, choices, instruction) for row in rows.tolist()]
        prompts = [Prompt("", "")] * len(rows)
        ways = [np.array([*(1 + is_quoted(text) for text in fact.texts), 0])[rows[:, f]] for f, fact in enumerate(facts)]
        shapes, which = distinct_rows(ways)
        order = np.argsort(which, kind="stable")
        for shape, places in zip(shapes.tolist(), np.split(order, np.flatnonzero(np.diff(which[order])) + 1), strict=True):
            shown = _as_shown(facts, [f for f, way in enumerate(shape) if way])
            marked = [(facts[f], f"{QUOTED}{_MARK}" if shape[f] > 1 else _MARK) for f in shown]
            system, user = self.render(viewer, marked, choices, instruction)
            between = user.replace(f"{QUOTED}{_MARK}", _MARK).replace("%", "%%").replace(_MARK, "%s")
            texts = [map(facts[f].texts.__getitem__, rows[places, f].tolist()) for f in shown]
            users = [between % row for row in zip(*texts, strict=True)] if user.count(_MARK) == len(shown) else []
            if max(map(len, users), default=LONGEST_TEXT) >= LONGEST_TEXT:
                found = [self._render_row(viewer, facts, row, choices, instruction) for row in rows[places].tolist()]
            else:
                found = [Prompt(system, user) for user in users]
            for place, prompt in zip(places.tolist(), found, strict=True):
                prompts[place] = prompt
        return prompts

    def _render_row(self, viewer: Viewer, facts: Sequence[Fact], row: list[int], choices: Sequence[str], instruction: str) -> Prompt:
        lines = [(fact, fact.texts[code]) for fact, code in zip(facts, row, strict=True) if code != UNKNOWN]
        return self.render(viewer, lines, choices, instruction)

    def _plain(self, viewer: Viewer) -> dict[str, object]:
        """What a template is given of an archetype or role, in plain values; that of the last one is kept."""
        if self._last is None or self._last[0] is not viewer:
            self._last = (viewer, viewer.shown())
        return self._last[1]

    def _system(self, viewer: Viewer, context: dict[str, object]) -> str:
        """The system message; where it shows nothing of a stock or date, that of the last archetype or role is kept."""
        key = (viewer, context["choices"], context["instruction"])
        if not self._of_archetype_alone or self._last_system is None or self._last_system[0] != key:
            self._last_system = (key, self._block("system", context))
        return self._last_system[1]

    def _block(self, name: str, context: dict[str, object]) -> str:
        return self._environment.concat(self._template.blocks[name](self._template.new_context(context))).strip()


_MARK = "\ue0f0\ue0f1"
"""Stands for a text while a packaged template is rendered: letters for private use."""


def is_quoted(text: str) -> bool:
    """Whether packaged templates put a text on lines of its own."""
    return "\n" in text or text.startswith(QUOTED)


def _as_shown(facts: Sequence[Fact], known: Sequence[int]) -> list[int]:
    """Places of facts in the order in which a prompt shows them: those of a modality together, what was heard of others last."""
    modalities = list(dict.fromkeys(facts[f].modality for f in known))
    return sorted(known, key=lambda f: (facts[f].modality.startswith(HEARD), modalities.index(facts[f].modality)))


def _can_be_sent(facts: Sequence[Fact]) -> bool:
    """Whether no text holds half a character."""
    try:
        "".join(text for fact in facts for text in fact.texts).encode()
        return True
    except UnicodeEncodeError:
        return False


@cache
def _compiled(source: str) -> jinja2.Template:
    """A packaged template, compiled once: archetypes that pick ask for it again for every list of dates."""
    return _PACKAGED.from_string(source)


@cache
def _shows_sections(source: str) -> bool:
    """Whether the block `system` of a template shows facts about a stock."""
    blocks = [block for block in _PACKAGED.parse(source).find_all(jinja2.nodes.Block) if block.name == "system"]
    return any(name.name in ("sections", "heard") for block in blocks for name in block.find_all(jinja2.nodes.Name))


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:LONGEST_REASON]


def modality_title(modality: str) -> str:
    """Words for a modality in a prompt."""
    return MODALITY_TITLES.get(modality, modality.replace("_", " "))


def _read(path: Path | str) -> str:
    if isinstance(path, str):
        return (files("massjax.agents") / "templates" / path).read_text(encoding="utf-8")
    try:
        return read_small(path, LONGEST_TEMPLATE)
    except ValueError as error:
        raise ConfigError(f"{path}: the prompt template {error}") from None


@dataclass(frozen=True)
class ArchetypePrompts:
    """All prompts of one archetype: `prompts[index[n, t]]` is asked for stock n on date t; −1 = nothing to ask."""

    prompts: list[Prompt]
    index: Int[np.ndarray, "N T"]


def prompts_of(
    viewer: Viewer,
    facts: Sequence[Fact],
    member: np.ndarray,
    template: PromptTemplate,
    choices: Sequence[str],
    instruction: str = "",
) -> ArchetypePrompts:
    """Render every distinct prompt of an archetype or role over members and dates.

    A stock about which none of the archetype's modalities knows anything on a date is not asked about.
    """
    seen, asked = _seen(viewer, facts), askable(viewer, facts, member)
    index = np.full(member.shape, UNKNOWN, dtype=np.int32)
    rows, index[asked] = distinct_rows([fact.codes[asked] for fact in seen])
    return ArchetypePrompts(template.render_rows(viewer, seen, rows, choices, instruction), index)


def askable(viewer: Viewer, facts: Sequence[Fact], member: Bool[np.ndarray, "N T"]) -> Bool[np.ndarray, "N T"]:
    """Where a member is asked about: where one of the archetype's modalities knows something."""
    known = np.zeros(member.shape, bool)
    for fact in _seen(viewer, facts):
        if fact.modality:
            known |= fact.codes != UNKNOWN
    return known & member


def _seen(viewer: Viewer, facts: Sequence[Fact]) -> list[Fact]:
    """The facts of the archetype's modalities, and those of identity."""
    return [fact for fact in facts if fact.modality in viewer.modalities or not fact.modality]


def distinct_rows(columns: Sequence[Int[np.ndarray, " M"]]) -> tuple[Int[np.ndarray, "R F"], Int[np.ndarray, " M"]]:
    """The distinct rows of F columns of codes in lexicographic order, and which of them each row is.

    Rows are compared by one 64-bit integer each: a number whose digits are the codes, the first column's the highest. Where it would
    grow beyond 64 bits, what there is of it is replaced by its rank among its distinct values, which keeps order and equality.

    Args:
        columns: one or more, of whole numbers from -1 on.

    Example:
        >>> import numpy as np
        >>> from massjax.agents.prompts import distinct_rows
        >>> rows, which = distinct_rows([np.array([1, -1, 1]), np.array([0, 4, 0])])
        >>> rows.tolist(), which.tolist()
        ([[-1, 4], [1, 0]], [1, 0, 1])
    """
    keys, values = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        radix = int(column.max(initial=UNKNOWN)) + 1 - UNKNOWN
        if values * radix > _LARGEST:
            distinct, keys = np.unique(keys, return_inverse=True)
            values = len(distinct)
        keys = keys * radix + (column.astype(np.int64) - UNKNOWN)
        values *= radix
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return np.stack([column[first] for column in columns], axis=1), which


_LARGEST = 2**63 - 1
"""The largest number of 64 bits, with a sign."""


def sampled_prompts(
    archetypes: Sequence[Archetype], facts: Sequence[Fact], member: np.ndarray, template: PromptTemplate, choices: Sequence[str], cells: int
) -> list[Prompt]:
    """The prompts of some archetypes about the same `cells` stocks and dates, spread over the panel."""
    if not archetypes:
        return []
    there = np.argwhere(member.T)
    chosen = there[np.unique(np.linspace(0, len(there) - 1, min(cells, len(there))).round().astype(int))] if len(there) else there
    found = []
    for archetype in archetypes:
        seen = _seen(archetype, facts)
        for t, n in chosen:
            lines = [(f, f.texts[f.codes[n, t]]) for f in seen if f.codes[n, t] != UNKNOWN]
            if any(f.modality for f, _ in lines):
                found.append(template.render(archetype, lines, choices))
    return found


def content_free(viewer: Viewer, facts: Sequence[Fact], template: PromptTemplate, choices: Sequence[str], instruction: str = "") -> Prompt:
    """The archetype's prompt with every fact withheld, for contextual calibration (Zhao et al. 2021, arXiv 2102.09690)."""
    seen = [f for f in facts if f.modality in viewer.modalities]
    return template.render(viewer, [(f, "N/A") for f in seen], choices, instruction)
