"""Whoever acts: a person, an agent on a person's behalf, a program, or the system itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from investigations.accounts.models import AccessToken, User

ActorKind = Literal["person", "agent", "program", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Passed to every verb as ``by``. ``user`` is whose authority is used; None only for the system."""

    kind: ActorKind
    label: str
    user: User | None = None
    token: AccessToken | None = None
    address: str | None = None

    @classmethod
    def person(cls, user: User, *, address: str | None = None) -> Actor:
        """Someone signed in to the pages."""
        return cls("person", user.get_full_name() or user.get_username(), user, None, address)

    @classmethod
    def bearer(cls, token: AccessToken, *, address: str | None = None) -> Actor:
        """Whoever holds an agent's or a program's token."""
        kind: ActorKind = "agent" if token.kind == "agent" else "program"
        return cls(kind, token.name, token.owner, token, address)

    @property
    def attribution(self) -> str:
        """How others read who acted: an agent or a program, and on whose behalf."""
        if self.token is None or self.user is None:
            return self.label
        return f"{self.label} for {self.user.get_full_name() or self.user.get_username()}"


SYSTEM = Actor("system", "Sightline")
