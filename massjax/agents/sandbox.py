"""A jinja environment for templates of others: plain values alone, no Python internals, and a bound on work, length and depth.

Time and memory are bounded by counting, not by a clock, so that a template which renders once renders everywhere. Every operation
that jinja compiles to a call (filter, test, call, attribute, operator, output) is charged by the size of what it handles; those that it
does not (comparisons, concatenation, slices, lists written in the template) are wrapped in a filter that charges; bodies of loops, macros
and blocks begin with a toll of their own length. Operations whose result may outgrow their operands are measured before they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any, cast

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from massjax.agents.sandbox_filters import GUARDED_METHODS, LONGEST_TEXT, SAFE_FILTERS, check_percent

STEPS = 400_000
"""Work of one prompt; a thousand lines of facts take some twenty thousand steps."""
CHARACTERS_A_STEP = 32
COMPARISONS_A_STEP = 1024
DEEPEST = 32
"""Macros and blocks within one another."""
MOST_TOKENS = 20_000
"""Words and signs of jinja in a template, the text between them apart; the packaged ones have some three hundred."""
LARGEST_BITS = 512
"""Of a whole number."""
LONGEST_RANGE = 10_000

_Functions = dict[str, Callable[..., Any]]
PLAIN_TYPES = (str, int, float, type(None))
_TEXT_METHODS = (
    *("capitalize", "casefold", "lower", "swapcase", "title", "upper", "strip", "lstrip", "rstrip", "removeprefix", "removesuffix"),
    *("count", "find", "index", "rfind", "rindex", "startswith", "endswith", "partition", "rpartition", "split", "rsplit", "splitlines"),
    *("isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper"),
)
_LOOP = (
    *("changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length"),
    *("nextitem", "previtem", "revindex", "revindex0"),
)
ALLOWED_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(_TEXT_METHODS),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index")),
    float: frozenset(("is_integer",)),
    LoopContext: frozenset(_LOOP),
}
"""What a template may reach with a dot, by the type of the value; keys of a mapping besides."""


class TooMuchError(SecurityError):
    """A template asks for more work, length or depth than a prompt can need."""


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Compiles and renders templates under limits; one render at a time."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, autoescape=False, finalize=self._printed)
        self.steps = self.depth = 0
        known, tests = cast("_Functions", self.filters), cast("_Functions", self.tests)
        self.filters = {name: _guarded(self, guard or known[name], known[name]) for name, guard in SAFE_FILTERS.items()}
        self.filters |= {_TOLL: self._toll, _CHARGE: self._charge}
        self.tests = {name: _guarded(self, test, test) for name, test in tests.items()}
        self.globals = {"range": self._range}

    def compiled(self, source: str) -> jinja2.Template:
        """A template with its tolls.

        Raises:
            jinja2.TemplateError: the text is no template, or uses what no prompt may.
        """
        if sum(1 for _ in islice(self.lex(source), MOST_TOKENS + 1)) > MOST_TOKENS:
            raise jinja2.TemplateSyntaxError(f"the template holds more than {MOST_TOKENS:,} words and signs of jinja", 1)
        tree = self.parse(source)
        for node in [*tree.find_all(nodes.Node)]:
            refused = _REFUSED.get(type(node))
            if refused:
                raise jinja2.TemplateSyntaxError(f"{refused} cannot be used in a prompt template", node.lineno)
        _add_tolls(tree)
        return jinja2.Template.from_code(self, self.compile(tree), self.globals)

    def start(self) -> None:
        """Begin a render with nothing spent."""
        self.steps = self.depth = 0

    def spend(self, steps: int) -> None:
        """Count work.

        Raises:
            TooMuchError: more than `STEPS` are spent.
        """
        self.steps += steps
        if self.steps > STEPS:
            raise TooMuchError(f"takes more than {STEPS:,} steps; shorten its loops")

    def spend_on_search(self, values: Iterable[Any]) -> None:
        """Count the work of looking for one text in another, which may grow with the product of their lengths."""
        first, second = (*sorted((len(value) for value in values if isinstance(value, str)), reverse=True), 0, 0)[:2]
        self.spend(first * second // COMPARISONS_A_STEP)

    def checked(self, value: Any) -> Any:
        """The value, made plain and charged by its size."""
        if isinstance(value, str):
            self.steps += 1 + len(value) // CHARACTERS_A_STEP
            if len(value) > LONGEST_TEXT:
                raise TooMuchError(f"makes a text of more than {LONGEST_TEXT:,} characters")
            self.spend(0)
        elif isinstance(value, int):
            self.spend(1)
            if value.bit_length() > LARGEST_BITS:
                raise TooMuchError(f"makes a whole number of more than {LARGEST_BITS} bits")
        elif isinstance(value, range):
            self.spend(1 + len(value))
        elif isinstance(value, float | None | Undefined | Macro | BlockReference | LoopContext | TemplateReference):
            self.spend(1)
        elif isinstance(value, list | tuple | dict):
            self._measure(value)
        elif isinstance(value, Iterable):
            return self._listed(value)
        else:
            raise SecurityError(f"handles a {type(value).__name__}, which is no text, number, list or mapping")
        return value

    def _listed(self, values: Iterable[Any]) -> list[Any]:
        found = []
        for value in values:
            self.spend(1)
            found.append(value)
        self._measure(found)
        return found

    def _measure(self, value: Any, *, printed: bool = False) -> None:
        """Charge a nested value by all that it would print, a part that occurs twice counted twice; if it is printed, refuse odd parts."""
        characters, waiting = 0, [value]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str):
                characters += len(part)
                if characters > LONGEST_TEXT:
                    raise TooMuchError(f"makes a list with more than {LONGEST_TEXT:,} characters")
            elif isinstance(part, list | tuple | dict):
                self.spend(1 + len(part))
                waiting.extend(part)
                if isinstance(part, dict):
                    waiting.extend(part.values())
            elif isinstance(part, int):
                self.checked(part)
            elif callable(part) and not isinstance(part, Macro | BlockReference | Undefined):
                raise SecurityError(f"handles a {type(part).__name__}, which is no text, number, list or mapping")
            elif printed and not isinstance(part, PLAIN_TYPES):
                self._printed(part)
        self.spend(characters // CHARACTERS_A_STEP)

    def _printed(self, value: Any) -> str:
        if type(value) is not str:
            if not isinstance(value, (*PLAIN_TYPES, list, tuple, dict, Undefined)):
                raise SecurityError(f"prints a {type(value).__name__}, which is no text, number, list or mapping")
            if isinstance(value, list | tuple | dict):
                self._measure(value, printed=True)
            else:
                self.checked(value)
            value = str(value)
        self.steps += 1 + len(value) // CHARACTERS_A_STEP
        if self.steps > STEPS or len(value) > LONGEST_TEXT:
            self.checked(value)
        return str(value)

    def concat(self, parts: Iterable[str]) -> str:
        """Parts joined, their length counted before."""
        found = list(parts)
        length = sum(map(len, found))
        if length > LONGEST_TEXT:
            raise TooMuchError(f"makes a text of more than {LONGEST_TEXT:,} characters")
        self.spend(length // CHARACTERS_A_STEP)
        return "".join(found)

    @jinja2.pass_context
    def _toll(self, context: Context, length: int) -> bool:
        self.spend(length)
        return True

    @jinja2.pass_context
    def _charge(self, context: Context, value: Any) -> Any:
        if type(value) is str:
            self.steps += 1 + len(value) // CHARACTERS_A_STEP
            if self.steps <= STEPS:
                return value
        return self.checked(value)

    def _range(self, *limits: int) -> range:
        found = range(*limits)
        if len(found) > LONGEST_RANGE:
            raise TooMuchError(f"counts over {LONGEST_RANGE:,} in a range")
        return found

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What stands behind a dot: a method that is safe, or the key of a mapping."""
        if type(obj) is dict and attribute in obj and attribute not in ALLOWED_METHODS[dict]:
            return obj[attribute]
        if isinstance(obj, Undefined):
            return super().getattr(obj, attribute)
        for kind, names in ALLOWED_METHODS.items():
            if isinstance(obj, kind) and attribute in names:
                return getattr(obj, attribute)
        if isinstance(obj, tuple) and attribute in getattr(obj, "_fields", ()):
            return getattr(obj, attribute)
        if isinstance(obj, str) and attribute in GUARDED_METHODS:
            return partial(GUARDED_METHODS[attribute], obj)
        if isinstance(obj, dict | TemplateReference):
            try:
                return obj[attribute]
            except LookupError:
                return self.undefined(obj=obj, name=attribute)
        return self.unsafe_undefined(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """What stands in brackets: an item, or else a field or an allowed method of a plain value."""
        if type(obj) is dict and type(argument) is str and argument in obj:
            return obj[argument]
        if isinstance(obj, Undefined):
            return super().getitem(obj, argument)
        if not isinstance(obj, str | list | tuple | dict | range | TemplateReference):
            return self.unsafe_undefined(obj, str(argument))
        try:
            return obj[argument]
        except (TypeError, LookupError):
            return self.getattr(obj, argument) if isinstance(argument, str) else self.undefined(obj=obj, name=argument)

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method or macro, at a depth that is bounded."""
        for value in (*args, *kwargs.values()):
            if value is not None:
                self.checked(value)
        owner = getattr(function, "__self__", None)
        if isinstance(owner, str):
            self.checked(owner)
            self.spend_on_search((owner, *args))
            kwargs = {name: value for name, value in kwargs.items() if name not in _SCOPE}
            return self.checked(function(*args, **kwargs))
        self.depth += 1
        if self.depth > DEEPEST:
            raise TooMuchError(f"has macros or blocks that call one another more than {DEEPEST} deep")
        try:
            return self.checked(super().call(context, function, *args, **kwargs))
        finally:
            self.depth -= 1

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic whose result is measured before it is made."""
        if operator == "%" and isinstance(left, str):
            self.checked(right)
            check_percent(left, right)
        elif operator == "*":
            for value, times in ((left, right), (right, left)):
                if isinstance(value, str | list | tuple) and isinstance(times, int) and len(value) * times > LONGEST_TEXT:
                    raise TooMuchError(f"makes a text or list of more than {LONGEST_TEXT:,} characters")
                if isinstance(value, list | tuple) and isinstance(times, int):
                    self.spend(len(value) * max(times, 0))
        elif operator == "**":
            raise SecurityError("** cannot be used in a prompt template")
        return self.checked(super().call_binop(context, operator, left, right))


_SCOPE = ("_loop_vars", "_block_vars")
"""What jinja's calls carry besides a template's own arguments."""
_TOLL, _CHARGE = "massjax toll", "massjax charge"
"""Names that a template cannot write."""

_REFUSED: dict[type[nodes.Node], str] = {
    nodes.Pow: "** (a power)",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
}


def _guarded(environment: PromptEnvironment, function: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test whose operands are charged before it runs, and whose result after it."""
    passed = getattr(original, "jinja_pass_arg", None)
    skipped = 0 if passed is None else 1

    def charged(*args: Any, **kwargs: Any) -> Any:
        plain = [*args[:skipped], *(environment.checked(value) for value in args[skipped:])]
        environment.spend_on_search((*plain, *kwargs.values()))
        return environment.checked(function(*plain, **{name: environment.checked(value) for name, value in kwargs.items()}))

    if passed is not None:
        charged.jinja_pass_arg = passed  # type: ignore[attr-defined]
    return charged


def _add_tolls(tree: nodes.Template) -> None:
    """Let bodies that may run often, and operations that jinja compiles to plain Python, be charged."""
    for node in [*tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block, nodes.FilterBlock))]:
        if not isinstance(node, nodes.Expr):
            inside = sum(1 for _ in node.find_all(nodes.Node))
            toll = _filter(_TOLL, nodes.Const(1 + inside), node.lineno)
            if isinstance(node, nodes.For) and node.test is not None:
                node.test = nodes.And(_filter(_TOLL, nodes.Const(1), node.lineno), node.test, lineno=node.lineno)
            node.body.insert(0, nodes.ExprStmt(toll, lineno=node.lineno))  # type: ignore[attr-defined]
    _wrap_operands(tree)


def _wrap_operands(node: nodes.Node) -> None:
    for child in node.iter_child_nodes():
        _wrap_operands(child)
    if isinstance(node, nodes.Compare):
        node.expr = _charged(node.expr)
        for operand in node.ops:
            operand.expr = _charged(operand.expr)
    elif isinstance(node, nodes.Concat):
        node.nodes = [_charged(part) for part in node.nodes]
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        node.node = _charged(node.node)
    elif isinstance(node, nodes.List | nodes.Tuple) and getattr(node, "ctx", "load") == "load":
        node.items = [_charged(item) for item in node.items]
    elif isinstance(node, nodes.Pair):
        node.value = _charged(node.value)


def _charged(node: nodes.Expr) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else _filter(_CHARGE, node, node.lineno)


def _filter(name: str, node: nodes.Expr, line: int) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=line)
