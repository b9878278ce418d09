"""Mutual proof of one sensor token, and the signature of probe sets, without the token ever crossing.

The construction is SCRAM's (RFC 5802 section 3) over SHA-256, without the password stretching: a token is 256
random bits.
The server keeps `Keys` derived from the token, never the token; reading its table lets nobody pose as a sensor.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

NONCE_BYTES = 32


class Keys(NamedTuple):
    """What a server stores of a token: enough to check a sensor's proof and to give its own."""

    stored_key: bytes
    server_key: bytes


def derive(secret: str) -> Keys:
    """The server's half of a token's secret part."""
    return Keys(hashlib.sha256(_client_key(secret)).digest(), _mac(secret.encode(), b"sightline server key"))


def transcript(hello: bytes, challenge: bytes) -> bytes:
    """What both proofs speak of: the two frames exactly as they crossed."""
    return hashlib.sha256(hashlib.sha256(hello).digest() + hashlib.sha256(challenge).digest()).digest()


def sensor_proof(secret: str, said: bytes) -> bytes:
    """The client key, masked so that only who knows the stored key can lift the mask."""
    return _xor(_client_key(secret), _mac(derive(secret).stored_key, said))


def sensor_proof_holds(keys: Keys, said: bytes, proof: bytes) -> bool:
    """Whether ``proof`` could only come from who holds the token."""
    if len(proof) != hashlib.sha256().digest_size:
        return False
    client_key = _xor(proof, _mac(keys.stored_key, said))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)


def server_proof(server_key: bytes, said: bytes) -> bytes:
    """The gateway's answer, checked by the sensor before it believes a word."""
    return _mac(server_key, b"welcome" + said)


def signing_key(server_key: bytes, said: bytes) -> bytes:
    """This connection's key for probe sets: a recorded set cannot be played into another connection."""
    return _mac(server_key, b"probe sets" + said)


def sign_probe_set(key: bytes, *, revision: int, part: int, parts: int, body: bytes) -> bytes:
    """MAC of one part of a probe set; the numbers are 8 bytes each, big-endian."""
    numbers = b"".join(number.to_bytes(8, "big") for number in (revision, part, parts))
    return _mac(key, numbers + body)


def probe_set_holds(key: bytes, *, revision: int, part: int, parts: int, body: bytes, mac: bytes) -> bool:
    """Whether this part was signed on this connection by who knows the token."""
    return hmac.compare_digest(mac, sign_probe_set(key, revision=revision, part=part, parts=parts, body=body))


def sign_terms(key: bytes, *, revision: int, body: bytes) -> bytes:
    """MAC of new terms; ``key`` is the connection's signing key. What is signed can be no part of a probe set."""
    return _mac(key, b"terms" + revision.to_bytes(8, "big") + body)


def terms_hold(key: bytes, *, revision: int, body: bytes, mac: bytes) -> bool:
    """Whether these terms were signed on this connection by who knows the token."""
    return hmac.compare_digest(mac, sign_terms(key, revision=revision, body=body))


def _client_key(secret: str) -> bytes:
    return _mac(secret.encode(), b"sightline client key")


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
