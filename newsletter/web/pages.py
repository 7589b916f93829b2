"""What does a person see? Server-rendered pages of `templates/web`, and the one style sheet they share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    select_autoescape,
)
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.config import Settings
from newsletter.errors import UsageError
from newsletter.render.colour import palette

_STYLE: Final = "pages.css"
_YEAR: Final = "public, max-age=31536000, immutable"


class Pages:
    """The pages of one newsletter.

    Args:
        template_dirs: where templates are looked for, the user's own first.
        settings: the newsletter's.

    Attributes:
        root: the path of `base_url`, which links begin with.

    Raises:
        UsageError: one of the user's templates can't be read as one.
    """

    def __init__(self, template_dirs: Sequence[Path], settings: Settings) -> None:
        self._environment = Environment(
            loader=FileSystemLoader([str(folder / "web") for folder in template_dirs]),
            autoescape=select_autoescape(["html"], default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        theme = settings.look
        if urlsplit(theme.logo).netloc != urlsplit(settings.base_url).netloc:
            # Nothing of another host is fetched by a page that has a reader's token in its address.
            theme = replace(theme, logo="")
        self._environment.globals.update(
            publication=settings.publication,
            theme=theme,
            palette=palette(settings.look),
            language=settings.language,
            web=settings.web,
        )
        self.root = urlsplit(settings.base_url).path.rstrip("/")
        self._environment.globals.update(root=self.root)
        self._require_templates()
        style = self.render(_STYLE, {}).encode()
        self._style = style
        self._style_name = f"pages.{hashlib.sha256(style).hexdigest()[:12]}.css"
        self._environment.globals.update(stylesheet=f"{self.root}/static/{self._style_name}")

    def _require_templates(self) -> None:
        """Find a mistake when the service starts, not when the first reader comes."""
        for name in self._environment.list_templates():
            try:
                self._environment.get_template(name)
            except TemplateSyntaxError as error:
                raise UsageError(
                    f"{error.filename or name}:{error.lineno}: not a valid template: {error.message}",
                    hint="mend it, or delete it to use ours",
                ) from None
            except (TemplateError, UnicodeDecodeError) as error:
                raise UsageError(
                    f"templates/web/{name}: {error}", hint="mend it, or delete it to use ours"
                ) from None

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The HTML of a page."""
        return self._environment.get_template(template).render(values)

    def page(
        self, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
    ) -> HTMLResponse:
        """A page as an answer; what every answer carries is added by `protect`."""
        return HTMLResponse(self.render(template, values), status, headers)

    def message(
        self, heading: str, *paragraphs: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        """A page that says one thing."""
        return self.page("message.html", status, headers, heading=heading, paragraphs=paragraphs)

    def routes(self) -> list[BaseRoute]:
        """The style sheet, under a name that changes with its content."""

        async def style(_: Request) -> Response:
            return Response(self._style, media_type="text/css", headers={"cache-control": _YEAR})

        return [Route(f"/static/{self._style_name}", style)]
