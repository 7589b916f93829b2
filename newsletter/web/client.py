"""Who asks? The client's network address; what a proxy says of it is believed of our own proxies only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.requests import HTTPConnection


class ProxyTrust:
    """Reads the client's address.

    Args:
        networks: where our own proxies are; empty where clients connect directly.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network) for network in networks]

    def address(self, request: HTTPConnection) -> str:
        """The client's address; empty where there is none, as on a Unix socket.

        Each proxy appends who spoke to it to `X-Forwarded-For`. So it is read from the right, as far
        as our own proxies go; what is left of the first stranger was written by the stranger.
        """
        peer = _parsed(request.client.host if request.client else "")
        if peer is None or not self._trusted(peer):
            return str(peer or "")
        for field in reversed(",".join(request.headers.getlist("x-forwarded-for")).split(",")):
            hop = _parsed(field.strip())
            if hop is None:
                break
            peer = hop
            if not self._trusted(peer):
                break
        return str(peer)

    def _trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        # An interface's name after `%` is known to this machine alone.
        address = ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    # A socket that listens on both families shows IPv4 clients so (RFC 4291 §2.5.5.2).
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
