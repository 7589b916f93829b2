"""What does the web answer to one address? HEAD, then GET where HEAD says little; redirections by hand, each one judged."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, partial

import httpcore
import httpx

from newsletter import __version__
from newsletter.checks.online.guard import (
    Address,
    GuardedBackend,
    NoHostError,
    RefusedError,
    is_public,
    resolved,
)

SECONDS = 10.0
MOST_HOPS = 5
# A picture is read this far, where the server doesn't say how large it is.
_ENOUGH = 2_000_000
_USER_AGENT = (
    f"newsletter-toolkit/{__version__} (newsletter check --online: looks once at the links of a letter)"
)
_PERMANENT = frozenset((301, 308))
_REDIRECTIONS = frozenset((301, 302, 303, 307, 308))


class Failure(Enum):
    """Why there is no answer."""

    NO_HOST = auto()
    OFFLINE = auto()
    PRIVATE = auto()
    UNREACHABLE = auto()
    SLOW = auto()
    CERTIFICATE = auto()
    CIRCLE = auto()
    NO_ADDRESS = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking.

    Attributes:
        status: the last one; 0 where none came.
        moved_to: the address all of a page's redirections lead to, if each is for good.
        size: bytes of a picture, or the least it has; 0 where nobody knows.
        failure: why no status came.
        by_machine: whether the server only wants to see a browser.
    """

    status: int = 0
    moved_to: str = ""
    size: int = 0
    failure: Failure | None = None
    by_machine: bool = False


def fetch(
    url: str,
    *,
    picture: bool = False,
    may_reach: Callable[[Address], bool] = is_public,
    resolve: Callable[[str, int], list[Address]] = resolved,
    seconds: float = SECONDS,
) -> Answer:
    """Ask for an address as a stranger would: without cookies, proxies or credentials; never raises.

    Args:
        url: an `http` or `https` address.
        picture: whether its size matters.
        may_reach: judges the addresses of hosts; for tests.
        resolve: finds the addresses of hosts; for tests.
        seconds: for all of it, redirections included.
    """
    backend = GuardedBackend(time.monotonic() + seconds, may_reach, resolve)
    try:
        with httpcore.ConnectionPool(ssl_context=_trust(), network_backend=backend, http2=False) as pool:
            return _followed(pool, httpx.URL(url), picture=picture)
    except RefusedError:
        return Answer(failure=Failure.PRIVATE)
    except NoHostError as error:
        return Answer(failure=Failure.OFFLINE if error.for_now else Failure.NO_HOST)
    except httpcore.TimeoutException:
        return Answer(failure=Failure.SLOW)
    except httpcore.ConnectError as error:
        return Answer(failure=Failure.CERTIFICATE if _is_certificate(error) else Failure.UNREACHABLE)
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
        ssl.SSLError,
        OSError,
    ):
        return Answer(failure=Failure.UNREACHABLE)
    except (httpx.InvalidURL, ValueError):
        return Answer(failure=Failure.NO_ADDRESS)


def _followed(pool: httpcore.ConnectionPool, url: httpx.URL, *, picture: bool) -> Answer:
    for_good, first = True, url
    for _ in range(MOST_HOPS + 1):
        if url.scheme not in {"http", "https"} or not url.host:
            return Answer(failure=Failure.NO_ADDRESS)
        answer, location, status = _asked(pool, url, picture=picture)
        if not location:
            moved = for_good and url != first and 200 <= status < 300
            size = answer.size if picture else 0
            return Answer(status, str(url) if moved else "", size, by_machine=answer.by_machine)
        for_good = for_good and status in _PERMANENT
        fragment = url.fragment
        url = url.join(location)
        if fragment and not url.fragment:
            url = url.copy_with(fragment=fragment)
    return Answer(failure=Failure.CIRCLE)


def _asked(pool: httpcore.ConnectionPool, url: httpx.URL, *, picture: bool) -> tuple[Answer, str, int]:
    """The answer of one server: HEAD, unless what it says has to be seen to be believed."""
    ask = partial(_request, pool, url)
    answer, location = ask("HEAD", read=0)
    # Many servers refuse HEAD, answer it with an error of their own, or leave out the size.
    if not location and (answer.status >= 400 or (picture and not answer.size)) and answer.status != 429:
        answer, location = ask("GET", read=_ENOUGH if picture else 0)
    return answer, location, answer.status


def _request(pool: httpcore.ConnectionPool, url: httpx.URL, method: str, *, read: int) -> tuple[Answer, str]:
    """Status and size, and where a redirection leads; at most `read` bytes of the body are read."""
    headers = [
        ("Host", url.netloc.decode()),
        ("User-Agent", _USER_AGENT),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
    ]
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    with pool.stream(method, target, headers=headers) as response:
        said = {name.lower(): value for name, value in response.headers}
        status = response.status
        length = said.get(b"content-length", b"")
        size = int(length) if length.isdigit() and len(length) < 15 and status == 200 else 0
        if read and not size and status == 200:
            for chunk in response.iter_stream():
                size += len(chunk)
                if size >= read:
                    break
        location = said.get(b"location", b"").decode("latin-1") if status in _REDIRECTIONS else ""
        by_machine = said.get(b"cf-mitigated") == b"challenge"
    return Answer(status, size=size, by_machine=by_machine), location


def _is_certificate(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


@cache
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()
