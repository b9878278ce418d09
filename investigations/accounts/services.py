"""What is done to people, roles and tokens, and the audit that remembers it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from investigations.accounts import permissions, tokens
from investigations.accounts.actors import Actor
from investigations.accounts.models import (
    AccessToken,
    AuditEntry,
    Environment,
    Membership,
    Role,
    TokenKind,
    User,
)
from investigations.accounts.tokens import authenticate_bearer, sensor_keys
from investigations.lib.errors import Conflict, Forbidden, Invalid, NotFound
from investigations.live import publish, topics

__all__ = [
    "audit",
    "authenticate_bearer",
    "create_user",
    "ensure_environment",
    "issue_access_token",
    "revoke_access_token",
    "sensor_keys",
    "set_role",
]
HASH_KEY_BYTES = 32
SCOPES = ("read", "write", "admin")


def audit(
    *,
    by: Actor,
    action: str,
    target: str = "",
    environment: Environment | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Remember one act of access or administration. ``action`` is noun_verbed, as token_revoked."""
    return AuditEntry.objects.create(
        environment=environment,
        actor_kind=by.kind,
        actor_label=by.label[:200],
        user=by.user,
        token=by.token,
        action=action,
        target=target[:255],
        detail=dict(detail or {}),
        address=by.address,
    )


@transaction.atomic
def ensure_environment(*, by: Actor, name: str) -> Environment:
    """The environment of that name, made with a key of its own when it is new."""
    _require_installation_admin(by)
    try:
        validate_slug(name)
    except ValidationError:
        raise Invalid(
            "environment_name",
            f"{name[:63]!r} cannot name an environment.",
            fix="Use letters, digits, hyphens and underscores, as production-eu.",
        ) from None
    environment, new = Environment.objects.get_or_create(
        name=name, defaults={"hash_key": secrets.token_bytes(HASH_KEY_BYTES)}
    )
    if new:
        audit(by=by, action="environment_created", target=name, environment=environment)
    return environment


@transaction.atomic
def create_user(
    *, by: Actor, username: str, password: str, is_superuser: bool = False, email: str = ""
) -> User:
    """A person who can sign in and sees nothing yet; a superuser is an admin everywhere."""
    if is_superuser:
        _require_installation_admin(by)
    else:
        _require_admin_somewhere(by)
    user = User(username=username, email=email, is_superuser=is_superuser, is_staff=is_superuser)
    _check_new_user(user, password)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise Conflict(
            "username_taken", f"Someone is called {username} already.", fix="Choose another name."
        ) from None
    audit(by=by, action="user_created", target=username, detail={"is_superuser": is_superuser})
    return user


def _check_new_user(user: User, password: str) -> None:
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as problem:
        raise Invalid(
            "user_malformed", " ".join(problem.messages), fix="Correct the name or the address."
        ) from None
    try:
        validate_password(password, user)
    except ValidationError as problem:
        raise Invalid("password_weak", " ".join(problem.messages), fix="Choose a longer password.") from None


@transaction.atomic
def set_role(
    *, by: Actor, user: User, environment: Environment, role: Role | str | None
) -> Membership | None:
    """Give someone a role in an environment, or with None take it away."""
    permissions.require(by, "manage_people", environment)
    if role is not None and role not in Role.values:
        raise Invalid("role_unknown", f"There is no role {str(role)[:30]!r}.", roles=Role.values)
    before = Membership.objects.select_for_update().filter(user=user, environment=environment).first()
    membership = None
    if role is None:
        Membership.objects.filter(user=user, environment=environment).delete()
    else:
        membership, _ = Membership.objects.update_or_create(
            user=user, environment=environment, defaults={"role": role}
        )
    audit(
        by=by,
        action="role_set",
        target=user.get_username(),
        environment=environment,
        detail={"from": before.role if before else None, "to": str(role) if role else None},
    )
    return membership


@transaction.atomic
def issue_access_token(
    *,
    by: Actor,
    kind: TokenKind | str,
    name: str,
    owner: User,
    environment: Environment | None = None,
    service: str = "",
    scopes: Collection[str] = ("read", "write"),
    expires_at: datetime | None = None,
) -> tuple[AccessToken, str]:
    """A new token and its text, which is shown this once: only what proves it is kept.

    A token acts as its owner, so only the owner may have one made, and a token can make none that reaches further
    than itself.
    """
    _check_token(kind=kind, name=name, environment=environment, scopes=scopes, expires_at=expires_at)
    _require_token_right(by, kind, environment)
    if owner != by.user and by.kind != "system":
        raise Forbidden("token_owner", "A token acts as its owner, so only its owner can have it made.")
    _require_no_further(by, environment, scopes, expires_at)
    public_id, secret = tokens.new_secret()
    token = AccessToken.objects.create(
        public_id=public_id,
        kind=kind,
        name=name.strip(),
        owner=owner,
        environment=environment,
        service=service if kind == TokenKind.SENSOR else "",
        scopes=[] if kind == TokenKind.SENSOR else sorted(scopes),
        expires_at=expires_at,
        **tokens.proofs(kind, secret),
    )
    audit(
        by=by,
        action="token_issued",
        target=public_id,
        environment=environment,
        detail={"name": token.name, "kind": str(kind), "scopes": token.scopes, "service": token.service},
    )
    return token, tokens.text(token, secret)


