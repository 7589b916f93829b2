"""Draws one diagram, in a process of its own: reads a JSON object, writes one line of JSON and the PNG.

Started as `python -m newsletter.render.diagrams.worker`. The answer's line says what came of it: `width` and
`height` in CSS pixels; or `message` and `line` of what is wrong in the source; or `ended`, why nobody
could look at it; or `missing`, a package.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

# Of address space; the drawing of a large diagram takes a tenth of it.
_MEMORY = 2 << 30
_PADDING = 16  # CSS pixels around the drawing
_ROOT = re.compile(r"<svg\b[^>]*>")
_BOX = re.compile(r'viewBox="([-\d.eE]+)[ ,]+([-\d.eE]+)[ ,]+([-\d.eE]+)[ ,]+([-\d.eE]+)"')
_BOLD = frozenset(("bold", "bolder", "600", "700", "800", "900"))


def limit(seconds: int) -> None:
    """Let the system end this process, and whatever it becomes, when it takes too much."""
    try:
        import resource
    except ImportError:  # not on Windows; the caller's own clock ends it there
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin.buffer)
    limit(request["seconds"])
    try:
        answer, png = _drawn(request)
    except ImportError as error:
        answer, png = {"missing": error.name or "merman"}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + png)


def _drawn(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    import merman
    import resvg_py
    from PIL import ImageFont

    regular, bold = (
        ImageFont.truetype(path, 100, layout_engine=ImageFont.Layout.BASIC) for path in request["fonts"]
    )

    foreign = frozenset(request["foreign"])

    class Measure(merman.MermanTextMeasurer):  # type: ignore[misc]  # merman has no types
        """Text as wide as the bundled typeface sets it: merman's own guess cuts labels off."""

        def measure(self, request: merman.MermanTextMeasureRequest) -> merman.MermanTextMeasureResult | None:
            return _measured(
                merman, request, bold if (request.font_weight or "") in _BOLD else regular, foreign
            )

    options = json.dumps(
        {
            "svg": {"pipeline": "resvg-safe"},
            "resources": {"profile": "constrained"},
            # What grows with its container, such as a Gantt chart, is made for the column.
            "layout": {"container_width": request["widest"] - 2 * _PADDING},
            "site_config": {
                "theme": "base",
                "look": "classic",
                "fontFamily": request["family"],
                "themeVariables": request["variables"],
            },
        }
    )
    engine = merman.MermanEngine(options, merman.MermanEngineServices().with_text_measurer(Measure()))
    source = request["source"]
    try:
        svg = engine.render_svg(source, None)
    except merman.MermanError as error:
        message = str(getattr(error, "message", error))
        if "resource limit" in message:
            return {"ended": "it is too large to be laid out"}, b""
        return _mistake(engine, merman, source, message), b""
    svg, width, height = _framed(svg)
    if not width or width * height > request["most_pixels"]:
        return {"ended": f"it would be {width:.0f} by {height:.0f} pixels large"}, b""
    families = dict.fromkeys(
        ("font_family", "sans_serif_family", "serif_family", "monospace_family"), request["family"]
    )
    # What the typeface lacks, the machine's fonts may have; nothing else may come from them.
    common = {"skip_system_fonts": not request["foreign"], "font_files": request["fonts"], **families}
    zoom = request["sharpness"] * min(1, request["widest"] / width)
    png = resvg_py.svg_to_bytes(svg_string=svg, background=request["ground"], zoom=zoom, **common)
    lacking = _lacking(request["foreign"], lambda page: resvg_py.svg_to_bytes(svg_string=page, **common))
    return {"width": width, "height": height, "lacking": lacking}, bytes(png)


def _lacking(characters: str, drawn: Callable[[str], bytes]) -> str:
    """Those of `characters` that no font here has: they are drawn as the same box as what is no character at all."""
    if not characters:
        return ""
    from io import BytesIO

    from PIL import Image

    cells = [*characters, "\U0001fffd"]
    text = "".join(
        f'<text x="8" y="{32 * at + 24}" font-size="20">{one}</text>' for at, one in enumerate(cells)
    )
    page = f'<svg xmlns="http://www.w3.org/2000/svg" width="48" height="{32 * len(cells)}">{text}</svg>'
    with Image.open(BytesIO(bytes(drawn(page)))) as picture:
        *each, box = (picture.crop((0, 32 * at, 48, 32 * at + 32)).tobytes() for at in range(len(cells)))
    return "".join(one for one, cell in zip(characters, each, strict=True) if cell == box)


def _measured(merman: Any, request: Any, font: Any, foreign: frozenset[str]) -> Any:
    """What merman asks for, where it is a width or a label's size; it knows the rest itself."""
    operation = request.operation.name
    lines = request.text.split("\n")

    def wide(text: str) -> float:
        if foreign.isdisjoint(text):
            return float(font.getlength(text)) * float(request.font_size) / 100
        known = "".join(character for character in text if character not in foreign)
        others = sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.65 for c in text if c in foreign)
        return (float(font.getlength(known)) / 100 + others) * float(request.font_size)

    kinds = merman.MermanTextMeasurementResultKind
    empty = {"bbox_left": None, "bbox_right": None, "raw_width": None}
    width = max(map(wide, lines))
    if operation.endswith("WIDTH") or operation == "COMPUTED_LENGTH":
        return merman.MermanTextMeasureResult(
            result_kind=kinds.LENGTH, width=0.0, height=0.0, length=width, line_count=0, **empty
        )
    if operation not in {"WRAPPED", "MEASURE", "MERMAID_CALCULATE_TEXT_DIMENSIONS"}:
        return None
    if request.max_width and width > request.max_width:
        lines = [part for line in lines for part in _wrapped(line, request.max_width, wide)]
        width = max(map(wide, lines))
    return merman.MermanTextMeasureResult(
        result_kind=kinds.METRICS,
        width=width,
        height=len(lines) * float(request.line_height),
        length=0.0,
        line_count=len(lines),
        **empty,
    )


def _wrapped(text: str, most: float, wide: Any) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and wide(longer) > most:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _mistake(engine: Any, merman: Any, source: str, message: str) -> dict[str, Any]:
    """What is wrong in the source, and in which line, from 1; 0 where nobody knows."""
    try:
        findings = json.loads(engine.analyze_json(source, None))["diagnostics"]
    except (merman.MermanError, ValueError, KeyError):
        findings = []
    worst = next((found for found in findings if found.get("severity") == "error"), None)
    if worst is None:
        return {"message": message, "line": 0}
    return {"message": worst["message"], "line": (worst.get("span") or {}).get("line", 0)}


def _framed(svg: str) -> tuple[str, float, float]:
    """The drawing with a margin, as large as it says it is; 0 by 0 where it doesn't say."""
    root = _ROOT.search(svg)
    box = _BOX.search(root[0]) if root else None
    if root is None or box is None:
        return svg, 0, 0
    left, top, width, height = (float(box[at]) for at in (1, 2, 3, 4))
    width, height = width + 2 * _PADDING, height + 2 * _PADDING
    tag = re.sub(r'\s(?:width|height|style)="[^"]*"', "", root[0])
    tag = _BOX.sub(f'viewBox="{left - _PADDING} {top - _PADDING} {width} {height}"', tag)
    tag = f'{tag[:-1]} width="{width}" height="{height}">'
    return svg[: root.start()] + tag + svg[root.end() :], width, height


if __name__ == "__main__":
    main()
