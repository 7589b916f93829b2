"""What does the YAML block say, and where exactly does it say something wrong?

PyYAML composes nodes with their places; the values are resolved here by the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema), under which `no` is a word and `12:30` a text.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from newsletter.content.document import Document, Findings
from newsletter.content.suggest import did_you_mean, listed, nearest
from newsletter.diagnostics import Diagnostic, Fix
from newsletter.model.issue import FrontMatter

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
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# What other tools call the same thing.
_SYNONYMS = {
    "subject": "title",
    "summary": "description",
    "excerpt": "description",
    "preview": "preheader",
    "preview_text": "preheader",
    "issue": "number",
    "id": "number",
    "published": "date",
    "publish_date": "date",
    "lastmod": "updated",
    "categories": "tags",
    "keywords": "tags",
    "permalink": "slug",
    "draft": "status",
}
# Told when a value is missing or wrong: how the key is written.
_EXAMPLES = {
    "number": "number: 12",
    "title": "title: What the subject line will say",
    "date": "date: 2026-03-03",
    "description": "description: What the inbox shows after the subject",
    "slug": "slug: hybrid-retrieval",
    "tags": "tags: [rag, search]",
    "status": "status: draft",
    "updated": "updated: 2026-03-03",
    "aliases": "aliases: [old-slug]",
}
_DATES = frozenset(
    name for name, field in FrontMatter.model_fields.items() if "date" in str(field.annotation)
)


class _Refusal(Exception):  # noqa: N818 - never leaves this module
    """The block is YAML, but none that could be front matter."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class _Entry:
    """One key of the block with its value and their places."""

    __slots__ = ("end", "items", "key", "key_end", "key_start", "plain", "start", "value")

    def __init__(self, key: Any, value: Any, data: Any, base: int) -> None:
        self.key: str = key.value
        self.key_start = base + key.start_mark.index
        self.key_end = base + key.end_mark.index
        self.start = base + value.start_mark.index
        self.end = max(self.start, base + value.end_mark.index)
        self.value = data
        self.plain = isinstance(value, yaml.ScalarNode) and not value.style
        self.items = (
            [(base + n.start_mark.index, base + n.end_mark.index) for n in value.value]
            if isinstance(value, yaml.SequenceNode)
            else []
        )


def parse_front_matter(document: Document) -> tuple[FrontMatter | None, list[Diagnostic]]:
    """The front matter of `document` and what is wrong with it; None where it isn't valid."""
    findings = Findings(document)
    if document.front is None:
        findings.add(
            "NL101",
            "the file doesn't begin with front matter",
            document.body_start,
            help="begin the first line with `---`, then number, title, date and description, then `---` again",
        )
        return None, findings.found
    if not document.front_closed:
        findings.add(
            "NL101",
            "the front matter has no end",
            _first_line(document),
            _first_line(document) + 3,
            help="put a line `---` after the last key",
        )
    start, end = document.front
    try:
        entries = _entries(document.text[start:end], start)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        offset = start + (mark.index if mark else 0)
        findings.add(
            "NL106",
            f"the front matter is not valid YAML: {error.problem or error.context}",
            min(offset, end),
            help=_yaml_help(document, min(offset, max(start, end - 1)), str(error.problem)),
        )
        return None, findings.found
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        findings.add("NL106", f"the front matter is not valid YAML: {str(error)[:120]}", start)
        return None, findings.found
    except _Refusal as refusal:
        findings.add("NL106", str(refusal), refusal.offset, help=_EXAMPLES["title"])
        return None, findings.found
    front = _validate(document, _known(entries, findings), findings)
    return (front if document.front_closed else None), findings.found


def _first_line(document: Document) -> int:
    return 1 if document.raw.startswith("\ufeff") else 0


def _yaml_help(document: Document, offset: int, problem: str) -> str:
    line_start = document.text.rfind("\n", 0, offset) + 1
    line = document.text[line_start : document.line_end(offset)]
    key, colon, value = line.partition(":")
    if "tab" in problem or line.startswith("\t"):
        return "indent with spaces, not with a tab"
    if colon and value.strip() and value.strip()[0] not in "\"'[" and key.strip():
        quoted = value.strip().replace("\\", "\\\\").replace('"', '\\"')
        return f'put the value in quotes: `{key.strip()}: "{quoted}"`'
    return "check the brackets and quotes around here"


