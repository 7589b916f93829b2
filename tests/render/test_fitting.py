"""Pictures as readers need them: upright, narrow enough, without where they were taken; and no file that hurts."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest

from newsletter.model.publication import Theme
from newsletter.render import fitting
from newsletter.render.email import RenderedIssue
from newsletter.render.images import COLUMN, Pictures, image_size
from newsletter.render.workshop import Workshop
from tests.conftest import missing
from tests.render.rendering import issue, renderer

pil: ModuleType | None
try:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo
except ImportError:
    pil = None
else:
    pil = sys.modules["PIL"]

SECRET = b"48.8584 N, 2.2945 E"


@pytest.fixture(autouse=True)
def pillow() -> None:
    if pil is None:
        missing("Pillow")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "issues").mkdir()
    return tmp_path


def render(home: Path, source: str = "p.jpg", **changes: object) -> RenderedIssue:
    shop = Workshop(home / ".newsletter" / "pictures", Theme(), COLUMN)
    path = home / "issues" / "001-x.md"
    return renderer(workshop=shop, **changes).render(issue(f"![It]({source})", path=path))


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    into = BytesIO()
    picture.save(into, form, **options)
    return into.getvalue()


def photograph(width: int, height: int, orientation: int = 1) -> bytes:
    """Red above, blue below, with a place in its Exif."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (0, height // 2, width, height))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, SECRET.decode()
    return saved(picture, "JPEG", exif=exif, comment=SECRET, quality=90)


def opened(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


def test_a_photograph_leaves_upright_narrow_and_without_its_place(home: Path) -> None:
    (home / "issues" / "p.jpg").write_bytes(photograph(1500, 2000, orientation=6))
    result = render(home)
    assert result.diagnostics == ()
    (image,) = result.images
    assert SECRET not in image.data
    picture = opened(image.data)
    assert (picture.format, picture.size) == ("JPEG", (1200, 900))
    # Turned by 90 degrees: what was above is to the right.
    assert [picture.getpixel((x, 450))[::2] for x in (50, 1150)] == [  # type: ignore[index]  # RGB has a tuple
        pytest.approx((0, 255), abs=12),
        pytest.approx((255, 0), abs=12),
    ]
    assert 'width="536"' in result.html


def test_remarks_are_taken_out_without_touching_a_pixel() -> None:
    jpeg = photograph(400, 300)
    info = PngInfo()
    info.add_text("Comment", SECRET.decode())
    png = saved(Image.new("RGB", (40, 30), "green"), "PNG", pnginfo=info)
    for data, form in ((jpeg, "jpeg"), (png, "png")):
        assert SECRET in data
        plain = fitting.without_remarks(data, form)
        assert SECRET not in plain
        assert opened(plain).tobytes() == opened(data).tobytes()
        assert fitting.without_remarks(plain, form) == plain


def test_what_stands_behind_a_picture_s_end_and_what_hides_behind_fill_bytes_goes_too() -> None:
    jpeg, png = photograph(400, 300), saved(Image.new("RGB", (40, 30), "green"), "PNG")
    # A telephone's second picture, with remarks of its own, and what an editor leaves of the file before it.
    progressive = saved(opened(jpeg), "JPEG", progressive=True, comment=SECRET)
    filled = jpeg[:2] + b"\xff" * 3 + jpeg[2:]
    for data, form in (
        (jpeg + jpeg, "jpeg"),
        (progressive + jpeg, "jpeg"),
        (filled, "jpeg"),
        (png + SECRET, "png"),
    ):
        plain = fitting.without_remarks(data, form)
        assert SECRET in data
        assert SECRET not in plain
        assert opened(plain).tobytes() == opened(data).tobytes()


def test_an_icc_profile_stays_since_it_says_what_the_colours_mean() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(Image.new("RGB", (2000, 100), "green"), "JPEG", icc_profile=profile)
    assert opened(fitting.without_remarks(data, "jpeg")).info["icc_profile"] == profile
    assert opened(fitting.fitted(data, "jpeg", "#ffffff")).info["icc_profile"] == profile


def test_the_colours_of_a_press_become_those_of_a_screen(home: Path) -> None:
    (home / "issues" / "p.jpg").write_bytes(saved(Image.new("CMYK", (300, 200), (0, 255, 255, 0)), "JPEG"))
    (image,) = render(home).images
    assert opened(image.data).mode == "RGB"


def test_what_is_see_through_gets_a_ground_that_a_dark_page_does_not_swallow(home: Path) -> None:
    picture = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    picture.paste((20, 20, 20, 255), (0, 0, 100, 100))
    (home / "issues" / "p.png").write_bytes(saved(picture, "PNG"))
    (image,) = render(home, "p.png").images
    shown = opened(image.data)
    assert shown.mode == "RGB"
    assert (shown.getpixel((150, 50)), shown.getpixel((50, 50))) == ((255, 255, 255), (20, 20, 20))
    solid = saved(Image.new("RGBA", (200, 100), (1, 2, 3, 255)), "PNG")
    assert fitting.fitted(solid, "png", "#ffffff") == solid, "nothing to do: not a byte is another"


def test_an_animation_is_left_alone(home: Path) -> None:
    frames = [Image.new("P", (1400, 50), colour) for colour in (1, 2, 3)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    (home / "issues" / "p.gif").write_bytes(data)
    (image,) = render(home, "p.gif").images
    assert image.data == data


def test_a_picture_of_one_pixel_and_names_with_spaces_and_letters_are_fine(home: Path) -> None:
    (home / "issues" / "ein Bild – ü.png").write_bytes(saved(Image.new("L", (1, 1)), "PNG"))
    result = render(home, "<ein Bild – ü.png>")
    assert result.diagnostics == ()
    assert 'width="1"' in result.html


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(80_000_000)


def vast(path: Path) -> None:
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)


def torn(path: Path) -> None:
    path.write_bytes(photograph(1500, 1000)[:3000])


def cut(path: Path) -> None:
    path.write_bytes(saved(Image.effect_noise((200, 100), 90), "PNG")[:-20])


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (huge, "NL466"),
        (vast, "NL466"),
        (torn, "NL405"),
        (cut, "NL405"),
        (pipe, "NL403"),
        (Path.mkdir, "NL403"),
        (Path.touch, "NL405"),
    ],
)
def test_a_file_that_would_hurt_is_a_finding_and_its_words_stand_for_it(
    home: Path, make: object, code: str
) -> None:
    assert callable(make)
    make(home / "issues" / "p.jpg")
    result = render(home)
    (found,) = result.diagnostics
    assert (found.code, found.severity, found.line) == (code, "error", 8)
    assert found.help
    assert result.images == ()
    assert "<img" not in result.html
    assert ">It</em>" in result.html


