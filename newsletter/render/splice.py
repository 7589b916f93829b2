"""How is a template filled a million times? A row of byte strings with holes, copied, filled and joined."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from newsletter.model.template import Context, Slot, Template
from newsletter.render.escape import clean_literal, fill

# Values most people have: no escaping changes them in their place, and they fit on one
# quoted-printable line, so they are spliced as they are.
_PLAIN_TEXT = re.compile(r"(?!From )[A-Za-z0-9][A-Za-z0-9 _,!+:/.@?()-]{0,74}(?<! )")
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9._~:/-]{0,66}")
_PLAIN_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,74}")
is_plain_text = _PLAIN_TEXT.fullmatch
_PLAIN = {Context.URL: _PLAIN_URL.fullmatch, Context.URL_COMPONENT: _PLAIN_COMPONENT.fullmatch}


def plain_in(context: Context) -> Callable[[str], object]:
    """Tells whether a value needs no escaping in `context`."""
    return _PLAIN.get(context, is_plain_text)


class Skeleton:
    """A text with holes.

    Attributes:
        parts: literals, neighbouring ones merged, and `b""` for each hole.
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._pending: list[bytes] = []
        self._spots: dict[Slot, list[int]] = {}

    def literal(self, data: bytes) -> None:
        """Add text that is the same for everybody."""
        self._pending.append(data)

    def hole(self) -> int:
        """Add a hole; returns its index in `parts`."""
        self.close()
        self.parts.append(b"")
        return len(self.parts) - 1

    def close(self) -> None:
        """Say that nothing follows."""
        if self._pending:
            self.parts.append(b"".join(self._pending))
            self._pending.clear()

    def template(self, template: Template, encode: Callable[[str, bool], bytes]) -> None:
        """Add literals by `encode(text, whether a slot follows)` and slots as holes.

        A part that doesn't end with a line end gets one: a soft break must not end a body.
        """
        # Neighbouring literals are one, so that a CRLF or a line is never cut between them.
        run: list[str] = []
        for part in template.parts:
            if isinstance(part, str):
                run.append(part)
                continue
            if run:
                self.literal(encode(clean_literal("".join(run)), True))  # noqa: FBT003 - positional in the type
                run.clear()
            self._spots.setdefault(part, []).append(self.hole())
        end = clean_literal("".join(run))
        self.literal(encode(end if end.endswith("\n") else f"{end}\n", False))  # noqa: FBT003 - ditto

    def filler(self, encode: Callable[[str], bytes], ending: bytes = b"") -> Filler:
        """What fills the holes of this skeleton's templates.

        Args:
            encode: turns an escaped value into what is spliced.
            ending: what `encode` puts after a value that needs no encoding.
        """
        return Filler(self._spots, encode, ending)


class Filler:
    """Fills holes with one person's values, each distinct slot encoded once."""

    def __init__(
        self, spots: Mapping[Slot, Sequence[int]], encode: Callable[[str], bytes], ending: bytes
    ) -> None:
        self._encode = encode
        self._ending = ending
        self._fills = tuple(
            (
                slot.field,
                plain_in(slot.context),
                slot,
                encode(fill(slot, None)),
                tuple(indices),
            )
            for slot, indices in spots.items()
        )

    def fill(self, parts: list[bytes], values: Mapping[str, str]) -> None:
        """Put the values where they belong in `parts`, a copy of a skeleton's."""
        ending = self._ending
        for field, plain, slot, missing, indices in self._fills:
            value = values.get(field)
            if not value:
                piece = missing
            elif plain(value):
                piece = value.encode() + ending
            else:
                piece = self._encode(fill(slot, value))
            for index in indices:
                parts[index] = piece

    def holes(self) -> list[tuple[int, ...]]:
        """The indices each distinct slot fills."""
        return [indices for _, _, _, _, indices in self._fills]
