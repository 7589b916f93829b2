"""In which colours and which direction is a newsletter read, in the mail as on the site?"""

from __future__ import annotations

from typing import Any

from newsletter.model.publication import Publication, Theme
from newsletter.render import highlight
from newsletter.render.colour import palette

_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


def look(publication: Publication, theme: Theme) -> dict[str, Any]:
    """What every layout is given: theme, colours for a light and a dark ground, language and direction."""
    language, colours = publication.language, palette(theme)
    rightwards = language.partition("-")[0].lower() not in _RIGHT_TO_LEFT
    return {
        "theme": theme,
        "light": colours.light,
        "dark": colours.dark,
        "code": {"ground": highlight.GROUND, "text": highlight.TEXT, "label": highlight.LABEL},
        "language": language,
        "direction": "ltr" if rightwards else "rtl",
        "start": "left" if rightwards else "right",
        "end": "right" if rightwards else "left",
    }
