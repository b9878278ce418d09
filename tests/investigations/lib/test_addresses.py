"""Where our own requests may go."""

from __future__ import annotations

import socket

import pytest

from investigations.lib import addresses
from investigations.lib.addresses import RefusedAddress, check_url, resolve


@pytest.mark.parametrize("url", ["http://prometheus:9090", "https://10.0.0.7/prom", "http://[::1]:9090/"])
def test_a_backends_address_is_allowed(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "Only http"),
        ("gopher://host/", "Only http"),
        ("prometheus:9090", "Only http"),
        ("http://", "names no host"),
        ("http://user:secret@host/", "would be logged"),
        ("http://host:99999/", "is no URL"),
        ("http://[::1", "is no URL"),
    ],
)
def test_other_urls_are_refused_with_a_reason(url: str, why: str) -> None:
    with pytest.raises(RefusedAddress, match=why):
        check_url(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "192.168.0.4", "::1", "fd12::1", "8.8.8.8"])
def test_private_and_public_hosts_may_be_asked(host: str) -> None:
    assert str(resolve(host, 80)) == host


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
        "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "2852039166",
    ],
)  # fmt: skip
def test_metadata_and_nonsense_addresses_are_refused(host: str) -> None:
    with pytest.raises((RefusedAddress, OSError)):
        resolve(host, 80)


def test_one_bad_address_among_good_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> list[tuple[object, ...]]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("10.0.0.1", 80)), (*kind, ("169.254.169.254", 80))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", look_up)
    with pytest.raises(RefusedAddress, match="is 169"):
        resolve("rebinding.example", 80)
