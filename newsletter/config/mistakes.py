"""What is said about a wrong key or value: where it stands and what to write instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from newsletter.config.settings import Settings
from newsletter.config.table import FORMS
from newsletter.content.suggest import did_you_mean


def explain(problem: Any, path: Path, text: str) -> str:
    """One of pydantic's problems as a sentence with file, line and key; `text` is the source of the file at `path`."""
    keys = [str(part) for part in problem["loc"]]
    dotted = ".".join(keys)
    where = f"{path}{_line_of(keys[-1], text)}"
    if problem["type"] == "extra_forbidden":
        meant = did_you_mean(keys[-1], _known_keys(keys[:-1]))
        return f"{where}: unknown key `{dotted}`" + (f"; {meant}" if meant else "")
    return f"{where}: `{dotted}`: {_said(problem)}"


def _said(problem: Any) -> str:
    """What is wrong with a value, in the words of somebody who writes TOML."""
    limits = problem.get("ctx", {})
    match problem["type"]:
        case "string_type":
            return 'it has to be text in quotes, such as "words"'
        case "bool_type" | "bool_parsing":
            return "it has to be true or false"
        case "int_type" | "int_parsing" | "int_from_float":
            return "it has to be a whole number"
        case "tuple_type":
            return 'it has to be a list, such as ["a", "b"]'
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"it has to be a table: [{'.'.join(map(str, problem['loc']))}] on a line of its own"
        case "greater_than_equal":
            return f"it has to be {limits['ge']:g} or more"
        case "less_than_equal":
            return f"it has to be {limits['le']:g} or less"
        case "literal_error":
            return f"it has to be one of {limits['expected']}"
        case "string_pattern_mismatch":
            wanted = FORMS.get(limits["pattern"], f"it has to match {limits['pattern']}")
            return f"`{str(problem['input'])[:60]}` won't do: {wanted}"
        case _:
            return str(problem["msg"]).removeprefix("Value error, ")


def _known_keys(parents: list[str]) -> list[str]:
    model: Any = Settings
    for parent in parents:
        field = model.model_fields.get(parent)
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return []
        model = field.annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def _line_of(key: str, text: str) -> str:
    """`:LINE` of the first assignment to `key`; tomllib keeps no positions."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*\[?[\w.]*\b{re.escape(key)}\b\s*(=|\])", line):
            return f":{number}"
    return ""
