"""Who may do what, where: one table of actions, asked by every verb and every selector that a door can reach."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, Membership, Role
from investigations.lib.errors import Forbidden, NotFound

# What an action needs: the least role in its environment, and the scope a token must carry.
ACTIONS: dict[str, tuple[Role, str]] = {
    "read": (Role.VIEWER, "read"),
    "open_session": (Role.RESPONDER, "write"),
    "edit_session": (Role.RESPONDER, "write"),
    "place_probe": (Role.RESPONDER, "write"),
    "remove_probe": (Role.RESPONDER, "write"),
    "record_evidence": (Role.RESPONDER, "write"),
    "edit_incident": (Role.RESPONDER, "write"),
    "label_executions": (Role.RESPONDER, "write"),
    "manage_own_tokens": (Role.VIEWER, "admin"),
    "disarm_all": (Role.RESPONDER, "write"),
    "manage_sources": (Role.ADMIN, "admin"),
    "manage_redaction": (Role.ADMIN, "admin"),
    "manage_tokens": (Role.ADMIN, "admin"),
    "manage_people": (Role.ADMIN, "admin"),
    "read_audit": (Role.ADMIN, "admin"),
}
_RANK = {role: rank for rank, role in enumerate(Role)}


def role_in(actor: Actor, environment: Environment) -> Role | None:
    """The actor's role there, None for a stranger."""
    if actor.user is None or not actor.user.is_active:
        return None
    if actor.token is not None and actor.token.environment_id not in (None, environment.id):
        return None
    if actor.user.is_superuser:
        return Role.ADMIN
    membership = Membership.objects.filter(user=actor.user, environment=environment).first()
    return Role(membership.role) if membership else None


def may(actor: Actor, action: str, environment: Environment) -> bool:
    """Whether the actor may do this there."""
    least, scope = ACTIONS[action]
    if actor.kind == "system":
        return True
    if actor.token is not None and scope not in actor.token.scopes:
        return False
    role = role_in(actor, environment)
    return role is not None and _RANK[role] >= _RANK[least]


def require(actor: Actor, action: str, environment: Environment) -> None:
    """Raise unless the actor may: `Forbidden` for a member, `NotFound` for a stranger, who must learn nothing."""
    if may(actor, action, environment):
        return
    if not may(actor, "read", environment):
        raise NotFound("not_found", "There is no such thing, or it is not yours to see.")
    least, scope = ACTIONS[action]
    raise Forbidden(
        "forbidden",
        f"This needs the role {least.value} in {environment.name}"
        + (f" and a token with the scope {scope}." if actor.token else "."),
        fix="Ask an admin of that environment for the role, or use a token with that scope.",
    )


def visible_environments(actor: Actor) -> QuerySet[Environment]:
    """The environments this actor may read; the filter behind every list."""
    everywhere = Environment.objects.all()
    if actor.kind == "system":
        return everywhere
    if actor.user is None or not actor.user.is_active or (actor.token and "read" not in actor.token.scopes):
        return everywhere.none()
    if actor.token is not None and actor.token.environment_id is not None:
        everywhere = everywhere.filter(pk=actor.token.environment_id)
    if actor.user.is_superuser:
        return everywhere
    return everywhere.filter(memberships__user=actor.user)


def environments_where(actor: Actor, action: str, among: Iterable[Environment]) -> list[Environment]:
    """Those of ``among`` where the actor may do this."""
    return [environment for environment in among if may(actor, action, environment)]
