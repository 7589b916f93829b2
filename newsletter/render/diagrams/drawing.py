"""How does a diagram's source become a PNG? In another process, which is ended when it takes too long."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from newsletter.render import fonts
from newsletter.render.diagrams.drawers import drawer
from newsletter.render.diagrams.look import SHARPNESS, Look, dot_attributes, mermaid_variables
from newsletter.render.diagrams.outcome import Drawn, Undrawn
from newsletter.render.diagrams.source import MOST_CHARACTERS, Language

SECONDS: Final = 10

# Distinct characters that are looked for in the machine's fonts.
_MOST_FOREIGN = 400
# CSS pixels, of a picture that nobody scrolls through.
_MOST_PIXELS = 4_000_000
# Nothing is imported from the folder one is in, where anything may lie.
_PYTHON = (sys.executable, "-P")
# dot's own words: `Error: <stdin>: syntax error in line 3 near '->'`.
_DOT_LINE = re.compile(r"\bline (\d+)")
_DOT_ERROR = re.compile(r"^Error: (?:<stdin>: )?(.+)$", re.MULTILINE)
_FONTS_CONF = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}</dir><cachedir>{cache}</cachedir>{others}</fontconfig>
"""
_OTHER_FONTS = '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'


def draw(language: Language, source: str, look: Look, widest: int) -> Drawn | Undrawn:
    """The diagram at twice its size, or where it is wider, as wide as `widest` CSS pixels take.

    The same source gives the same bytes, whatever fonts the machine has; with `dot`, as long as that is the same.
    """
    if len(source) > MOST_CHARACTERS:
        return Undrawn("ended", f"it has {len(source):,} characters, more than {MOST_CHARACTERS:,}")
    return _mermaid(source, look, widest) if language == "mermaid" else _dot(source, look, widest)


def _mermaid(source: str, look: Look, widest: int) -> Drawn | Undrawn:
    if not drawer("mermaid"):
        return Undrawn("missing", "merman, resvg-py and Pillow")
    request = {
        "source": source,
        "seconds": SECONDS,
        "family": fonts.FAMILY,
        "fonts": [str(fonts.REGULAR), str(fonts.SEMI_BOLD)],
        "variables": mermaid_variables(look, fonts.FAMILY),
        "ground": look.ground,
        "sharpness": SHARPNESS,
        "widest": widest,
        "most_pixels": _MOST_PIXELS,
        "foreign": "".join(sorted(set(fonts.FOREIGN.findall(source)))[:_MOST_FOREIGN]),
    }
    # The other process finds packages where this one does, however that was arranged.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [*_PYTHON, "-m", "newsletter.render.diagrams.worker"]
    done = _run(command, json.dumps(request).encode(), environment)
    if isinstance(done, Undrawn):
        return done
    head, _, png = done.stdout.partition(b"\n")
    try:
        answer: dict[str, Any] = json.loads(head)
    except ValueError:
        return Undrawn("ended", "drawing it took too much time or memory")
    if "missing" in answer:
        return Undrawn("missing", str(answer["missing"]))
    if "ended" in answer:
        return Undrawn("ended", str(answer["ended"]))
    if "message" in answer:
        return Undrawn("mistake", str(answer["message"]), int(answer["line"]))
    return Drawn(png, float(answer["width"]), float(answer["height"]), str(answer["lacking"]))


def _dot(source: str, look: Look, widest: int) -> Drawn | Undrawn:
    program = drawer("dot")
    if not program:
        return Undrawn("missing", "Graphviz")
    with tempfile.TemporaryDirectory(prefix="newsletter-dot-") as folder:
        conf = Path(folder, "fonts.conf")
        conf.write_text(
            _FONTS_CONF.format(
                folder=fonts.REGULAR.parent,
                cache=folder,
                # What the typeface lacks, the machine's fonts may have; nothing else may come from them.
                others=_OTHER_FONTS if fonts.FOREIGN.search(source) else "",
            ),
            "utf-8",
        )
        # SERVER_NAME makes Graphviz open no file that a diagram names (graphviz.org/doc/info/command.html).
        environment = {
            **os.environ,
            "FONTCONFIG_FILE": str(conf),
            "SERVER_NAME": "newsletter",
            "GV_FILE_PATH": "",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        drawn = _dot_at(program, source, look, environment, 1.0)
        if isinstance(drawn, Drawn) and drawn.width > widest:
            smaller = _dot_at(program, source, look, environment, widest / drawn.width)
            if isinstance(smaller, Drawn):
                return Drawn(smaller.png, drawn.width, drawn.height)
            return smaller
        return drawn


def _dot_at(
    program: str, source: str, look: Look, environment: dict[str, str], scale: float
) -> Drawn | Undrawn:
    limited = (
        "import os,sys; from newsletter.render.diagrams.worker import limit; "
        "limit(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
    )
    command = [
        *(
            *_PYTHON,
            "-c",
            limited,
            str(SECONDS),
            program,
            "-Tpng",
            f"-Gdpi={96 * SHARPNESS * scale:.2f}",
        ),
        *dot_attributes(look, fonts.FAMILY),
    ]
    done = _run(command, source.encode(), environment)
    if isinstance(done, Undrawn):
        return done
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0 or not done.stdout.startswith(b"\x89PNG"):
        error, line = _DOT_ERROR.search(said), _DOT_LINE.search(said)
        if done.returncode < 0 or "memory" in said:
            return Undrawn("ended", "drawing it took too much time or memory")
        return Undrawn(
            "mistake", error[1] if error else "dot draws nothing of it", int(line[1]) if line else 0
        )
    wide, high = struct.unpack(">II", done.stdout[16:24])
    width, height = wide / SHARPNESS, high / SHARPNESS
    if width * height > _MOST_PIXELS:
        return Undrawn("ended", f"it would be {width:.0f} by {height:.0f} pixels large")
    return Drawn(done.stdout, width, height)


def _run(
    command: list[str], given: bytes, environment: dict[str, str]
) -> subprocess.CompletedProcess[bytes] | Undrawn:
    try:
        return subprocess.run(  # noqa: S603 - our own program, or Graphviz'; the source is its input
            command, input=given, capture_output=True, timeout=SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return Undrawn("ended", f"drawing it took longer than {SECONDS} seconds")
    except OSError as error:
        return Undrawn("ended", f"nothing could be started to draw it: {error.strerror}")
