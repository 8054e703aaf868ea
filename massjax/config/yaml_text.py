"""YAML as configurations use it: safe, of bounded size, and without values that silently become others."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

DEEPEST = 50
"""Levels of nesting that are read."""
MOST_NODES = 200_000
"""Values, keys and collections that are read, those that stand behind an alias counted at every alias."""


def parse_yaml(text: str) -> Any:
    """The value that a YAML text describes.

    A key may be there once, counted as the value that it is (`yes` and `true` are one key). A number that begins with 0, such as
    the stock code 000001, stays text, where YAML would take it for an octal number or not, depending on its digits.

    Raises:
        ValueError: the text is not valid YAML, is nested too deeply, or grows too large through its aliases.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, set())
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        hint = "\nYAML is indented with spaces, never with tabs" if "'\\t'" in str(error) else ""
        raise ValueError(f"{error}{hint}") from None


class _Loader(yaml.SafeLoader):
    """YAML's safe loader with a limit of depth, and without its silent choice of the later of two equal keys."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > DEEPEST:
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEEPEST} levels deep", mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # as of 2022-13-45, which looks like a date and is none
            raise yaml.constructor.ConstructorError(None, None, f"{node.value!r}: {error}", node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            value = key.value if key.tag == "tag:yaml.org,2002:merge" else self.construct_object(key)
            if value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is there twice", key.start_mark)
            seen.add(value)
        return super().construct_mapping(node, deep)


INTEGER = "tag:yaml.org,2002:int"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, re.compile("(?![-+]?0[0-9_])" + rule.pattern, rule.flags) if tag == INTEGER else rule) for tag, rule in rules]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _count(node: yaml.Node, sizes: dict[int, int], open_nodes: set[int]) -> int:
    """The number of nodes below a node, aliases followed."""
    known = sizes.get(id(node))
    if known is not None:
        return known
    if id(node) in open_nodes:
        raise yaml.composer.ComposerError(None, None, "an alias stands within the value that it names", node.start_mark)
    open_nodes.add(id(node))
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    total = 1 + sum(_count(child, sizes, open_nodes) for child in children)
    open_nodes.discard(id(node))
    if total > MOST_NODES:
        raise yaml.composer.ComposerError(None, None, f"holds more than {MOST_NODES:,} values, its aliases counted", node.start_mark)
    sizes[id(node)] = total
    return total
