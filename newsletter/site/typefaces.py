"""In which font can these words be set on a card? In the bundled one; where that lacks letters, in one of this machine's.

fontconfig knows those, in the order its user prefers; without it, or a font that has all the letters, there is none.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from newsletter.render.fonts import FOREIGN, REGULAR, SEMI_BOLD

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

# The first look into a machine's fonts makes fontconfig's own cache, which takes a while.
_SECONDS: Final = 60
# What every line may end with.
_ALWAYS: Final = frozenset("… ")
# Scripts that run from right to left (Unicode Standard Annex 9).
_RIGHT_TO_LEFT: Final = frozenset(("R", "AL"))
# ZERO WIDTH NON-JOINER and JOINER: Persian and the scripts of India spell with them.
_JOINERS: Final = frozenset("\u200c\u200d")
_FORMAT: Final = "%{file}\t%{index}\t%{slant}\t%{color}\t%{charset}\n"


@dataclass(frozen=True)
class Face:
    """A font file, and which font in it.

    Attributes:
        file: the file.
        index: of the font in it.
        bundled: whether it is one of ours, which needs no shaping.
    """

    file: Path
    index: int = 0
    bundled: bool = False


OUR_REGULAR: Final = Face(REGULAR, bundled=True)
OUR_SEMI_BOLD: Final = Face(SEMI_BOLD, bundled=True)


@dataclass(frozen=True)
class Font:
    """What words are set in: a font in a size, and another one for letters that the first lacks.

    Attributes:
        faces: in the order in which a letter is looked for.
        size: in pixels.
    """

    faces: tuple[Face, ...]
    size: int

    def width(self, text: str) -> float:
        """How wide words get, in pixels."""
        return sum(_loaded(face, self.size).getlength(run) for face, run in self._runs(text))

    def write(self, ink: ImageDraw, text: str, at: tuple[int, int], *, leftwards: bool) -> None:
        """Write words on a baseline.

        Args:
            ink: what is drawn on.
            text: the words.
            at: where they begin, on the baseline.
            leftwards: whether they run to the left from there.
        """
        x, y = float(at[0]), at[1]
        for face, run in self._runs(text):
            font = _loaded(face, self.size)
            ink.text((x, y), run, fill=255, font=font, anchor="rs" if leftwards else "ls")
            x += font.getlength(run)

    def _runs(self, text: str) -> list[tuple[Face, str]]:
        first, *others = self.faces
        if not others:
            return [(first, text)]
        runs: list[tuple[Face, str]] = []
        for one in text:
            # A mark stands on the letter before it.
            stays = runs and (one == " " or unicodedata.category(one)[0] == "M")
            face = runs[-1][0] if stays else first if _has(first, one) else others[0]
            if runs and runs[-1][0] == face:
                runs[-1] = (face, runs[-1][1] + one)
            else:
                runs.append((face, one))
        return runs


@dataclass(frozen=True)
class Settable:
    """Words as they can be set.

    Attributes:
        words: without what no font draws in one ink, such as emoji.
        faces: they have every letter of them.
    """

    words: str
    faces: tuple[Face, ...]

    def at(self, size: int) -> Font:
        """What they are set in, in a size."""
        return Font(self.faces, size)

    @property
    def runs_left(self) -> bool:
        """Whether the words begin on the right."""
        strong = (unicodedata.bidirectional(character) for character in self.words)
        return next((kind in _RIGHT_TO_LEFT for kind in strong if kind in {"L", *_RIGHT_TO_LEFT}), False)


def settable(words: str, ours: Face, language: str) -> Settable | None:
    """How `words` can be set; None where no font here has their letters, or nothing is left.

    Args:
        words: on one line.
        ours: the bundled font that is preferred.
        language: of the words: Chinese and Japanese share characters, and draw them differently.
    """
    kept = _drawn(unicodedata.normalize("NFC", " ".join(words.split())))
    lacking = {one for one in kept if one != " " and one not in _JOINERS and not _has(ours, one)}
    # A picture or a sign may go; a word without one of its letters is another word.
    signs = {one for one in lacking if unicodedata.category(one)[0] == "S"}
    kept = " ".join("".join(one for one in kept if one not in signs).split())
    if not kept:
        return None
    if lacking == signs:
        return Settable(kept, (ours,))
    if found := _of_this_machine(frozenset(kept) - _JOINERS | _ALWAYS, language):
        return Settable(kept, (found,))
    if any(unicodedata.bidirectional(one) in _RIGHT_TO_LEFT for one in kept):
        return None  # only a font that has all of a line can order it
    other = _of_this_machine(frozenset(lacking - signs), language)
    return Settable(kept, (ours, other)) if other else None


def foreign_digest(words: str, ours: Face, language: str) -> str:
    """What of this machine decides how `words` look; empty where the bundled font has them."""
    letters = [one for one in FOREIGN.findall(words) if unicodedata.category(one)[0] in "LMN"]
    if not letters:
        return ""
    found = settable(words, ours, language)
    others = [face for face in found.faces if not face.bundled] if found else []
    return "".join(_digest(face.file) + str(face.index) for face in others) or "none"


def _drawn(words: str) -> str:
    """`words` without what is not seen, or belongs to emoji; letters of other scripts keep what joins or parts them."""
    kept: list[str] = []
    for one in words:
        invisible = unicodedata.category(one)[0] == "C" or "\ufe00" <= one <= "\ufe0f" or one == "\u20e3"
        joins = (
            one in _JOINERS and kept and unicodedata.category(kept[-1])[0] in "LM" and FOREIGN.match(kept[-1])
        )
        if joins or not invisible:
            kept.append(one)
    return "".join(kept)


@cache
def _of_this_machine(characters: frozenset[str], language: str) -> Face | None:
    """The first font here, as fontconfig prefers them, that has all of `characters` and can set them."""
    from PIL import features

    wanted = {ord(character) for character in characters}
    plain = all(ord(one) < 0x80 or unicodedata.east_asian_width(one) in "WFHA" for one in characters)
    if not plain and not (features.check("raqm") and features.check("fribidi")):
        return None  # letters would stand alone, and in the wrong order
    for face, has in _fonts(language):
        if all(any(first <= code <= last for first, last in has) for code in wanted):
            try:
                _loaded(face, 24)
            except OSError:  # a format that Pillow doesn't read
                continue
            return face
    return None


@cache
def _fonts(language: str) -> tuple[tuple[Face, tuple[tuple[int, int], ...]], ...]:
    """The upright fonts of this machine in one ink, and the ranges of characters each has."""
    program = shutil.which("fc-match")
    if not program:
        return ()
    wish = f"sans-serif:lang={language.lower()}:weight=180:slant=0:width=100:scalable=True"
    try:
        done = subprocess.run(  # noqa: S603 - fontconfig's own program; the language is checked by the settings
            [program, "--all", "--format", _FORMAT, wish],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ()
    found = []
    for line in done.stdout.splitlines():
        file, index, slant, colour, charset = (line.split("\t") + [""] * 5)[:5]
        if slant == "0" and colour != "True" and index.isdigit() and Path(file).is_file():
            found.append((Face(Path(file), int(index)), _ranges(charset)))
    return tuple(found)


def _ranges(charset: str) -> tuple[tuple[int, int], ...]:
    """`20-7e a0` as numbers."""
    spans = (span.partition("-") for span in charset.split())
    return tuple((int(first, 16), int(last or first, 16)) for first, _, last in spans)


@cache
def _loaded(face: Face, size: int) -> FreeTypeFont:
    from PIL import ImageFont, features

    shaped = not face.bundled and features.check("raqm")
    engine = ImageFont.Layout.RAQM if shaped else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(face.file), size, index=face.index, layout_engine=engine)


@cache
def _has(face: Face, character: str) -> bool:
    """Whether a bundled font has the character: what it lacks is drawn as the same empty box."""
    font = _loaded(face, 24)
    box = font.getmask("\U0010fffe")
    drawn = font.getmask(character)
    return (drawn.size, bytes(drawn)) != (box.size, bytes(box))


@cache
def _digest(file: Path) -> str:
    digest = hashlib.blake2b(digest_size=8)
    with file.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
