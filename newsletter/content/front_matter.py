"""Does the YAML block say what its kind of file takes, and where exactly does it say something wrong?"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from newsletter.content.document import Document, Findings
from newsletter.content.suggest import did_you_mean, listed, nearest
from newsletter.content.yaml_block import Entry, Refusal, read_entries
from newsletter.diagnostics import Diagnostic, Fix
from newsletter.model.issue import FrontMatter

_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_NUMBER_OF_FILE = re.compile(r"^\d+[-_. ]*")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# What other tools call the same thing.
SYNONYMS: Mapping[str, str] = {
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


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Form(Generic[Model]):
    """What the front matter of one kind of file is.

    Attributes:
        model: its keys and values.
        begin: the keys it can't do without, in words.
        examples: how a key is written, told when its value is missing or wrong.
        synonyms: what other tools call a key.
    """

    model: type[Model]
    begin: str
    examples: Mapping[str, str]
    synonyms: Mapping[str, str]

    @cached_property
    def dates(self) -> frozenset[str]:
        """The keys that take a date."""
        return frozenset(
            name for name, field in self.model.model_fields.items() if "date" in str(field.annotation)
        )


class Block(NamedTuple, Generic[Model]):
    """What a block says.

    Attributes:
        front: its values, or None where they aren't valid.
        entries: its keys with their places, as far as they can be read.
        diagnostics: what is wrong with it.
    """

    front: Model | None
    entries: dict[str, Entry]
    diagnostics: list[Diagnostic]


ISSUE_FORM = Form(FrontMatter, "number, title, date and description", _EXAMPLES, SYNONYMS)


def parse_front_matter(document: Document) -> tuple[FrontMatter | None, list[Diagnostic]]:
    """The front matter of an issue and what is wrong with it; None where it isn't valid."""
    front, _, diagnostics = read_block(document, ISSUE_FORM)
    if front is not None and not front.slug:
        front = front.model_copy(update={"slug": slug_of_file(document.path, front.number)})
    return front, diagnostics


def read_block(document: Document, form: Form[Model]) -> Block[Model]:
    """The front matter of `document`, which has to be of this form."""
    findings = Findings(document)
    if document.front is None:
        findings.add(
            "NL101",
            "the file doesn't begin with front matter",
            document.body_start,
            help=f"begin the first line with `---`, then {form.begin}, then `---` again",
        )
        return Block(None, {}, findings.found)
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
        entries = read_entries(document.text[start:end], start)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        offset = start + (mark.index if mark else 0)
        findings.add(
            "NL106",
            f"the front matter is not valid YAML: {error.problem or error.context}",
            min(offset, end),
            help=_yaml_help(document, min(offset, max(start, end - 1)), str(error.problem)),
        )
        return Block(None, {}, findings.found)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        findings.add("NL106", f"the front matter is not valid YAML: {str(error)[:120]}", start)
        return Block(None, {}, findings.found)
    except Refusal as refusal:
        findings.add("NL106", str(refusal), refusal.offset, help=form.examples["title"])
        return Block(None, {}, findings.found)
    known = _known(entries, form, findings)
    front = _validate(document, known, form, findings)
    return Block(front if document.front_closed else None, known, findings.found)


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


def _known(entries: list[Entry], form: Form[Any], findings: Findings) -> dict[str, Entry]:
    """The entries whose keys exist; unknown and repeated keys are reported."""
    fields = form.model.model_fields
    present = {entry.key for entry in entries}
    known: dict[str, Entry] = {}
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
            meant = near or form.synonyms.get(key.casefold(), "")
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


def _validate(
    document: Document, known: dict[str, Entry], form: Form[Model], findings: Findings
) -> Model | None:
    data = {key: _as_date(entry.value) if key in form.dates else entry.value for key, entry in known.items()}
    complaints = len(findings.found)
    try:
        front = form.model.model_validate(data, strict=True)
    except ValidationError as error:
        front = None
        for problem in error.errors(include_url=False, include_context=True):
            _report(document, problem, known, form, findings)
    for key, entry in known.items():
        if isinstance(data[key], str) and _UNPRINTABLE.search(data[key].strip()):
            findings.add("NL104", f"`{key}` has to be one line of text", entry.start, entry.end)
            front = None
    _report_capitals(document, known.get("tags"), findings)
    return None if any(d.severity == "error" for d in findings.found[:complaints]) else front


