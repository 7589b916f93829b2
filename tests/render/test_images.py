"""Pictures: which file, how wide, how they travel, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import struct
import zlib
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from newsletter.render.email import RenderedIssue
from newsletter.render.images import image_size, shown_width
from tests.render.rendering import PUBLICATION, issue, renderer


def png(width: int, height: int = 4) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


GIF = b"GIF89a" + struct.pack("<HH", 300, 20) + b"\x80\0\0" + b"\0" * 6 + b";"
# SOI, an APP0 segment, fill bytes, a progressive frame header.
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    b"\xff\xff\xc2\x00\x11\x08" + struct.pack(">HH", 480, 640) + b"\x03" + b"\0" * 9 + b"\xff\xd9"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "letter" / "issues" / "images").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(png(10))
    return tmp_path / "letter"


def render(home: Path, intro: str, **changes: object) -> RenderedIssue:
    return renderer(**changes).render(issue(intro, path=home / "issues" / "007-test.md"))


def codes(result: RenderedIssue) -> list[str]:
    return [diagnostic.code for diagnostic in result.diagnostics]


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(1072, 1016), ("png", 1072, 1016)),
        (GIF, ("gif", 300, 20)),
        (JPEG, ("jpeg", 640, 480)),
        (b"<svg/>", None),
        (b"RIFF\0\0\0\0WEBP", None),
        (b"\xff\xd8\xff", None),
        (b"\xff\xd8garbage, garbage", None),
        (b"\xff\xd8\xff\xe0\x00\x00" + b"\0" * 30, None),
        (b"", None),
    ],
)
def test_the_size_is_read_from_the_first_bytes(data: bytes, size: tuple[str, int, int] | None) -> None:
    assert image_size(data) == size


@pytest.mark.parametrize(("natural", "shown"), [(120, 120), (536, 536), (600, 300), (1072, 536), (4000, 536)])
def test_a_picture_wider_than_the_column_is_meant_for_sharp_screens(natural: int, shown: int) -> None:
    assert shown_width(natural) == shown


def test_an_attached_picture_is_named_by_its_content(home: Path) -> None:
    data = png(1072)
    (home / "issues" / "images" / "flow chart.png").write_bytes(data)
    result = render(home, '![The flow](images/flow%20chart.png "How it flows.")')
    (image,) = result.images
    assert image.filename == f"flow-chart-{hashlib.sha256(data).hexdigest()[:8]}.png"
    assert image.content_id == f"{image.filename}@example.com"
    assert (image.media_type, image.data) == ("image/png", data)
    shown = LexborHTMLParser(result.html).css_first(".figure img")
    assert shown is not None
    assert shown.attributes["src"] == f"cid:{image.content_id}"
    assert (shown.attributes["width"], shown.attributes["alt"]) == ("536", "The flow")
    assert "title" not in shown.attributes
    caption = LexborHTMLParser(result.html).css_first(".caption")
    assert caption is not None
    assert caption.text() == "How it flows."
    assert codes(result) == []


def test_the_same_picture_twice_travels_once(home: Path) -> None:
    (home / "issues" / "a.png").write_bytes(png(100))
    result = render(home, "![One](a.png)\n\nand ![two](a.png) inline")
    assert len(result.images) == 1
    assert result.html.count(f'src="cid:{result.images[0].content_id}"') == 2


def test_a_linked_picture_is_named_alike_and_does_not_travel(home: Path) -> None:
    (home / "issues" / "a.png").write_bytes(png(100))
    attached = render(home, "![One](a.png)").images[0].filename
    result = render(home, "![One](a.png)", images="link")
    assert result.images == ()
    assert f'src="https://notes.example.com/assets/{attached}"' in result.html


def test_linking_without_an_address_is_an_error(home: Path) -> None:
    (home / "issues" / "a.png").write_bytes(png(100))
    alone = dataclasses.replace(PUBLICATION, base_url="")
    result = render(home, "![One](a.png)", images="link", publication=alone)
    assert codes(result) == ["NL408"]
    assert "<img" not in result.html


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("missing.png", "NL403"),
        ("images", "NL403"),
        ("../../secret.png", "NL404"),
        ("/etc/passwd", "NL404"),
        ("drawing.svg", "NL405"),
        ("https://example.com/x.png", "NL409"),
    ],
)
def test_a_picture_that_cannot_be_used_is_a_finding_with_its_line(home: Path, source: str, code: str) -> None:
    (home / "issues" / "drawing.svg").write_text("<svg/>")
    result = render(home, f"Before.\n\nText ![The words]({source}) after.")
    (finding,) = result.diagnostics
    assert (finding.code, finding.line, finding.column) == (code, 10, 19)
    assert "The words" in result.html
    for shown in LexborHTMLParser(result.html).css("img"):
        assert shown.attributes["src"] == "https://example.com/x.png", "never a broken path"


def test_a_link_in_the_file_system_does_not_lead_out_of_the_folder(home: Path) -> None:
    (home / "issues" / "a.png").symlink_to(home.parent / "secret.png")
    assert codes(render(home, "![One](a.png)")) == ["NL404"]


def test_a_picture_that_changes_appears_or_goes_is_noticed(home: Path) -> None:
    shared = renderer()
    letter = issue("![One](a.png)", path=home / "issues" / "007-test.md")
    file = home / "issues" / "a.png"
    assert codes(shared.render(letter)) == ["NL403"]
    file.write_bytes(png(100))
    first = shared.render(letter)
    assert codes(first) == []
    file.write_bytes(png(200))
    second = shared.render(letter)
    assert first.images[0].filename != second.images[0].filename
    assert re.search(r'width="200"', second.html)
    file.unlink()
    assert codes(shared.render(letter)) == ["NL403"]
