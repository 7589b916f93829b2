"""In which colours are diagrams drawn? The theme's light ones on a ground of their own, so that a dark page doesn't matter."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from newsletter.model.publication import Theme
from newsletter.render.colour import palette, readable

# Pixels of the picture for one of the screen.
SHARPNESS: Final = 2
# Raised when the same source is drawn otherwise than before.
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Look:
    """Colours as `#rrggbb`; all that is text has a contrast of 4.5 on whatever it can stand on.

    Attributes:
        ground: behind everything.
        text: words.
        line: arrows and outlines.
        box: inside of boxes.
        group: behind a group of boxes.
        group_line: around it.
        accent: what stands out.
        accent_soft: behind what stands out.
        note: behind a note.
    """

    ground: str
    text: str
    line: str
    box: str
    group: str
    group_line: str
    accent: str
    accent_soft: str
    note: str


def look_of(theme: Theme) -> Look:
    """How diagrams look under `theme`."""
    light = palette(theme).light
    group, note = "#e7ebef", "#fdf3d1"
    soft = _mixed(light.accent, light.ground, 0.12)
    grounds = (light.inset, light.ground, group, note, soft)
    return Look(
        ground=light.inset,
        text=readable(light.text, *grounds),
        line=readable(light.muted, *grounds),
        box=light.ground,
        group=group,
        group_line="#c5ccd4",
        accent=light.accent,
        accent_soft=soft,
        note=note,
    )


def _mixed(colour: str, ground: str, share: float) -> str:
    channels = (
        round(int(colour[at : at + 2], 16) * share + int(ground[at : at + 2], 16) * (1 - share))
        for at in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def described(look: Look) -> str:
    """All that decides how a source is drawn, for the name of the picture."""
    return json.dumps([_VERSION, SHARPNESS, asdict(look)], sort_keys=True)


def mermaid_variables(look: Look, family: str) -> dict[str, str]:
    """Mermaid's `themeVariables` (mermaid.js.org/config/theming.html) for its `base` theme."""
    boxes = ("primaryColor", "mainBkg", "actorBkg", "labelBoxBkgColor", "activationBkgColor", "quadrant1Fill")
    texts = (
        *("primaryTextColor", "secondaryTextColor", "tertiaryTextColor", "textColor", "nodeTextColor"),
        *("titleColor", "actorTextColor", "signalTextColor", "labelTextColor", "loopTextColor"),
        *("noteTextColor", "classText", "pieTitleTextColor", "pieSectionTextColor", "pieLegendTextColor"),
        *(
            "taskTextColor",
            "taskTextOutsideColor",
            "taskTextLightColor",
            "taskTextDarkColor",
            "stateLabelColor",
        ),
    )
    lines = (
        *("lineColor", "primaryBorderColor", "nodeBorder", "actorBorder", "actorLineColor", "signalColor"),
        *("defaultLinkColor", "transitionColor", "activationBorderColor", "labelBoxBorderColor"),
        *("pieStrokeColor", "pieOuterStrokeColor", "arrowheadColor", "taskBorderColor", "gridColor"),
    )
    shares = (look.accent_soft, look.note, look.group, look.box)
    return {
        "background": look.ground,
        "fontFamily": family,
        "fontSize": "16px",
        "secondaryColor": look.accent_soft,
        "tertiaryColor": look.group,
        "clusterBkg": look.group,
        "clusterBorder": look.group_line,
        "edgeLabelBackground": look.ground,
        "noteBkgColor": look.note,
        "noteBorderColor": look.group_line,
        "taskBkgColor": look.accent_soft,
        "sectionBkgColor": look.box,
        "altSectionBkgColor": look.ground,
        "pieOpacity": "1",
        **dict.fromkeys(boxes, look.box),
        **dict.fromkeys(texts, look.text),
        **dict.fromkeys(lines, look.line),
        **{f"pie{number}": shares[(number - 1) % len(shares)] for number in range(1, 13)},
        **{f"cScale{number}": shares[number % len(shares)] for number in range(12)},
        **{f"cScaleLabel{number}": look.text for number in range(12)},
    }


def dot_attributes(look: Look, family: str) -> list[str]:
    """Arguments of `dot` that set what the author doesn't (graphviz.org/doc/info/attrs.html); 12 points are 16 CSS pixels."""
    words = [f"fontname={family}", "fontsize=12", f"fontcolor={look.text}"]
    return [
        *(
            f"-G{value}"
            for value in [*words, f"bgcolor={look.ground}", "pad=0.17", f"color={look.group_line}"]
        ),
        *(
            f"-N{value}"
            for value in [*words, f"color={look.line}", f"fillcolor={look.box}", "shape=box", "style=filled"]
        ),
        *(f"-E{value}" for value in [*words, f"color={look.line}"]),
    ]
