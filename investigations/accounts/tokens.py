"""What a token looks like, what is kept of it, and whether what someone presents is one of ours.

    sla_6c1f0d9e2ab34577_bX4…       sl + the kind's letter, the public id, 256 random bits

Agents and programs present the whole text, so its SHA-256 is kept (a random secret needs no slow hash). A sensor proves
its token without sending it, so the two keys of `sightline.handshake` are kept instead.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, TokenKind
from investigations.lib.errors import Unauthorized
from sightline import handshake

_LETTERS = {TokenKind.SENSOR: "s", TokenKind.AGENT: "a", TokenKind.PROGRAM: "p"}
_TEXT = re.compile(r"sl([ap])_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_USE_NOTED_EVERY = timedelta(minutes=1)
_NO_DIGEST = bytes(hashlib.sha256().digest_size)


def new_secret() -> tuple[str, str]:
    """A public id and the secret that goes with it."""
    return secrets.token_hex(8), secrets.token_urlsafe(32)


def text(token: AccessToken, secret: str) -> str:
    """The token as its holder keeps it."""
    return f"sl{_LETTERS[TokenKind(token.kind)]}_{token.public_id}_{secret}"


def proofs(kind: str, secret: str) -> dict[str, bytes]:
    """The columns that recognise the secret later."""
    if kind == TokenKind.SENSOR:
        keys = handshake.derive(secret)
        return {"stored_key": keys.stored_key, "server_key": keys.server_key}
    return {"digest": _digest(secret)}


def authenticate_bearer(text: str, address: str | None = None) -> Actor:
    """Whoever presents this token. Raises `Unauthorized`: token_unknown, token_expired or token_revoked.

    Only who knows the secret learns whether the token has ended; to anyone else it is unknown.
    """
    parts = _TEXT.fullmatch(text.strip())
    token = _named(parts[2]) if parts else None
    presented = _digest(parts[3] if parts else "")
    kept = bytes(token.digest) if token else _NO_DIGEST
    if not hmac.compare_digest(presented, kept) or token is None or parts is None:
        raise _unknown()
    if _LETTERS[TokenKind(token.kind)] != parts[1]:
        raise _unknown()
    _require_alive(token)
    _note_use(token)
    return Actor.bearer(token, address=address)


def sensor_keys(public_id: str) -> tuple[AccessToken, handshake.Keys]:
    """A sensor token and the keys its proof is checked with. Raises `Unauthorized` as `authenticate_bearer` does."""
    token = _named(public_id)
    if token is None or token.kind != TokenKind.SENSOR:
        raise _unknown()
    _require_alive(token)
    _note_use(token)
    return token, handshake.Keys(bytes(token.stored_key), bytes(token.server_key))


def _named(public_id: str) -> AccessToken | None:
    return AccessToken.objects.select_related("owner", "environment").filter(public_id=public_id[:16]).first()


def _require_alive(token: AccessToken) -> None:
    if token.revoked_at is not None:
        raise Unauthorized("token_revoked", "This token was revoked.", fix="Ask for a new one.")
    if token.expires_at is not None and token.expires_at <= timezone.now():
        raise Unauthorized(
            "token_expired", f"This token expired at {token.expires_at:%F %T} UTC.", fix="Make another."
        )
    if not token.owner.is_active:
        raise Unauthorized(
            "token_revoked", "The owner of this token may no longer act.", fix="Ask for a new one."
        )


def _note_use(token: AccessToken) -> None:
    """Written once a minute at most: a busy agent must not turn each call into a write."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_NOTED_EVERY)
    if token.last_used_at is None or token.last_used_at < now - _USE_NOTED_EVERY:
        AccessToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _unknown() -> Unauthorized:
    return Unauthorized("token_unknown", "This is no token of ours.", fix="Copy it again, or make a new one.")
