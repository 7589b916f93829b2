"""Which colour does a value of CSS mean? `#rrggbb` with its opacity, composited where it lets something through."""

from __future__ import annotations

import colorsys
import re
from typing import NamedTuple

# The named colours of CSS Color Module Level 4, section 6.1.
_NAMED: dict[str, str] = dict(
    re.findall(
        r"(\w+):(\w+)",
        """
aliceblue:f0f8ff antiquewhite:faebd7 aqua:00ffff aquamarine:7fffd4 azure:f0ffff beige:f5f5dc
bisque:ffe4c4 black:000000 blanchedalmond:ffebcd blue:0000ff blueviolet:8a2be2 brown:a52a2a
burlywood:deb887 cadetblue:5f9ea0 chartreuse:7fff00 chocolate:d2691e coral:ff7f50
cornflowerblue:6495ed cornsilk:fff8dc crimson:dc143c cyan:00ffff darkblue:00008b darkcyan:008b8b
darkgoldenrod:b8860b darkgray:a9a9a9 darkgreen:006400 darkgrey:a9a9a9 darkkhaki:bdb76b
darkmagenta:8b008b darkolivegreen:556b2f darkorange:ff8c00 darkorchid:9932cc darkred:8b0000
darksalmon:e9967a darkseagreen:8fbc8f darkslateblue:483d8b darkslategray:2f4f4f darkslategrey:2f4f4f
darkturquoise:00ced1 darkviolet:9400d3 deeppink:ff1493 deepskyblue:00bfff dimgray:696969
dimgrey:696969 dodgerblue:1e90ff firebrick:b22222 floralwhite:fffaf0 forestgreen:228b22
fuchsia:ff00ff gainsboro:dcdcdc ghostwhite:f8f8ff gold:ffd700 goldenrod:daa520 gray:808080
green:008000 greenyellow:adff2f grey:808080 honeydew:f0fff0 hotpink:ff69b4 indianred:cd5c5c
indigo:4b0082 ivory:fffff0 khaki:f0e68c lavender:e6e6fa lavenderblush:fff0f5 lawngreen:7cfc00
lemonchiffon:fffacd lightblue:add8e6 lightcoral:f08080 lightcyan:e0ffff lightgoldenrodyellow:fafad2
lightgray:d3d3d3 lightgreen:90ee90 lightgrey:d3d3d3 lightpink:ffb6c1 lightsalmon:ffa07a
lightseagreen:20b2aa lightskyblue:87cefa lightslategray:778899 lightslategrey:778899
lightsteelblue:b0c4de lightyellow:ffffe0 lime:00ff00 limegreen:32cd32 linen:faf0e6 magenta:ff00ff
maroon:800000 mediumaquamarine:66cdaa mediumblue:0000cd mediumorchid:ba55d3 mediumpurple:9370db
mediumseagreen:3cb371 mediumslateblue:7b68ee mediumspringgreen:00fa9a mediumturquoise:48d1cc
mediumvioletred:c71585 midnightblue:191970 mintcream:f5fffa mistyrose:ffe4e1 moccasin:ffe4b5
navajowhite:ffdead navy:000080 oldlace:fdf5e6 olive:808000 olivedrab:6b8e23 orange:ffa500
orangered:ff4500 orchid:da70d6 palegoldenrod:eee8aa palegreen:98fb98 paleturquoise:afeeee
palevioletred:db7093 papayawhip:ffefd5 peachpuff:ffdab9 peru:cd853f pink:ffc0cb plum:dda0dd
powderblue:b0e0e6 purple:800080 rebeccapurple:663399 red:ff0000 rosybrown:bc8f8f royalblue:4169e1
saddlebrown:8b4513 salmon:fa8072 sandybrown:f4a460 seagreen:2e8b57 seashell:fff5ee sienna:a0522d
silver:c0c0c0 skyblue:87ceeb slateblue:6a5acd slategray:708090 slategrey:708090 snow:fffafa
springgreen:00ff7f steelblue:4682b4 tan:d2b48c teal:008080 thistle:d8bfd8 tomato:ff6347
turquoise:40e0d0 violet:ee82ee wheat:f5deb3 white:ffffff whitesmoke:f5f5f5 yellow:ffff00
yellowgreen:9acd32
""",
    )
)
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]*)\)")
_HEX = re.compile(r"#(?:[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})(?![0-9a-f])")
_WORD = re.compile(r"(?<![\w#.(-])[a-z]+(?![\w(-])")


