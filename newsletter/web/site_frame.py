"""How does a page of the service look like one of the site? It is set into the site's own layout, where a site was built.

What is the site's is known by its folder: what has no page there, isn't in the navigation.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.app.site import site_options
from newsletter.errors import NewsletterError, UsageError
from newsletter.render.look import look
from newsletter.render.templates import Templates
from newsletter.site.folder import MARK
from newsletter.site.page import Addresses, head
from newsletter.web.errors import note
from newsletter.web.protect import POLICY
from newsletter.web.service import Service

if TYPE_CHECKING:
    from collections.abc import Mapping

_YEAR: Final = "public, max-age=31536000, immutable"


class SiteFrame:
    """The site's layout around pages of one service.

    Args:
        service: what a request needs.
    """

    def __init__(self, service: Service) -> None:
        self._workspace = service.workspace
        settings = self._workspace.settings
        self._publication = settings.publication
        self._addresses = Addresses(self._publication, urlsplit(self._publication.base_url).path.rstrip("/"))
        self._look = look(self._publication, settings.look)
        self._templates: Templates | None = None
        self._style: tuple[str, str] | None = None

    def routes(self) -> list[BaseRoute]:
        """The site's style sheet, as this service's pages were made with; the folder may be of another build."""
        return [Route("/static/site/{name}", self._sheet, methods=["GET"])]

    def page(self, address: str, title: str, body: str, headers: Mapping[str, str]) -> Response | None:
        """A page with `body` as its main part; None where no site was built, or its templates have a mistake.

        Args:
            address: which part of the site it belongs to.
            title: of the page.
            body: its HTML.
            headers: of the answer.
        """
        folder = self._folder()
        if folder is None:
            return None
        try:
            html = self._framed(folder, address, title, body)
        except NewsletterError as error:
            # The site's own build says it to its author; a reader gets the answer all the same.
            note({"method": "search"}, error)
            return None
        place = urlsplit(self._publication.base_url)
        # The signup form asks at `base_url`, whatever host the reader came by.
        policy = POLICY.replace("form-action 'self'", f"form-action 'self' {place.scheme}://{place.netloc}")
        return HTMLResponse(html, headers={**headers, "content-security-policy": policy})

    def _folder(self) -> Path | None:
        try:
            folder = self._workspace.served_site
        except UsageError:
            return None
        folder = folder or self._workspace.home / self._workspace.settings.site.out
        return folder if self._publication.base_url and (folder / MARK).is_file() else None

    def _framed(self, folder: Path, address: str, title: str, body: str) -> str:
        from newsletter.site.frame import Same, frame_values

        settings = self._workspace.settings
        templates, (name, _) = self._made()
        site = frame_values(
            self._publication,
            site_options(self._workspace),
            self._look,
            settings.consent_words,
            guides=(folder / "guides" / "index.html").is_file(),
            questions=(folder / "questions" / "index.html").is_file(),
        )
        values = {
            "site": site,
            "css": f"{self._addresses.root}/static/site/{name}",
            "same": Same(),
            "page": head(self._addresses, address, title, title, hidden=True),
            "body": Markup(body),  # noqa: S704 - from a template that escapes
        }
        return templates.render(values, "site/found.html.j2").strip() + "\n"

    def _made(self) -> tuple[Templates, tuple[str, str]]:
        from newsletter.site.bodies import FILTERS
        from newsletter.site.frame import json_ld, style_sheet

        if self._templates is None or self._style is None:
            self._templates = Templates(self._workspace.template_dirs, {**FILTERS, "json_ld": json_ld})
            self._style = style_sheet(self._templates, self._look)
        return self._templates, self._style

    async def _sheet(self, request: Request) -> Response:
        try:
            _, (name, css) = self._made()
        except NewsletterError as error:
            note({"method": "search"}, error)
            raise HTTPException(404) from None
        if request.path_params["name"] != name:
            raise HTTPException(404)
        return Response(css, media_type="text/css", headers={"cache-control": _YEAR})
