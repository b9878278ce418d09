"""Where our own requests may go: a URL a person configured must not lead to a cloud's metadata service.

Private and loopback addresses are allowed, because that is where a team's Prometheus lives.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
"""Metadata services outside the link-local ranges: AWS over IPv6, Alibaba, Azure."""


class RefusedAddress(ValueError):
    """A URL or an address that must not be asked; the text says why."""


def check_url(url: str) -> None:
    """Raise `RefusedAddress` unless this is a plain http(s) URL with a host and no password in it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise RefusedAddress(f"{url[:100]!r} is no URL: {error}.") from error
    if parts.scheme not in ("http", "https"):
        raise RefusedAddress(
            f"Only http and https are asked, not {parts.scheme or 'a URL without a scheme'}."
        )
    if not host:
        raise RefusedAddress(f"{url[:100]!r} names no host.")
    if parts.username or parts.password:
        raise RefusedAddress("A user or password inside the URL would be logged; give them as credentials.")


def resolve(host: str, port: int) -> Address:
    """The first address of ``host``, all of which must be allowed.

    Raises `RefusedAddress`, or `OSError` when the name is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if not _is_allowed(address):
            raise RefusedAddress(f"{host} is {address}, which is no place for a monitoring backend.")
    return addresses[0]


def _is_allowed(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return _is_allowed(address.ipv4_mapped)
    if address.is_loopback:
        return True
    refused = address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved
    return not refused and address not in METADATA