def _entries(text: str, base: int) -> list[_Entry]:
    if len(text) > _MOST_CHARACTERS:
        raise _Refusal(f"the front matter is longer than {_MOST_CHARACTERS:,} characters", base)
    if text.count("[") + text.count("{") + text.count("- ") + text.count("? ") > _MOST_DEPTH:
        _refuse_depth(text, base)
    root = yaml.compose(text, Loader=_Loader)
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise _Refusal(
            "the front matter has to be a list of `key: value` lines", base + root.start_mark.index
        )
    budget = [_MOST_NODES]
    entries = []
    for key, value in root.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _Refusal("a key has to be a word", base + key.start_mark.index)
        entries.append(_Entry(key, value, _resolve(value, budget, 0, base), base))
    return entries


def _refuse_depth(text: str, base: int) -> None:
    """Refuse deep nesting before `compose`, which recurses on the C stack without a limit."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MOST_DEPTH:
                mark = event.start_mark
                raise _Refusal("the front matter is nested too deeply", base + (mark.index if mark else 0))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _resolve(node: Any, budget: list[int], depth: int, base: int) -> Any:
    """The Python value of a node by the core schema of YAML 1.2; lists become tuples."""
    budget[0] -= 1
    # A node that contains itself by an alias, or a few aliases that stand for millions of nodes.
    if budget[0] < 0 or depth > _MOST_DEPTH:
        raise _Refusal("the front matter is nested too deeply", base + node.start_mark.index)
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


def _known(entries: list[_Entry], findings: Findings) -> dict[str, _Entry]:
    """The entries whose keys exist; unknown and repeated keys are reported."""
    fields = FrontMatter.model_fields
    present = {entry.key for entry in entries}
    known: dict[str, _Entry] = {}
    for entry in entries:
        key = entry.key
        if key in known:
            line, _ = findings.place(known[key].key_start)
            findings.add(
                "NL105",
                f"front matter key `{key}` stands twice",
                entry.key_start,
                entry.key_end,
                help=f"the first one is on line {line}: remove one of them",
            )
        elif key in fields:
            known[key] = entry
        else:
            near = nearest(key, (name for name in fields if name not in present))
            meant = near or _SYNONYMS.get(key.casefold(), "")
            findings.add(
                "NL102",
                f"unknown front matter key `{key}`",
                entry.key_start,
                entry.key_end,
                help=f"did you mean `{meant}`?" if meant else f"the keys are {listed(fields, 'and')}",
                fix=Fix(entry.key_start, entry.key_end, near) if near else None,
            )
            if meant and meant not in present:
                known[meant] = entry
    return known


def _validate(document: Document, known: dict[str, _Entry], findings: Findings) -> FrontMatter | None:
    data = {key: _value(key, entry.value) for key, entry in known.items()}
    complaints = len(findings.found)
    try:
        front = FrontMatter.model_validate(data, strict=True)
    except ValidationError as error:
        front = None
        for problem in error.errors(include_url=False, include_context=True):
            _report(document, problem, known, findings)
    for key, entry in known.items():
        if isinstance(data[key], str) and _UNPRINTABLE.search(data[key].strip()):
            findings.add("NL104", f"`{key}` has to be one line of text", entry.start, entry.end)
            front = None
    _report_capitals(document, known.get("tags"), findings)
    if front is None or any(d.severity == "error" for d in findings.found[:complaints]):
        return None
    return (
        front if front.slug else front.model_copy(update={"slug": slug_of_file(document.path, front.number)})
    )


def _value(key: str, value: Any) -> Any:
    if key in _DATES and isinstance(value, str) and _ISO_DATE.fullmatch(value.strip()):
        try:
            return dt.date.fromisoformat(value.strip())
        except ValueError:
            return value
    return value


def _report_capitals(document: Document, tags: _Entry | None, findings: Findings) -> None:
    if tags is None or not isinstance(tags.value, tuple):
        return
    for tag, (start, end) in zip(tags.value, tags.items, strict=False):
        if isinstance(tag, str) and tag != tag.lower():
            written = document.text[start:end]
            findings.add(
                "NL110",
                f"tag `{tag}` has capitals",
                start,
                end,
                help=f"write `{tag.lower()}`",
                fix=Fix(start, end, written.lower()) if "\\" not in written else None,
            )


def _report(document: Document, problem: Any, known: dict[str, _Entry], findings: Findings) -> None:
    """One complaint of pydantic's as a finding at its place, in words an author can use."""
    key = str(problem["loc"][0])
    entry = known.get(key)
    if entry is None:
        findings.add(
            "NL103",
            f"front matter key `{key}` is missing",
            _first_line(document),
            _first_line(document) + 3,
            help=f"add a line such as `{_EXAMPLES[key]}`",
        )
        return
    start, end = entry.start, entry.end
    if (
        len(problem["loc"]) > 1
        and isinstance(problem["loc"][1], int)
        and problem["loc"][1] < len(entry.items)
    ):
        start, end = entry.items[problem["loc"][1]]
    if start >= document.line_end(entry.key_start) and end <= start:
        start, end = entry.key_start, entry.key_end
    value = problem["input"]
    written = document.text[start:end].strip()
    message, help_, replacement = _explain(key, problem, value, written)
    fix = Fix(start, start + len(written), replacement) if replacement and entry.end > entry.start else None
    findings.add("NL104", message, start, end, help=help_, fix=fix)


