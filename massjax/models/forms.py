"""The forms that an answer may have: a choice on a scale, a named decision, some of a list, a text; or how familiar the
prompt itself is. Each as JSON, for keys and files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal, TypeAlias

from massjax.errors import ModelError
from massjax.models.picks import LABELS
from massjax.models.schema import check_schema, no_number

MOST_CHOICES = 128


@dataclass(frozen=True)
class Rate:
    """One of several choices, ordered from worst to best; answered by the probability of each.

    Attributes:
        prefill: beginning of the answer, put into the model's mouth.
    """

    kind: ClassVar[str] = "rate"
    choices: tuple[str, ...]
    prefill: str = ""

    def __post_init__(self) -> None:
        _check_choices(self.choices)


@dataclass(frozen=True)
class Decide:
    """One of several named decisions without an order; answered by the probability of each."""

    kind: ClassVar[str] = "decide"
    choices: tuple[str, ...]
    prefill: str = ""

    def __post_init__(self) -> None:
        _check_choices(self.choices)


@dataclass(frozen=True)
class Pick:
    """`count` different ones of a list, whose items the prompt shows under labels A, B, C, ... in a shuffled order.

    Attributes:
        items: what is picked from.
        order: label i denotes `items[order[i]]`.
        method: `plackett-luce` reads the probabilities of all labels in one pass and takes `count` of them without replacement;
            `exact` asks `count` times, each time for one of the labels left, after the labels already said.
        temperature: 0 takes the likeliest; 1 draws by the model's probabilities; between and beyond, log-probabilities are divided by it.
        seed: of the draws, and by convention of the order.
    """

    kind: ClassVar[str] = "pick"
    items: tuple[str, ...]
    order: tuple[int, ...]
    count: int
    method: Literal["plackett-luce", "exact"] = "plackett-luce"
    temperature: float = 0.0
    seed: int = 0
    prefill: str = ""

    def __post_init__(self) -> None:
        if len(self.items) > len(LABELS):
            raise ModelError(f"a list of {len(self.items)} items cannot be picked from: there are {len(LABELS)} labels, A to z; shorten it")
        if sorted(self.order) != list(range(len(self.items))):
            raise ModelError(f"the order of a list of {len(self.items)} items must hold each of 0 to {len(self.items) - 1} once")
        if not 1 <= self.count <= len(self.items):
            raise ModelError(f"{self.count} of a list of {len(self.items)} items cannot be picked")
        if self.method not in ("plackett-luce", "exact"):
            raise ModelError(f"a list is picked from by 'plackett-luce' or 'exact', not by {self.method!r}")
        if not 0.0 <= self.temperature < float("inf"):
            raise ModelError(f"a temperature is 0 or more, not {self.temperature}")

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each place of the shuffled list."""
        return tuple(LABELS[: len(self.items)])


@dataclass(frozen=True)
class Write:
    """A text; with a `schema`, JSON that fits it.

    Attributes:
        max_tokens: tokens at most.
        temperature: 0 writes the likeliest token each time.
        seed: of the draws above temperature 0.
        schema: a JSON schema as JSON text, made canonical here.
    """

    kind: ClassVar[str] = "write"
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    schema: str | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ModelError(f"a text of {self.max_tokens} tokens cannot be written")
        if self.schema is not None:
            try:
                document = json.loads(self.schema, parse_constant=no_number)
            except ValueError as error:
                raise ModelError(f"the schema of a text is not JSON ({error})") from None
            check_schema(document)
            object.__setattr__(self, "schema", canonical(document))


@dataclass(frozen=True)
class Familiar:
    """How familiar the prompt is to the model: Min-K %, the mean log-probability of the k % least likely tokens of its user message.

    The model is shown what it is shown for an answer of any other form, and says nothing. Whatever follows the user message, such as the
    `prefill` of a `Rate`, changes none of these log-probabilities, so that one such question is about all forms of answer to a prompt.
    `massjax.models.familiarity` has the formula, and reads the answer.

    Attributes:
        percents: each k, above 0 and at most 100, increasing; 20 is that of lookahead propensity (arXiv 2512.23847).
    """

    kind: ClassVar[str] = "familiar"
    percents: tuple[float, ...] = (5.0, 10.0, 20.0, 40.0, 100.0)

    def __post_init__(self) -> None:
        try:
            percents = tuple(map(float, self.percents))
        except (TypeError, ValueError):
            raise ModelError(f"the percents of a familiarity must be numbers; they are {self.percents!r}") from None
        inside = all(math.isfinite(percent) and 0 < percent <= 100 for percent in percents)
        if not percents or not inside or list(percents) != sorted(set(percents)):
            raise ModelError(f"the percents of a familiarity must increase, above 0 and up to 100; they are {list(percents)}")
        object.__setattr__(self, "percents", percents)


Spoken: TypeAlias = Rate | Decide | Pick | Write
"""Forms in which a model says something."""
Form: TypeAlias = Spoken | Familiar
_FORMS: dict[str, Any] = {form.kind: form for form in (Rate, Decide, Pick, Write, Familiar)}


def unaskable_in_chat(form: Form) -> str | None:
    """Why a form cannot be asked of a server's chat API, in words; None where it can."""
    if isinstance(form, Write):
        return None
    if isinstance(form, Familiar):
        return "the chat API tells no log-probabilities of the prompt (familiarity); use api: completions of a vLLM server"
    if form.prefill:
        return "the chat API takes no beginning of an answer (prefill); use api: completions"
    if isinstance(form, Pick) and form.method == "exact":
        return "the chat API cannot be asked for one label after another (exact picks); use api: completions"
    return None


def form_document(form: Form) -> dict[str, Any]:
    """A form as what JSON holds, from which `form_of` makes it again."""
    return {"kind": form.kind, **asdict(form)}


def form_of(document: Mapping[str, Any]) -> Form:
    """The form that a document describes.

    Raises:
        ModelError: it describes none.
    """
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items() if name != "kind"}
    kind = document.get("kind")
    if kind not in _FORMS:
        raise ModelError(f"no form of an answer is called {kind!r}; known are {', '.join(_FORMS)}")
    try:
        form: Form = _FORMS[kind](**fields)
    except TypeError as error:
        raise ModelError(f"a form {kind!r} is not made of {', '.join(fields)} ({error})") from None
    return form


@lru_cache(maxsize=4096)
def form_text(form: Form) -> str:
    """A form as canonical JSON: equal forms have equal texts."""
    return canonical(form_document(form))


def canonical(document: Any) -> str:
    """JSON of sorted names without blanks; equal documents have equal texts."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _check_choices(choices: tuple[str, ...]) -> None:
    if not 2 <= len(choices) <= MOST_CHOICES or len(set(choices)) != len(choices) or not all(choices):
        raise ModelError(f"choices must be 2 to {MOST_CHOICES} different texts, none of them empty; they are {list(choices)}")
