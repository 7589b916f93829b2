"""What do the Outlook apps and Outlook.com make of an email's colours in the dark?

They darken light grounds and lighten dark words where they stand inline, keep the hue, and mark what they
changed with `data-ogsb` and `data-ogsc`, which a style block may select by (litmus.com/blog/the-ultimate-guide-to-dark-mode-for-email-marketers).
"""

from __future__ import annotations

import colorsys
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

_COLOUR = re.compile(
    r"#([0-9a-f]{6}|[0-9a-f]{3})\b|rgb\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)", re.IGNORECASE
)
_PROPERTY = re.compile(
    r"(^|;)(\s*)(background(?:-color)?|color|border(?:-[a-z]+)*)(\s*:)([^;]*)", re.IGNORECASE
)
# Of what is white, and of what is black: their dark ground and their light words.
_DARKEST, _LIGHTEST = 0.13, 0.93


def recoloured(html: str) -> str:
    """`html` with its inline colours turned for a dark screen."""
    tree = LexborHTMLParser(html)
    for node in tree.css("[style]"):
        style = node.attributes.get("style") or ""
        turned = _PROPERTY.sub(_turned_property, style)
        if turned != style:
            node.attrs["style"] = turned
    for node in tree.css("[bgcolor]"):
        _turn_attribute(node)
    body = tree.body
    if body is not None:
        # On an ancestor of everything: `[data-ogsc] .text` selects what stands below.
        body.attrs["data-ogsc"] = body.attrs["data-ogsb"] = ""
        style = body.attributes.get("style") or ""
        if "background" not in style:
            body.attrs["style"] = f"background-color:{_turned('#ffffff', ground=True)};{style}"
        if tree.root is not None:
            tree.root.attrs["style"] = f"color:{_turned('#000000', ground=False)}"
    return tree.html or ""


def _turn_attribute(node: LexborNode) -> None:
    value = node.attributes.get("bgcolor") or ""
    node.attrs["bgcolor"] = _COLOUR.sub(lambda match: _turned(match[0], ground=True), value)


def _turned_property(match: re.Match[str]) -> str:
    ground = match[3].lower() != "color"
    return (
        match[1]
        + match[2]
        + match[3]
        + match[4]
        + _COLOUR.sub(lambda m: _turned(m[0], ground=ground), match[5])
    )


def _turned(colour: str, *, ground: bool) -> str:
    """A light ground darkened, a dark word lightened; anything else as it is."""
    match = _COLOUR.fullmatch(colour)
    assert match is not None
    digits = match[1]
    if digits:
        pairs = [digits[at : at + 2] for at in (0, 2, 4)] if len(digits) == 6 else [one * 2 for one in digits]
        red, green, blue = (int(pair, 16) / 255 for pair in pairs)
    else:
        red, green, blue = (min(255, int(match[at])) / 255 for at in (2, 3, 4))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    if (light <= 0.5) is ground:
        return colour
    span = _LIGHTEST - _DARKEST
    turned = colorsys.hls_to_rgb(hue, _DARKEST + (1 - light) * span, saturation)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in turned)