class Colour(NamedTuple):
    """A colour as it is written: `#rrggbb`, and how much of it covers what is behind, 0 to 1."""

    hex: str
    opacity: float = 1.0

    def over(self, ground: str) -> str:
        """The colour seen where this one lies on `ground`."""
        if self.opacity >= 1:
            return self.hex
        mixed = (
            round(top * self.opacity + bottom * (1 - self.opacity))
            for top, bottom in zip(_bytes(self.hex), _bytes(ground), strict=True)
        )
        return _hex(*mixed)


TRANSPARENT = Colour("#000000", 0.0)


def colour_in(value: str) -> Colour | None:
    """The first colour in a value such as `#fff`, `rgb(0 0 0 / 50%)` or `url(a.png) navy`; None where there is none."""
    value = value.lower()
    function = _FUNCTION.search(value)
    if function is not None:
        return _from_function(function[1], function[2])
    written = _HEX.search(value)
    if written is not None:
        return _from_hex(written[0][1:])
    for word in _WORD.findall(value):
        if word == "transparent":
            return TRANSPARENT
        if word in _NAMED:
            return Colour(f"#{_NAMED[word]}")
    return None


def attribute_colour(value: str) -> Colour | None:
    """A colour as the attributes `bgcolor` and `color` have it, the `#` left out or not."""
    value = value.strip().lower()
    return colour_in(f"#{value}" if re.fullmatch(r"[0-9a-f]{6}|[0-9a-f]{3}", value) else value)


def inverted(colour: str) -> str:
    """What a client that darkens mail by force makes of `#rrggbb`: light turned to dark, the hue kept.

    The sum of CSS's `invert(1) hue-rotate(180deg)` (Filter Effects Module Level 1, section 9.1), which
    comes close to what Gmail on iOS and Outlook for Windows do.
    """
    red, green, blue = (255 - part for part in _bytes(colour))
    turned = (
        red * (-0.574) + green * 1.430 + blue * 0.144,
        red * 0.426 + green * 0.430 + blue * 0.144,
        red * 0.426 + green * 1.430 + blue * (-0.856),
    )
    return _hex(*(min(255, max(0, round(part))) for part in turned))


def _bytes(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(red: int, green: int, blue: int) -> str:
    return f"#{red:02x}{green:02x}{blue:02x}"


def _from_hex(digits: str) -> Colour:
    if len(digits) < 6:
        digits = "".join(digit * 2 for digit in digits)
    return Colour(f"#{digits[:6]}", int(digits[6:], 16) / 255 if digits[6:] else 1.0)


def _from_function(name: str, arguments: str) -> Colour | None:
    parts = [part for part in re.split(r"[\s,/]+", arguments.strip()) if part]
    try:
        opacity = _share(parts[3]) if len(parts) > 3 else 1.0
        if name == "rgb":
            red, green, blue = (
                round(float(part[:-1]) * 2.55) if part.endswith("%") else round(float(part))
                for part in parts[:3]
            )
        else:
            hue = float(parts[0].removesuffix("deg")) % 360 / 360
            rgb = colorsys.hls_to_rgb(hue, _share(parts[2]), _share(parts[1]))
            red, green, blue = (round(part * 255) for part in rgb)
    except (ValueError, IndexError, OverflowError):
        return None
    return Colour(_hex(*(min(255, max(0, part)) for part in (red, green, blue))), min(1.0, max(0.0, opacity)))


def _share(text: str) -> float:
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)
