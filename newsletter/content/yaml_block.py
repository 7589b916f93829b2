"""Which keys does a YAML block have, with which values, and where exactly does each of them stand?

PyYAML composes nodes with their places; the values are resolved here by the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema), under which `no` is a word and `12:30` a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

try:
    from yaml import CBaseLoader as _Loader
except ImportError:  # PyYAML without libyaml: slower, the same nodes
    from yaml import BaseLoader as _Loader  # type: ignore[assignment]

# Past these, a block is no front matter, and libyaml's recursion would exhaust the stack.
_MOST_CHARACTERS = 64_000
_MOST_DEPTH = 20
_MOST_NODES = 2_000

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_PREFIXED_INT = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INF_NAN = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class Refusal(Exception):  # noqa: N818 - no error of the user's reaches anybody by it
    """The block is YAML, but none that could be front matter."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class Entry:
    """One key of the block with its value and their places.

    Attributes:
        key: the key's name; it spans `key_start` to `key_end`.
        value: what it says in Python's terms, lists as tuples; it spans `start` to `end`.
    """

    __slots__ = ("_base", "_node", "end", "key", "key_end", "key_start", "start", "value")

    def __init__(self, key: Any, value: Any, data: Any, base: int) -> None:
        self.key: str = key.value
        self.key_start = base + key.start_mark.index
        self.key_end = base + key.end_mark.index
        self.start = base + value.start_mark.index
        self.end = max(self.start, base + value.end_mark.index)
        self.value = data
        self._base = base
        self._node = value

    def place(self, path: Sequence[Any]) -> tuple[int, int]:
        """Where the item stands that list positions and keys lead to; as far as they lead."""
        node, key = self._node, None
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            key, node = found
        if node is self._node:
            return self.start, self.end
        shown = key if key is not None and node.start_mark.index == node.end_mark.index else node
        return self._base + shown.start_mark.index, self._base + shown.end_mark.index

    def key_place(self, path: Sequence[Any]) -> tuple[int, int]:
        """Where the key stands that the last step of `path` names."""
        node = self._node
        for step in path[:-1]:
            found = _child(node, step)
            if found is None:
                break
            node = found[1]
        found = _child(node, path[-1])
        if found is None or found[0] is None:
            return self.place(path)
        return self._base + found[0].start_mark.index, self._base + found[0].end_mark.index


def _child(node: Any, step: Any) -> tuple[Any, Any] | None:
    """The key node (None in a list) and the value node that `step` names in `node`."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key, value
    return None


def read_entries(text: str, base: int) -> list[Entry]:
    """The keys of a block in its order; `base` is where it begins in the file.

    Raises:
        yaml.YAMLError: it is not YAML.
        Refusal: it is, but no list of keys, or one that is made to do harm.
    """
    if len(text) > _MOST_CHARACTERS:
        raise Refusal(f"the front matter is longer than {_MOST_CHARACTERS:,} characters", base)
    if text.count("[") + text.count("{") + text.count("- ") + text.count("? ") > _MOST_DEPTH:
        _refuse_depth(text, base)
    root = yaml.compose(text, Loader=_Loader)
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise Refusal("the front matter has to be a list of `key: value` lines", base + root.start_mark.index)
    budget = [_MOST_NODES]
    entries = []
    for key, value in root.value:
        if not isinstance(key, yaml.ScalarNode):
            raise Refusal("a key has to be a word", base + key.start_mark.index)
        entries.append(Entry(key, value, _resolve(value, budget, 0, base), base))
    return entries


def _refuse_depth(text: str, base: int) -> None:
    """Refuse deep nesting before `compose`, which recurses on the C stack without a limit."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MOST_DEPTH:
                mark = event.start_mark
                raise Refusal("the front matter is nested too deeply", base + (mark.index if mark else 0))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _resolve(node: Any, budget: list[int], depth: int, base: int) -> Any:
    """The Python value of a node by the core schema of YAML 1.2; lists become tuples."""
    budget[0] -= 1
    # A node that contains itself by an alias, or a few aliases that stand for millions of nodes.
    if budget[0] < 0 or depth > _MOST_DEPTH:
        raise Refusal("the front matter is nested too deeply", base + node.start_mark.index)
    if isinstance(node, yaml.SequenceNode):
        return tuple(_resolve(child, budget, depth + 1, base) for child in node.value)
    if isinstance(node, yaml.MappingNode):
        return {
            str(key.value): _resolve(value, budget, depth + 1, base)
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode)
        }
    return node.value if node.style else resolve_plain(node.value)


def resolve_plain(text: str) -> Any:
    """What an unquoted scalar means: null, a truth value, a number, or the text itself."""
    if not text or text[0] in "~nNtTfF+-.0123456789":
        if text in _NULL:
            return None
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        if _INT.fullmatch(text):
            return int(text)
        if _PREFIXED_INT.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text) or _INF_NAN.fullmatch(text):
            # Python spells the last two without the dot.
            return float(re.sub(r"\.(?=[iInN])", "", text))
    return text
