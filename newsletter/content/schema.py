"""What may an issue hold, as a JSON Schema that editors and other programs read?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema

from newsletter.content.fields import plan_of
from newsletter.model.issue import DEFAULT_KINDS, FrontMatter, Prose, SectionKind

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _AsWritten(GenerateJsonSchema):
    """Prose is a string to whoever writes it; where it stands is not part of the format."""

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        if schema.get("cls") is Prose:
            return {"type": "string", "contentMediaType": "text/markdown"}
        return super().dataclass_schema(schema)

    def generate(self, schema: CoreSchema, mode: Any = "validation") -> JsonSchemaValue:
        made = super().generate(schema, mode)
        made.pop("$defs", None) if not _refers(made) else None
        return made


def _refers(schema: Any) -> bool:
    """Whether anything in a schema points into its definitions."""
    if isinstance(schema, Mapping):
        return "$ref" in schema or any(_refers(v) for key, v in schema.items() if key != "$defs")
    return isinstance(schema, list) and any(_refers(v) for v in schema)


def issue_schema(kinds: tuple[SectionKind, ...] = DEFAULT_KINDS) -> dict[str, Any]:
    """The schema of an issue of this newsletter: `frontMatter` and, in order, `sections`."""
    front = FrontMatter.model_json_schema(schema_generator=_AsWritten)
    definitions = {kind.name: _section(kind) for kind in kinds}
    return {
        "$schema": _DIALECT,
        "title": "Issue",
        "type": "object",
        "properties": {
            "frontMatter": front,
            "intro": {"type": "string", "contentMediaType": "text/markdown"},
            "sections": _sections(kinds),
        },
        "required": ["frontMatter", "sections"],
        "$defs": definitions,
    }


def _sections(kinds: tuple[SectionKind, ...]) -> dict[str, Any]:
    references = [{"$ref": f"#/$defs/{kind.name}"} for kind in kinds]
    if all(kind.required for kind in kinds):
        # Each exactly once, in this order.
        return {"type": "array", "prefixItems": references, "items": False, "minItems": len(kinds)}
    return {"type": "array", "items": {"anyOf": references}, "maxItems": len(kinds)}


def _section(kind: SectionKind) -> dict[str, Any]:
    made = kind.model.model_json_schema(schema_generator=_AsWritten)
    made["description"] = made.get("description", "").partition("\n")[0]
    made["x-heading"] = f"## {kind.heading}: …"
    made["properties"].pop("line", None)
    for plan in plan_of(kind.model).fields:
        made["properties"][plan.name]["x-written"] = plan.written()
    return made
