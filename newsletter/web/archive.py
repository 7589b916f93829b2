"""How does one process show the whole public face? It serves the built site's folder, beside the service's own pages.

What is asked for is looked up below the folder and nowhere else: no name that begins with a dot, no way
up, no link that leads out. A file's ETag is a hash of its bytes, so a site that is built anew and came
out the same is not sent again.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from newsletter.web.service import Service

# A name with a hash of its content in it never means another content.
_HASHED: Final = re.compile(r"[.-][0-9a-f]{8,64}\.[a-z0-9]{2,5}$")
_FOREVER: Final = "public, max-age=31536000, immutable"
# Pages and feeds change when an issue is published; a press on reload shows it.
_PAGE: Final = "public, max-age=60"
_OTHER: Final = "public, max-age=3600"
_PAGES: Final = frozenset({".html", ".md", ".xml", ".json", ".txt", ".atom", ".rss"})
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".xml": "application/xml; charset=utf-8",
    ".atom": "application/atom+xml; charset=utf-8",
    ".rss": "application/rss+xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
# The author's own words, on the author's own site: its styles may be inline, its scripts may not.
_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' https: data:; "
    "script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
)
_CHUNK: Final = 128 * 1024
_HASHES_KEPT: Final = 20_000
_SEGMENT: Final = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class _File:
    """What is sent for a path.

    Attributes:
        path: of the bytes, perhaps compressed ones.
        named: of the file that was asked for.
        encoding: of the bytes; empty for none.
        varies: whether there are several forms of it.
    """

    path: Path
    named: Path
    encoding: str
    varies: bool


def routes(service: Service, pages: Sequence[Route]) -> list[BaseRoute]:
    """`pages`, and the site at every address nothing else is at; where `[web] site` is empty, without the site.

    Pictures that mails link are shown in any case. The pages of issues outside `/view/` share their addresses with the site's: there the site comes first,
    and an issue that isn't built yet is shown all the same.

    Raises:
        UsageError: there is no such folder.
    """
    folder = service.workspace.served_site
    mailed = Archive(service.workspace.linked_pictures.folder)
    pages = [*pages, Route("/assets/{name}", mailed.page, methods=["GET"])]
    if folder is None:
        return list(pages)
    archive = Archive(folder)
    own = [page for page in pages if page.path.startswith("/view/")]
    shared = [
        Route(page.path, archive.before(page.endpoint), methods=["GET"]) for page in pages if page not in own
    ]
    return [*own, *shared, Route("/{page:path}", archive.page, methods=["GET"])]


class Archive:
    """The files of a site.

    Args:
        folder: where it was built; it may be replaced by another while the service runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hashes: OrderedDict[tuple[int, int, int], str] = OrderedDict()

    async def page(self, request: Request) -> Response:
        """A file of the site; its own 404 page where there is none."""
        found = await self._answer(request)
        if found is not None:
            return found
        missing = await asyncio.to_thread(self._find, "404.html", _accepted(request))
        if not isinstance(missing, _File):
            raise HTTPException(404)
        return await self._send(request, missing, 404)

    def before(
        self, page: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A file of the site, and `page` where there is none."""

        async def either(request: Request) -> Response:
            return await self._answer(request) or await page(request)

        return either

    async def _answer(self, request: Request) -> Response | None:
        # ASGI: `path` is the whole of it, below whatever this is mounted.
        root = request.scope.get("root_path", "")
        path = request.scope["path"].removeprefix(root).removeprefix("/")
        found = await asyncio.to_thread(self._find, path, _accepted(request))
        if isinstance(found, str):
            return RedirectResponse(f"{root}{found}", 308, {"cache-control": _PAGE})
        return await self._send(request, found) if found is not None else None

    def _find(self, path: str, accepted: frozenset[str]) -> _File | str | None:
        """The file; or where a folder's page really is; or None."""
        parts = [part for part in path.split("/") if part]
        if any(
            not _SEGMENT.fullmatch(part) or part.startswith(".") for part in parts if part != ".well-known"
        ):
            return None
        try:
            root = self._folder.resolve(strict=True)
            named = root.joinpath(*parts).resolve(strict=True)
            # A link may lead to another place of the site, never out of it.
            if not named.is_relative_to(root):
                return None
            if named.is_dir():
                if path and not path.endswith("/"):
                    return f"/{_quoted(parts)}/" if (named / "index.html").is_file() else None
                named = (named / "index.html").resolve(strict=True)
                if not named.is_relative_to(root):
                    return None
            elif path.endswith("/"):
                return None
            return _with_encoding(named, accepted)
        except (
            OSError,
            ValueError,
            RuntimeError,
        ):  # gone, a loop of links, a name the file system can't have
            return None

    async def _send(self, request: Request, file: _File, status: int = 200) -> Response:
        try:
            opened, found, tag = await asyncio.to_thread(self._opened, file.path)
        except OSError:  # replaced this moment
            raise HTTPException(404) from None
        changed = datetime.fromtimestamp(found.st_mtime_ns // 10**9, UTC)
        headers = {
            "etag": tag,
            "last-modified": format_datetime(changed, usegmt=True),
            "cache-control": _cache(file.named) if status == 200 else "no-cache",
            "content-security-policy": _POLICY,
            "x-robots-tag": "all" if status == 200 else "noindex",
        }
        if file.varies:
            headers["vary"] = "accept-encoding"
        if status == 200 and _is_current(request, tag, changed):
            opened.close()
            return Response(status_code=304, headers=headers)
        headers["content-type"] = _type(file.named)
        headers["content-length"] = str(found.st_size)
        if file.encoding:
            headers["content-encoding"] = file.encoding
        if request.method == "HEAD":
            opened.close()
            return Response(status_code=status, headers=headers)
        return _Sent(opened, found.st_size, status, headers)

    def _opened(self, path: Path) -> tuple[BinaryIO, os.stat_result, str]:
        """A file, what it is and its tag, all three of the same bytes: a build may put another in its place meanwhile."""
        opened = path.open("rb")
        try:
            found = os.fstat(opened.fileno())
            known = (found.st_ino, found.st_size, found.st_mtime_ns)
            tag = self._hashes.get(known)
            if tag is None:
                digest = blake2b(digest_size=12)
                while chunk := opened.read(_CHUNK):
                    digest.update(chunk)
                opened.seek(0)
                self._hashes[known] = tag = f'"{digest.hexdigest()}"'
                while len(self._hashes) > _HASHES_KEPT:
                    self._hashes.popitem(last=False)
        except BaseException:
            opened.close()
            raise
        return opened, found, tag


def _with_encoding(named: Path, accepted: frozenset[str]) -> _File | None:
    """The file in the best form that was made of it beforehand and is understood; None where it isn't a file."""
    forms: list[tuple[str, Path]] = []
    own = named.stat()
    if not stat.S_ISREG(own.st_mode):
        return None
    varies = False
    for encoding, ending in _ENCODINGS:
        packed = named.with_name(named.name + ending)
        try:
            found = packed.lstat()
        except OSError:
            continue
        # One that is older was made of another content.
        if stat.S_ISREG(found.st_mode) and found.st_mtime_ns >= own.st_mtime_ns:
            varies = True
            if encoding in accepted:
                forms.append((encoding, packed))
    forms.append(("", named))
    encoding, path = forms[0]
    return _File(path, named, encoding, varies)


class _Sent(Response):
    """A file's bytes, as many as were announced; closed whether or not anybody waits for the rest."""

    def __init__(self, opened: BinaryIO, size: int, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(None, status, headers)
        self._opened = opened
        self._size = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send it."""
        left = self._size
        with self._opened as opened:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            while left > 0 and (chunk := await asyncio.to_thread(opened.read, min(_CHUNK, left))):
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
            if left > 0 or not self._size:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def _accepted(request: Request) -> frozenset[str]:
    """The content codings that are welcome (RFC 9110 §12.5.3)."""
    welcome = set()
    for item in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, rest = item.partition(";")
        if not re.search(r"q\s*=\s*0(\.0*)?\s*$", rest):
            welcome.add(name.strip())
    return frozenset(welcome)


def _is_current(request: Request, tag: str, changed: datetime) -> bool:
    """Whether the client has this already; If-None-Match decides where it is given (RFC 9110 §13.2.2)."""
    known = request.headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in known.split(",")}
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except (ValueError, TypeError, OverflowError):
        return False
    return changed <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _cache(named: Path) -> str:
    if _HASHED.search(named.name):
        return _FOREVER
    return _PAGE if named.suffix in _PAGES else _OTHER


def _type(named: Path) -> str:
    if named.suffix in (".gz", ".br"):  # asked for by that name, to be kept packed
        return "application/octet-stream"
    return _TYPES.get(named.suffix) or mimetypes.guess_type(named.name)[0] or "application/octet-stream"


def _quoted(parts: list[str]) -> str:
    from urllib.parse import quote

    return "/".join(quote(part) for part in parts)
