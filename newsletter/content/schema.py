"""What may an issue or a guide hold, as a JSON Schema that editors and other programs read?"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from newsletter.content.fields import plan_of
from newsletter.model.guide import Choosing, Comparison, GuideFrontMatter, Questions
from newsletter.model.issue import DEFAULT_KINDS, FrontMatter, Prose, SectionKind

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Prose is text to whoever writes it; where it stands in a file is not part of the format.
_MARKDOWN = {"type": "string", "contentMediaType": "text/markdown"}
_PROSE_REFERENCE = f"#/$defs/{Prose.__name__}"


def issue_schema(kinds: tuple[SectionKind, ...] = DEFAULT_KINDS) -> dict[str, Any]:
    """The schema of an issue of this newsletter: `frontMatter`, `intro` and, in order, `sections`."""
    return {
        "$schema": _DIALECT,
        "title": "Issue",
        "type": "object",
        "properties": {
            "frontMatter": FrontMatter.model_json_schema(),
            "intro": _MARKDOWN,
            "sections": _sections(kinds),
        },
        "required": ["frontMatter", "sections"],
        "$defs": {kind.name: _section(kind) for kind in kinds},
    }


def guide_schema() -> dict[str, Any]:
    """The schema of a guide: `frontMatter`, `summary`, `comparison`, `choosing` and `faq`."""
    parts: dict[str, type[BaseModel]] = {"comparison": Comparison, "choosing": Choosing, "faq": Questions}
    made = {name: _part(model) for name, model in parts.items()}
    definitions: dict[str, Any] = {}
    for schema in (front := GuideFrontMatter.model_json_schema(), *made.values()):
        definitions |= schema.pop("$defs", {})
    return {
        "$schema": _DIALECT,
        "title": "Guide",
        "type": "object",
        "properties": {"frontMatter": front, "summary": _MARKDOWN, **made},
        "required": ["frontMatter", "summary", *parts],
        "$defs": definitions,
    }


def _part(model: type[BaseModel]) -> dict[str, Any]:
    made: dict[str, Any] = _as_written(model.model_json_schema())
    for schema in (made, *made.get("$defs", {}).values()):
        schema["description"] = schema.get("description", "").partition("\n")[0]
        schema.get("properties", {}).pop("line", None)
    made.get("$defs", {}).pop(Prose.__name__, None)
    return made


def _sections(kinds: tuple[SectionKind, ...]) -> dict[str, Any]:
    references = [{"$ref": f"#/$defs/{kind.name}"} for kind in kinds]
    if all(kind.required for kind in kinds):
        # Each exactly once, in this order.
        return {"type": "array", "prefixItems": references, "items": False, "minItems": len(kinds)}
    return {"type": "array", "items": {"anyOf": references}, "maxItems": len(kinds)}


def _section(kind: SectionKind) -> dict[str, Any]:
    made: dict[str, Any] = _as_written(kind.model.model_json_schema())
    made.pop("$defs", None)
    made["description"] = made.get("description", "").partition("\n")[0]
    made["x-heading"] = f"## {kind.heading}: …"
    made["required"] = sorted({*made.get("required", ()), "kind"})
    made["properties"].pop("line", None)
    for plan in plan_of(kind.model).fields:
        made["properties"][plan.name]["x-written"] = plan.written()
    return made


def _as_written(schema: Any) -> Any:
    """`schema` with every reference to prose replaced by text."""
    if isinstance(schema, list):
        return [_as_written(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("$ref") == _PROSE_REFERENCE:
        return dict(_MARKDOWN)
    return {key: _as_written(value) for key, value in schema.items()}