def _check_token(
    *,
    kind: str,
    name: str,
    environment: Environment | None,
    scopes: Collection[str],
    expires_at: datetime | None,
) -> None:
    if kind not in TokenKind.values:
        raise Invalid("token_kind", f"There is no token of kind {str(kind)[:30]!r}.", kinds=TokenKind.values)
    if not name.strip() or len(name) > 100:
        raise Invalid(
            "token_name", "A token needs a name of at most 100 characters.", fix="Say who will hold it."
        )
    if kind == TokenKind.SENSOR and environment is None:
        raise Invalid(
            "token_environment", "A sensor token belongs to one environment.", fix="Choose the environment."
        )
    unknown = set(scopes) - set(SCOPES)
    if unknown or not scopes:
        raise Invalid("token_scopes", "A token carries at least one of the scopes.", scopes=list(SCOPES))
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("token_expiry", "That time is past already.", fix="Choose a time to come, or none.")


def _require_token_right(by: Actor, kind: str, environment: Environment | None) -> None:
    """A sensor token lets a process report as a service, which is an admin's to allow; others are their owner's own."""
    if environment is None:
        if by.token is not None and "admin" not in by.token.scopes:
            raise Forbidden("forbidden", "This needs a token with the scope admin.")
        return
    permissions.require(by, "manage_tokens" if kind == TokenKind.SENSOR else "manage_own_tokens", environment)


def _require_no_further(
    by: Actor, environment: Environment | None, scopes: Collection[str], expires_at: datetime | None
) -> None:
    """What a token makes must not outreach it in place, scope or time."""
    maker = by.token
    if maker is None:
        return
    elsewhere = maker.environment_id is not None and (
        environment is None or environment.id != maker.environment_id
    )
    longer = maker.expires_at is not None and (expires_at is None or expires_at > maker.expires_at)
    if elsewhere or longer or not set(scopes) <= set(maker.scopes):
        raise Forbidden(
            "token_exceeds_maker",
            "A token cannot make one that reaches further than itself.",
            fix="Name the same environment, no more scopes and no later expiry, or sign in and make it on the page.",
        )


@transaction.atomic
def revoke_access_token(*, by: Actor, token: AccessToken) -> AccessToken:
    """End a token at once; whoever is connected with it is dropped. Revoking twice changes nothing."""
    _require_revocable(by, token)
    ended = AccessToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now())
    token.refresh_from_db()
    if ended:
        audit(
            by=by,
            action="token_revoked",
            target=token.public_id,
            environment=token.environment,
            detail={"name": token.name, "kind": token.kind},
        )
        if token.environment_id is not None:
            topic = topics.environment_topic(token.environment_id)
            publish.after_commit(topic, {"what": "token_revoked", "id": str(token.id)})
    return token


def _require_revocable(by: Actor, token: AccessToken) -> None:
    """Its owner may, and whoever manages tokens where it belongs; for others it does not exist."""
    own = by.user == token.owner and (by.token is None or "admin" in by.token.scopes)
    if by.kind == "system" or own or (by.user and by.user.is_superuser and by.token is None):
        return
    if token.environment is None:
        raise NotFound("not_found", "There is no such token, or it is not yours to see.")
    permissions.require(by, "manage_tokens", token.environment)


def _require_installation_admin(by: Actor) -> None:
    acts_as_admin = by.user is not None and by.user.is_active and by.user.is_superuser
    whole = by.token is None or ("admin" in by.token.scopes and by.token.environment_id is None)
    if by.kind != "system" and not (acts_as_admin and whole):
        raise Forbidden("forbidden", "This needs an admin of the whole installation.")


def _require_admin_somewhere(by: Actor) -> None:
    places = permissions.visible_environments(by)
    if by.kind == "system" or (by.user and by.user.is_superuser and by.token is None):
        return
    if not permissions.environments_where(by, "manage_people", places):
        raise Forbidden("forbidden", "This needs the role admin in some environment.")
