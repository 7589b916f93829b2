"""What does a person see? Server-rendered pages of `templates/web`, with the headers every page needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from newsletter.config import Settings

# No script of ours is inline and no asset is somebody else's.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Pages:
    """The pages of one newsletter.

    Args:
        template_dirs: where templates are looked for, the user's own first.
        settings: the newsletter's.
    """

    def __init__(self, template_dirs: Sequence[Path], settings: Settings) -> None:
        self._environment = Environment(
            loader=FileSystemLoader([str(folder / "web") for folder in template_dirs]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            publication=settings.publication,
            theme=settings.look,
            language=settings.language,
            web=settings.web,
        )

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The HTML of a page."""
        return self._environment.get_template(template).render(values)

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page as an answer: never stored by anybody, without a script or a stranger's asset."""
        headers = {"cache-control": "no-store", "content-security-policy": POLICY}
        return HTMLResponse(self.render(template, values), status, headers)
