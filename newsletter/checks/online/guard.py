"""Which machine does a host name lead to, and may it be asked? A link must not reach into the author's own network.

The name is resolved once, every address it has is judged, and the connection goes to an address that was
judged: a name that resolves otherwise the next time (DNS rebinding) wins nothing. Redirections come through here as well.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpcore

Address = IPv4Address | IPv6Address
_NAT64 = ip_network("64:ff9b::/96")


class RefusedError(Exception):
    """The host is inside a private network, or no host of the Internet."""


class NoHostError(Exception):
    """There is no such host; `for_now` where the resolver couldn't be asked."""

    def __init__(self, message: str, *, for_now: bool) -> None:
        super().__init__(message)
        self.for_now = for_now


def is_public(address: Address) -> bool:
    """Whether an address is one of the Internet's: also within IPv6 forms that carry an IPv4 address.

    Cloud metadata services, 169.254.169.254 and fd00:ec2::254, are link-local and private.
    """
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inside = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inside is not None:
            return is_public(inside)
        if (
            int(address) < 1 << 32 or address.is_site_local
        ):  # IPv4-compatible (RFC 4291, 2.5.5.1), or deprecated
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolved(host: str, port: int) -> list[Address]:
    """All addresses of a host, in the order the system prefers.

    Raises:
        NoHostError: there are none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NoHostError(host, for_now=error.errno == socket.EAI_AGAIN) from error
    except (UnicodeError, ValueError) as error:
        raise NoHostError(host, for_now=False) from error
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


class GuardedBackend(httpcore.NetworkBackend):
    """Connects for httpcore, to judged addresses only, and lets nothing last past a deadline.

    Args:
        deadline: on the clock of `time.monotonic`.
        may_reach: judges an address.
        resolve: finds a host's addresses.
    """

    def __init__(
        self,
        deadline: float,
        may_reach: Callable[[Address], bool] = is_public,
        resolve: Callable[[str, int], list[Address]] = resolved,
    ) -> None:
        self._deadline = deadline
        self._may_reach = may_reach
        self._resolve = resolve
        self._connect = httpcore.SyncBackend().connect_tcp

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is nearer
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers.

        Raises:
            RefusedError: one of the host's addresses may not be reached.
            NoHostError: it has none.
            httpcore.ConnectError: none answers.
            httpcore.ConnectTimeout: time is up.
        """
        addresses = self._resolve(host.strip("[]"), port)
        # One private address among public ones is an attack or a mistake, and which one is asked is chance.
        if not addresses or not all(map(self._may_reach, addresses)):
            raise RefusedError(host)
        last: Exception = httpcore.ConnectError(host)
        for address in addresses[:3]:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise httpcore.ConnectTimeout
            try:
                stream = self._connect(str(address), port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
                continue
            return _Stream(stream, self._deadline)
        raise last


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends at the deadline: a server that sends a byte a second is a slow one."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def _left(self) -> float:
        return max(0.001, self._deadline - time.monotonic())

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as above
        return self._stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        self._stream.write(buffer, self._left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._left()), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