def _explain(key: str, problem: Any, value: Any, written: str) -> tuple[str, str, str]:
    """Message, help and a safe replacement (or none) for a value that isn't valid."""
    example = f"write it like `{_EXAMPLES[key]}`" if key in _EXAMPLES else ""
    context = problem.get("ctx", {})
    match problem["type"]:
        case _ if value is None or (problem["type"] == "string_too_short" and not str(value).strip()):
            return f"`{key}` is empty", example, ""
        case "string_type" if isinstance(value, (bool, int, float)):
            kind = "a truth value" if isinstance(value, bool) else "a number"
            return f"`{key}` takes text, and `{written}` is {kind}", "put it in quotes", f'"{written}"'
        case "string_type" if isinstance(value, (dict, tuple)) and "{{" in written:
            return f"`{key}` takes text", "put it in quotes: braces mean something else in YAML", ""
        case "string_type":
            return f"`{key}` takes text", example, ""
        case "int_type" if isinstance(value, str) and re.fullmatch(r"[1-9]\d{0,8}", value.strip()):
            return f"`{key}` takes a number, and {written} is text", "remove the quotes", value.strip()
        case "int_type" | "int_from_float" | "greater_than_equal":
            return f"`{key}` takes a whole number, 0 or more", example, ""
        case "date_type" | "date_parsing" | "date_from_datetime_parsing":
            return f"`{key}` takes a date of the calendar, and `{str(value)[:40]}` is none", example, ""
        case "string_too_long":
            most = context["max_length"]
            return (
                f"`{key}` has {len(value.strip())} characters, at most {most} are allowed",
                "shorten it",
                "",
            )
        case "literal_error":
            choices = [str(c) for c in get_args(FrontMatter.model_fields[key].annotation)]
            near = nearest(str(value), choices)
            meant = did_you_mean(str(value), choices)
            return f"`{key}` is `{str(value)[:40]}`", meant or f"it is {listed(choices)}", near
        case "string_pattern_mismatch":
            return f"`{key}` takes lower-case letters, digits and single hyphens", example, ""
        case "tuple_type" | "list_type":
            return f"`{key}` takes a list", example, ""
        case _:
            return f"`{key}`: {problem['msg'][:1].lower()}{problem['msg'][1:]}", example, ""


def slug_of_file(path: str, number: int) -> str:
    """The slug a file name stands for, its number left out: `007-evals.md` is `evals`."""
    # Not PurePath: its construction costs as much as reading the front matter.
    name = path.replace("\\", "/").rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    return slugify(re.sub(r"^\d+[-_. ]*", "", stem)) or f"issue-{number}"


def slugify(text: str) -> str:
    """`text` in lower-case ASCII letters, digits and single hyphens; empty where none are left."""
    folded = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ẞ", "ss"))
    ascii_only = folded.encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")
