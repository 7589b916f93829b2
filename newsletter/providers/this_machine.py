"""Does a host lead to this very machine? Then nobody else sees what is said to it: no TLS, no proxy and no login are asked for."""

from __future__ import annotations

from ipaddress import ip_address


def is_this_machine(host: str | None) -> bool:
    """Whether a host, by its name or its address without brackets, is this machine (RFC 6761, section 6.3; RFC 1122, 3.2.1.3)."""
    if host is None:
        return False
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
