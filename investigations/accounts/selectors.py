"""What an actor may learn of environments, people, tokens and the audit log."""

from __future__ import annotations

import uuid

from django.db.models import Q, QuerySet

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, AuditEntry, Environment, Membership
from investigations.lib.errors import NotFound


def environments(by: Actor) -> QuerySet[Environment]:
    """Those the actor may read, by name."""
    return permissions.visible_environments(by)


def environment_named(by: Actor, name: str) -> Environment:
    """The environment of that name. Raises `NotFound`, with those there are, also when it is not the actor's to see."""
    seen = environments(by)
    found = seen.filter(name=name).first()
    if found is None:
        raise NotFound(
            "environment_unknown",
            f"There is no environment {name[:63]!r} that you may see.",
            fix="Choose one of the environments named here.",
            environments=[environment.name for environment in seen[:20]],
        )
    return found


def members(by: Actor, environment: Environment) -> QuerySet[Membership]:
    """Who has a role there, by name of the person."""
    permissions.require(by, "read", environment)
    return environment.memberships.select_related("user").order_by("user__username")


def tokens_visible(by: Actor) -> QuerySet[AccessToken]:
    """The actor's own tokens, and all those of environments where the actor manages tokens; newest first."""
    managed = permissions.environments_where(by, "manage_tokens", environments(by))
    mine = Q(owner=by.user) if by.user is not None else Q()
    visible = AccessToken.objects.filter(mine | Q(environment__in=managed))
    if by.token is not None and by.token.environment_id is not None:
        visible = visible.filter(environment=by.token.environment_id)
    return visible.select_related("owner", "environment")


def token(by: Actor, id: uuid.UUID) -> AccessToken:
    """One of `tokens_visible`. Raises `NotFound`."""
    found = tokens_visible(by).filter(pk=id).first()
    if found is None:
        raise NotFound("not_found", "There is no such token, or it is not yours to see.")
    return found


def audit_entries(
    by: Actor, environment: Environment, *, before: uuid.UUID | None = None, limit: int = 50, action: str = ""
) -> list[AuditEntry]:
    """A page of the log, newest first; the next page is ``before`` the last entry's id."""
    permissions.require(by, "read_audit", environment)
    entries = AuditEntry.objects.filter(environment=environment)
    if before is not None:
        entries = entries.filter(id__lt=before)
    if action:
        entries = entries.filter(action=action)
    return list(entries[:limit])
