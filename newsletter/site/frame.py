"""What stands around every page? Name, navigation, signup and footer: the same for the site's pages and for the service's search."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from newsletter.model.publication import Publication
from newsletter.render import highlight
from newsletter.render.templates import Templates
from newsletter.site.cache import digest
from newsletter.site.entry import SiteOptions

# U+2028 ends a line in scripts of old; `<` could end the element.
_IN_SCRIPT = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def frame_values(
    publication: Publication,
    options: SiteOptions,
    look: dict[str, Any],
    consent: str,
    *,
    guides: bool,
    questions: bool,
) -> dict[str, Any]:
    """What templates know as `site`.

    Args:
        publication: whose it is.
        options: of the site.
        look: colours and direction, as `render.look.look` gives them.
        consent: the words beside the button of the form.
        guides: whether there are any.
        questions: whether there is a bank of them.
    """
    root = urlsplit(publication.base_url).path.rstrip("/")
    navigation = [("Archive", "/archive/"), ("Topics", "/tags/")]
    if guides:
        navigation.insert(1, ("Guides", "/guides/"))
    if questions:
        navigation.append(("Questions", "/questions/"))
    search = {"service": f"{publication.base_url}/search", "pagefind": f"{root}/search/"}
    return {
        "name": publication.name,
        "tagline": publication.tagline,
        "root": root,
        "language": publication.language,
        "direction": look["direction"],
        "postal_address": publication.postal_address,
        "light": look["light"].ground,
        "dark": look["dark"].ground,
        "navigation": navigation,
        "search_url": search.get(options.search, ""),
        "join_url": f"{publication.base_url}/join",
        "consent": consent,
        "licence": options.licence,
        "licence_url": options.licence_url,
    }


def style_sheet(templates: Templates, look: dict[str, Any]) -> tuple[str, str]:
    """The name and the text of the site's style sheet."""
    css = templates.render({**look, "code_classes": list(highlight.CLASSES.items())}, "site/style.css.j2")
    return f"style-{digest(css)[:12]}.css", css


class Same:
    """Lets a template make what is the same on every page once: `{% call same("footer") %}`, and it is kept by that name."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def __call__(self, name: str, caller: Callable[[], str]) -> str:
        """What `caller` makes, or made before."""
        if name not in self._kept:
            self._kept[name] = caller()
        return self._kept[name]


def json_ld(data: Any) -> Markup:
    """`data` as JSON that can stand in a script element."""
    return Markup(json.dumps(data, ensure_ascii=False).translate(_IN_SCRIPT))  # noqa: S704 - escaped for its place
