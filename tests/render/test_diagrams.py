"""Diagrams: drawn alike everywhere, readable, ended in time; what is wrong is said at its line."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from newsletter.model.publication import Theme
from newsletter.render import fonts
from newsletter.render.colour import READABLE, contrast
from newsletter.render.diagrams import drawers, drawing
from newsletter.render.diagrams.drawers import drawer
from newsletter.render.diagrams.drawing import draw
from newsletter.render.diagrams.look import look_of, mermaid_variables
from newsletter.render.diagrams.outcome import Drawn, Undrawn
from newsletter.render.diagrams.source import alternative_text, blocks, faint, place_in, sideways
from newsletter.render.email import RenderedIssue
from newsletter.render.images import COLUMN
from newsletter.render.workshop import Diagram, Workshop
from tests.conftest import missing
from tests.render.rendering import issue, renderer

FLOW = """\
%% alt: A query goes to two indexes, whose ranks are fused.
flowchart TD
  Q[Query] --> B[BM25 index]
  Q --> V[Vector index]
  B -->|top 50| F{Fuse ranks}
  V -->|top 50| F
"""
DOT = '// alt: Two steps.\ndigraph { Write -> Send [label="when ready"] }\n'
LOOK = look_of(Theme())


@pytest.fixture(scope="module")
def mermaid() -> None:
    if not drawer("mermaid"):
        missing("merman")


@pytest.fixture(scope="module")
def dot() -> None:
    if not drawer("dot"):
        missing("dot")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """One for the module: what is drawn twice is drawn once."""
    return Workshop(tmp_path_factory.mktemp("pictures"), Theme(), COLUMN)


def mail(workshop: Workshop, concept: str, **changes: object) -> RenderedIssue:
    return renderer(workshop=workshop, **changes).render(issue(concept=concept))


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.usefixtures("mermaid")
def test_a_mermaid_block_is_a_sharp_picture_in_the_mail_with_its_words(workshop: Workshop) -> None:
    result = mail(workshop, f"Before.\n\n```mermaid\n{FLOW}```\n\nAfter.")
    assert result.diagnostics == ()
    (image,) = result.images
    shown = LexborHTMLParser(result.html).css_first(".figure img")
    assert shown is not None
    assert shown.attributes["src"] == f"cid:{image.content_id}"
    assert shown.attributes["alt"] == "A query goes to two indexes, whose ranks are fused."
    assert abs(size(image.data)[0] - 2 * int(shown.attributes["width"] or 0)) <= 2
    assert "height" not in shown.attributes, "without pictures there are words, not a hole"
    assert "[Image: A query goes to two indexes, whose ranks are fused.]" in result.text
    assert "flowchart" not in result.html + result.text


@pytest.mark.usefixtures("mermaid")
def test_a_diagram_in_a_list_is_a_picture_too_and_code_without_a_workshop(workshop: Workshop) -> None:
    indented = FLOW.replace("\n", "\n  ").rstrip()
    listed = f"- First:\n\n  ```mermaid\n  {indented}\n  ```\n\n- Second"
    result = mail(workshop, listed)
    assert result.diagnostics == ()
    assert len(result.images) == 1
    item = LexborHTMLParser(result.html).css_first("li .figure img")
    assert item is not None
    # The site finds it in a text that it doesn't convert, and gives it the same name.
    ((language, source),) = blocks(listed)
    drawn = workshop.draw(language, source)
    assert isinstance(drawn, Diagram)
    assert drawn.name == result.images[0].filename
    code = LexborHTMLParser(renderer().render(issue(concept=listed)).html).css_first("li pre")
    assert code is not None
    assert code.text().strip().splitlines()[0].startswith("%% alt:")


@pytest.mark.usefixtures("dot")
def test_a_dot_block_is_a_sharp_picture_with_its_words(workshop: Workshop) -> None:
    result = mail(workshop, f"```dot\n{DOT}```")
    assert result.diagnostics == ()
    assert 'alt="Two steps."' in result.html
    assert len(result.images) == 1


@pytest.mark.usefixtures("mermaid", "dot")
def test_the_same_source_gives_the_same_bytes_wherever_it_is_drawn(
    workshop: Workshop, tmp_path: Path
) -> None:
    elsewhere = Workshop(tmp_path, Theme(), COLUMN)
    for language, source in (("mermaid", FLOW), ("dot", DOT)):
        assert language in {"mermaid", "dot"}
        here, there = (shop.draw(language, source) for shop in (workshop, elsewhere))  # type: ignore[arg-type]  # one of the two
        assert isinstance(here, Diagram)
        assert isinstance(there, Diagram)
        assert (here.name, here.data) == (there.name, there.data)


@pytest.mark.usefixtures("mermaid")
def test_what_was_drawn_is_not_drawn_again_and_a_damaged_copy_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Workshop(tmp_path, Theme(), COLUMN)
    first = shop.draw("mermaid", FLOW)
    assert isinstance(first, Diagram)
    assert first.file is not None
    # Without a program to start, only what is kept can come.
    with monkeypatch.context() as patch:
        patch.setattr(drawing, "_PYTHON", ("/nowhere",))
        assert Workshop(tmp_path, Theme(), COLUMN).draw("mermaid", FLOW) == first
        assert isinstance(shop.draw("mermaid", FLOW + "  V --> A\n"), Undrawn)
    first.file.with_suffix(".json").write_text("half a fi", "utf-8")
    assert shop.draw("mermaid", FLOW) == first
    assert not list(tmp_path.glob(".*")), "nothing half written is left"


@pytest.mark.usefixtures("mermaid")
def test_another_accent_is_another_picture(workshop: Workshop, tmp_path: Path) -> None:
    red = Workshop(tmp_path, Theme(accent="#a01818"), COLUMN).draw("mermaid", FLOW)
    blue = workshop.draw("mermaid", FLOW)
    assert isinstance(red, Diagram)
    assert isinstance(blue, Diagram)
    assert red.name != blue.name


@pytest.mark.usefixtures("mermaid")
def test_a_folder_that_cannot_be_written_costs_time_and_no_picture(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("in the way", "utf-8")
    drawn = Workshop(tmp_path / "pictures", Theme(), COLUMN).draw("mermaid", FLOW)
    assert isinstance(drawn, Diagram)
    assert drawn.file is None


@pytest.mark.parametrize(
    "theme", [Theme(), Theme(accent="#ffd400"), Theme(accent="#000000"), Theme(accent="#ff00ff")]
)
def test_all_that_is_text_reads_on_all_it_can_stand_on(theme: Theme) -> None:
    look = look_of(theme)
    grounds = (look.ground, look.box, look.group, look.note, look.accent_soft)
    assert min(contrast(look.text, ground) for ground in grounds) >= READABLE
    variables = mermaid_variables(look, "Inter")
    texts = {value for name, value in variables.items() if name.endswith(("TextColor", "Label1"))}
    assert texts == {look.text}


@pytest.mark.usefixtures("mermaid")
def test_a_wide_diagram_is_as_wide_as_the_column_and_hints_at_running_down(workshop: Workshop) -> None:
    steps = " --> ".join(f"S{n}[A step with a name]" for n in range(6))
    result = mail(workshop, f"```mermaid\n%% alt: Six steps.\nflowchart LR\n  {steps}\n```")
    assert size(result.images[0].data)[0] <= 2 * COLUMN + 1
    assert f'width="{COLUMN}"' in result.html
    (found,) = result.diagnostics
    assert (found.code, found.severity, found.line) == ("NL464", "warning", 12)
    assert found.help == "let it run down: `TD` instead of `LR`"
    assert mail(workshop, f"```mermaid\n{FLOW}```").diagnostics == ()


@pytest.mark.usefixtures("dot")
@pytest.mark.parametrize(
    ("source", "reason", "line"),
    [
        ("digraph {\n  A -> B\n  C -> ;\n}", "mistake", 3),
        ("", "mistake", 0),
        ("no graph at all", "mistake", 1),
        ("x" * 20_001, "ended", 0),
    ],
)
def test_what_is_no_dot_is_said_with_its_line(source: str, reason: str, line: int) -> None:
    undrawn = draw("dot", source, LOOK, COLUMN)
    assert isinstance(undrawn, Undrawn)
    assert (undrawn.reason, undrawn.line) == (reason, line)
    assert undrawn.message


@pytest.mark.usefixtures("dot")
def test_a_diagram_opens_no_file(tmp_path: Path) -> None:
    drawn = draw("dot", DOT, LOOK, COLUMN)
    assert isinstance(drawn, Drawn)
    secret = tmp_path / "secret.png"
    secret.write_bytes(drawn.png)
    with_file = draw("dot", f'digraph {{ A [label="", image="{secret}"] }}', LOOK, COLUMN)
    without = draw("dot", 'digraph { A [label=""] }', LOOK, COLUMN)
    assert isinstance(with_file, Drawn)
    assert with_file == without


@pytest.mark.usefixtures("dot")
def test_a_diagram_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "SECONDS", 1)
    nodes = " ".join(f"n{number}" for number in range(1000))
    undrawn = draw("dot", f"digraph {{ {{ {nodes} }} -> {{ {nodes} }} }}", LOOK, COLUMN)
    assert isinstance(undrawn, Undrawn)
    assert undrawn.reason == "ended"


@pytest.mark.parametrize("language", ["mermaid", "dot"])
def test_where_nothing_can_draw_it_the_block_stays_code_with_a_warning(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawers, "_PACKAGES", ("a_package_nobody_has",))
    monkeypatch.setenv("PATH", str(tmp_path))
    source = {"mermaid": FLOW, "dot": DOT}[language]
    shop = Workshop(tmp_path, Theme(), COLUMN)
    result = mail(shop, f"Before.\n\n```{language}\n{source}```")
    (found,) = result.diagnostics
    assert (found.code, found.severity, found.line, found.column) == ("NL460", "info", 14, 1)
    assert "install" in found.help
    assert result.images == ()
    assert "code-cell" in result.html
    words = LexborHTMLParser(result.html).text()
    assert ("Fuse ranks" if language == "mermaid" else "when ready") in words


def test_without_a_workshop_a_block_is_code_without_a_word() -> None:
    result = renderer().render(issue(concept=f"```mermaid\n{FLOW}```"))
    assert result.diagnostics == ()
    assert "Fuse ranks" in LexborHTMLParser(result.html).text()


@pytest.mark.usefixtures("mermaid")
def test_a_mistake_is_found_at_its_line_although_tabs_became_spaces(workshop: Workshop) -> None:
    result = mail(
        workshop, "Before.\n\n```mermaid\n%% alt: x\nflowchart TD\n\tA --> B\n\tC[unclosed\n\tD --> E\n```"
    )
    (found,) = result.diagnostics
    assert (found.code, found.severity, found.line, found.column) == ("NL462", "error", 18, 2)


@pytest.mark.usefixtures("mermaid")
def test_no_source_breaks_more_than_its_own_block(workshop: Workshop) -> None:
    nasty = [
        "",
        "\x00",
        'flowchart TD\n  A["<script>alert(1)</script>"] --> B',
        "flowchart TD\n" + "subgraph s\n" * 300,
        "%%{init: {'theme':'dark'}}%%\nflowchart TD\n  A --> B",
        "flowchart TD\n  A[עברית] --> B[日本語] --> C[🎉]",
    ]
    for source in nasty:
        drawn = workshop.draw("mermaid", source)
        assert isinstance(drawn, (Diagram, Undrawn)), source
        if isinstance(drawn, Diagram):
            assert size(drawn.data)


@pytest.mark.usefixtures("mermaid", "dot")
def test_letters_that_no_font_has_are_a_warning_and_those_of_the_machine_are_borrowed(
    workshop: Workshop,
) -> None:
    # A script that was never printed: Unicode has it, and no machine that tests.
    result = mail(
        workshop, "```mermaid\n%% alt: x\nflowchart TD\n  A[\U00016ea0\U00016ea1] --> B[plain]\n```"
    )
    (found,) = result.diagnostics
    assert (found.code, found.severity, found.line) == ("NL470", "warning", 12)
    assert "\U00016ea0" in found.message
    assert fonts.FOREIGN.search("Größe Ελλάδα Привет → ≥ “x” – ₂ 10 €") is None
    assert isinstance(draw("dot", 'digraph { "שלום" }', LOOK, COLUMN), Drawn)


def test_words_directions_and_colours_are_read_from_the_source() -> None:
    assert alternative_text("mermaid", "flowchart TD\n  %% alt:  Two  words \n") == "Two  words"
    assert alternative_text("mermaid", "flowchart TD\n  accDescr: Said so\n") == "Said so"
    assert alternative_text("dot", "digraph {\n # alt: A hash\n}") == "A hash"
    assert alternative_text("dot", "digraph { a }") == ""
    assert sideways("mermaid", "flowchart RL\n A-->B") == "RL"
    assert sideways("mermaid", "flowchart TD\n A-->B") == ""
    assert sideways("dot", 'digraph { rankdir="LR" }') == "LR"
    bad = faint(
        "dot", 'digraph { A [fillcolor="#333333"]; B [fillcolor="#eeeeee"] }', text="#1c2024", fill="#ffffff"
    )
    assert [found.message for found in bad] == ["#1c2024 on #333333 has a contrast of 1.3, less than 4.5"]
    assert (
        faint("mermaid", "flowchart TD\n style A fill:#fff,color:#000", text="#000000", fill="#ffffff") == []
    )


def test_blocks_are_those_that_are_drawn() -> None:
    text = f"```mermaid\n{FLOW}```\n\n```python\nmermaid = 'dot'\n```\n\n~~~dot\n{DOT}~~~\n"
    assert blocks(text) == [("mermaid", FLOW), ("dot", DOT)]
    assert place_in(text, 0, DOT, 0) == (text.index("~~~dot"), text.index("~~~dot") + 6)
    assert place_in(text, 0, "not there", 1) is None


@pytest.mark.usefixtures("mermaid")
def test_the_drawing_process_finds_what_this_one_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a test runner, or a program that put the package on its path by hand.
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "merman.py").write_text("raise SystemExit('the wrong one')", "utf-8")
    assert isinstance(draw("mermaid", "flowchart TD\n A-->B", LOOK, COLUMN), Drawn)