def _as_date(value: Any) -> Any:
    if isinstance(value, str) and _ISO_DATE.fullmatch(value.strip()):
        try:
            return dt.date.fromisoformat(value.strip())
        except ValueError:
            return value
    return value


def _report_capitals(document: Document, tags: Entry | None, findings: Findings) -> None:
    if tags is None or not isinstance(tags.value, tuple):
        return
    for position, tag in enumerate(tags.value):
        if isinstance(tag, str) and tag != tag.lower():
            start, end = tags.place((position,))
            written = document.text[start:end]
            findings.add(
                "NL110",
                f"tag `{tag}` has capitals",
                start,
                end,
                help=f"write `{tag.lower()}`",
                fix=Fix(start, end, written.lower()) if "\\" not in written else None,
            )


def _report(
    document: Document, problem: Any, known: dict[str, Entry], form: Form[Any], findings: Findings
) -> None:
    """One complaint of pydantic's as a finding at its place, in words an author can use."""
    key, path = str(problem["loc"][0]), problem["loc"][1:]
    entry = known.get(key)
    if entry is None:
        findings.add(
            "NL103",
            f"front matter key `{key}` is missing",
            _first_line(document),
            _first_line(document) + 3,
            help=f"add a line such as `{form.examples[key]}`",
        )
        return
    if problem["type"] == "extra_forbidden":
        start, end = entry.key_place(path)
        findings.add("NL102", f"unknown key `{path[-1]}` in `{key}`", start, end, help=_example(form, key))
        return
    start, end = entry.place(path)
    if start >= document.line_end(entry.key_start) and end <= start:
        start, end = entry.key_start, entry.key_end
    value = problem["input"]
    written = document.text[start:end].strip()
    name = f"{path[-1]}` in `{key}" if path and isinstance(path[-1], str) else key
    message, help_, replacement = _explain(name, problem, value, written, form)
    fix = Fix(start, start + len(written), replacement) if replacement and entry.end > entry.start else None
    findings.add("NL104", message, start, end, help=help_, fix=fix)


def _example(form: Form[Any], key: str) -> str:
    return f"write it like `{form.examples[key]}`" if key in form.examples else ""


def _explain(key: str, problem: Any, value: Any, written: str, form: Form[Any]) -> tuple[str, str, str]:
    """Message, help and a safe replacement (or none) for a value that isn't valid."""
    example = _example(form, str(problem["loc"][0]))
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
            choices = [str(c) for c in get_args(form.model.model_fields[key].annotation)]
            near = nearest(str(value), choices)
            meant = did_you_mean(str(value), choices)
            return f"`{key}` is `{str(value)[:40]}`", meant or f"it is {listed(choices)}", near
        case "string_pattern_mismatch":
            return f"`{key}` takes lower-case letters, digits and single hyphens", example, ""
        case "missing":
            return f"`{key}` is missing", example, ""
        case "too_short" | "too_long":
            count = len(value)
            return f"`{key}` has {count} {'entry' if count == 1 else 'entries'}", _takes(form, key), ""
        case "model_type" | "dict_type":
            return f"an entry of `{key}` is made of keys", example, ""
        case "tuple_type" | "list_type":
            return f"`{key}` takes a list", example, ""
        case _:
            return f"`{key}`: {problem['msg'][:1].lower()}{problem['msg'][1:]}", example, ""


def _takes(form: Form[Any], key: str) -> str:
    """How many entries a list takes, in words."""
    limits = {type(rule).__name__: rule for rule in form.model.model_fields[key].metadata}
    least, most = limits.get("MinLen"), limits.get("MaxLen")
    words = [
        f"{least.min_length} or more" if least else "",
        f"at most {most.max_length}" if most else "",
    ]
    return f"it takes {listed(filter(None, words), 'and')}"


def slug_of_file(path: str, number: int) -> str:
    """The slug a file name stands for, its number left out: `007-evals.md` is `evals`."""
    # Not PurePath: its construction costs as much as reading the front matter.
    name = path.replace("\\", "/").rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    return slugify(_NUMBER_OF_FILE.sub("", stem)) or f"issue-{number}"


def slugify(text: str) -> str:
    """`text` in lower-case ASCII letters, digits and single hyphens; empty where none are left."""
    folded = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ẞ", "ss"))
    ascii_only = folded.encode("ascii", "ignore").decode().lower()
    return _NOT_IN_SLUG.sub("-", ascii_only).strip("-")