@pytest.mark.parametrize(("form", "tail"), [("PNG", 12), ("JPEG", 2), ("GIF", 2)])
def test_a_picture_that_needs_no_fitting_is_known_to_be_cut_off_wherever_that_was(
    form: str, tail: int
) -> None:
    data = saved(Image.effect_noise((60, 40), 90).convert("RGB"), form)
    assert fitting.is_whole(data, form.lower())
    assert fitting.is_whole(data + b"a phone's film", form.lower())
    # A GIF may go without its trailer, and every decoder is content.
    lengths = range(14, len(data) - tail + 1)
    assert [n for n in lengths if fitting.is_whole(data[:n], form.lower())] == []


def test_a_png_with_a_hole_is_not_whole() -> None:
    data = bytearray(saved(Image.effect_noise((60, 40), 90), "PNG"))
    data[200:264] = bytes(64)
    assert not fitting.is_whole(bytes(data), "png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_finding(home: Path) -> None:
    (home / "issues" / "p.jpg").write_bytes(photograph(30, 20))
    (home / "issues" / "p.jpg").chmod(0)
    assert [found.code for found in render(home).diagnostics] == ["NL403"]


def test_no_damage_to_a_file_is_more_than_a_finding(home: Path) -> None:
    shop = Workshop(home / "pictures", Theme(), COLUMN)
    pictures = Pictures(home / "issues" / "001-x.md", "attach", "", "example.com", shop)
    whole = {
        "p.jpg": photograph(1300, 40, orientation=3),
        "p.png": saved(Image.new("RGBA", (1300, 40), (1, 2, 3, 4)), "PNG"),
    }
    for name, data in whole.items():
        for at in range(0, len(data), max(1, len(data) // 60)):
            _assert_no_more_than_a_finding(pictures, name, data[:at] + b"\xff" + data[at + 1 :])
        for at in (*range(64), *range(64, len(data), max(1, len(data) // 20))):
            _assert_no_more_than_a_finding(pictures, name, data[:at])


def _assert_no_more_than_a_finding(pictures: Pictures, name: str, data: bytes) -> None:
    (pictures.issue_path.parent / name).write_bytes(data)
    found = pictures.find(name)
    assert found.problem is None or found.problem.code in {"NL405", "NL466"}, (name, data)
    assert (found.image is None) == (found.problem is not None)


def test_without_pillow_a_picture_leaves_as_it_is_with_a_note_but_without_its_place(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "can_fit", lambda: False)
    (home / "issues" / "p.jpg").write_bytes(photograph(1500, 1000))
    result = render(home)
    (found,) = result.diagnostics
    assert (found.code, found.severity) == ("NL468", "info")
    assert "newsletter-toolkit[site]" in found.help
    (image,) = result.images
    assert opened(image.data).size == (1500, 1000)
    assert SECRET not in image.data


def test_pictures_over_a_megabyte_together_are_a_warning(home: Path) -> None:
    noise = Image.frombytes("RGB", (600, 800), os.urandom(600 * 800 * 3))
    (home / "issues" / "p.png").write_bytes(saved(noise, "PNG"))
    result = render(home, "p.png")
    (found,) = result.diagnostics
    assert (found.code, found.severity) == ("NL467", "warning")
    assert "1.4 MB" in found.message
    assert render(home, "p.png", images="link").diagnostics == result.diagnostics


def test_the_name_is_the_same_with_and_without_pillow_attached_and_linked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "issues" / "p.jpg").write_bytes(photograph(1500, 1000))
    attached, linked = render(home), render(home, images="link")
    assert [image.filename for image in linked.linked] == [image.filename for image in attached.images]
    assert linked.images == attached.linked == ()
    assert f'src="https://notes.example.com/assets/{linked.linked[0].filename}"' in linked.html
    monkeypatch.setattr(fitting, "can_fit", lambda: False)
    assert [image.filename for image in render(home).images] == [image.filename for image in attached.images]


def test_what_was_fitted_once_is_read_the_next_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "issues" / "p.jpg").write_bytes(photograph(1500, 1000))
    first = render(home)
    monkeypatch.setattr(fitting, "fitted", lambda *_: pytest.fail("it was there"))
    assert render(home).images == first.images
    assert image_size(first.images[0].data) == ("jpeg", 1200, 800)
