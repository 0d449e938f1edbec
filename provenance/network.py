"""Whom this machine talks to where somebody else names the address: imports by URL, webhooks.

Every address is checked at the moment its socket is made, after the name was resolved: a name
that resolves anew (DNS rebinding), a redirect and an odd spelling of an address all pass here.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    import aiohttp

NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Allowed = Callable[[Address], bool]


class AddressRefused(OSError):
    """Raised where the socket would be made, so that nothing is sent."""


def is_public(address: Address) -> bool:
    """Whether `address` is one of the whole internet's, in whatever form it is wrapped."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def allowed() -> Allowed:
    """What the settings let strangers' addresses be."""
    return _any_address if settings.ALLOW_PRIVATE_ADDRESSES else is_public


def session(allowed: Allowed, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    """A session without a proxy whose sockets lead to allowed addresses only.

    Requests in it raise AddressRefused, wrapped by aiohttp, where the address is not allowed.
    """
    import aiohttp

    def make_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, place = info
        if not allowed(ipaddress.ip_address(place[0].split("%")[0])):
            raise AddressRefused(f"{place[0]} is not a public address")
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(socket_factory=make_socket, use_dns_cache=False)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)


def _any_address(_: Address) -> bool:
    return True
