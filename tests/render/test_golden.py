"""What readers see of one small issue, as files to review: `--update-golden` rewrites them."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.render.slots import TOKEN
from tests.render.rendering import SAMPLE, read, renderer

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("form", ["html", "txt"])
def test_the_sample_looks_as_reviewed(form: str, request: pytest.FixtureRequest) -> None:
    result = renderer().render(read(SAMPLE))
    assert result.diagnostics == ()
    # A slot's number says nothing to a reviewer: its field does.
    written = TOKEN.sub(
        lambda match: f"{{{{ {result.slots.entry(int(match[1]))[0]} }}}}",
        result.html if form == "html" else result.text,
    )
    file = GOLDEN / f"sample.{form}"
    if request.config.getoption("--update-golden"):
        file.write_text(written, "utf-8")
    assert written == file.read_text("utf-8"), (
        "look at the difference; if it is meant, run pytest --update-golden"
    )
