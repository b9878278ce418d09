"""What a data directory is given once: an environment, a sign-in, tokens, and with the demo its alert sources."""

from __future__ import annotations

import secrets

from investigations.accounts import services as accounts
from investigations.accounts.actors import SYSTEM
from investigations.accounts.models import AccessToken, Environment, TokenKind, User
from investigations.alerts import services as alerts
from investigations.alerts.models import AlertSource
from investigations.lib import ids
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession

from .home import Home

USERNAME = "admin"
PULL_EVERY = 2  # seconds; a demo shows in seconds what takes minutes in production


def seed(home: Home, environment_name: str) -> Environment:
    """Make what is missing in the database, and write it down in the data directory.

    Runs at every start: a database that was emptied, or a folder that was lost, is made whole again.
    """
    environment = accounts.ensure_environment(by=SYSTEM, name=environment_name)
    owner = _admin(home)
    for kind in TokenKind:
        _token(home, environment, owner, kind)
    return environment


def watch(home: Home, environment: Environment, prometheus: str, alertmanager: str) -> None:
    """Have alerts pulled from that Prometheus and Alertmanager, and remember where the latter sends its own."""
    _source(environment, "prometheus", prometheus)
    source, made = _source(environment, "alertmanager", alertmanager)
    if made or "webhook_token" not in home.credentials():
        secret = alerts.rotate_webhook_secret(by=SYSTEM, source=source)
        home.remember(webhook_path=f"/api/v1/webhooks/{ids.show('src', source.id)}", webhook_token=secret)


def open_first_session(environment: Environment) -> None:
    """Where no alert can fire, the demo begins with a session that somebody opened because of what they heard."""
    if not InvestigationSession.objects.filter(environment=environment).exists():
        sessions.open_session(
            by=SYSTEM,
            environment=environment,
            title="Settlements are rejected",
            symptom="The desk says that some five in a hundred trades are declined with code 57.",
        )


def _admin(home: Home) -> User:
    """The sign-in made for this directory; its password is set anew when the directory no longer knows it."""
    user = User.objects.filter(username=USERNAME).first()
    if user is not None and "password" in home.credentials():
        return user
    password = secrets.token_urlsafe(12)
    if user is None:
        user = accounts.create_user(by=SYSTEM, username=USERNAME, password=password, is_superuser=True)
    else:
        user.set_password(password)
        user.save(update_fields=["password"])
    home.remember(username=USERNAME, password=password)
    return user


def _token(home: Home, environment: Environment, owner: User, kind: TokenKind) -> None:
    """A token of that kind, unless the one this directory remembers is still good."""
    name = f"{kind.label.lower()} of {environment.name}"
    remembered = home.credentials().get(f"{kind}_token", "")
    current = AccessToken.objects.filter(
        owner=owner, environment=environment, kind=kind, name=name, revoked_at=None
    )
    if any(remembered.startswith(f"sl{kind[0]}_{token.public_id}_") for token in current):
        return
    _, text = accounts.issue_access_token(
        by=SYSTEM, kind=kind, name=name, owner=owner, environment=environment
    )
    home.remember(**{f"{kind}_token": text})


def _source(environment: Environment, backend: str, url: str) -> tuple[AlertSource, bool]:
    """The source of that backend, at that address, and whether it was made now."""
    source = AlertSource.objects.filter(environment=environment, name=backend).first()
    if source is None:
        made = alerts.create_source(
            by=SYSTEM, environment=environment, name=backend, backend=backend, url=url, every_s=PULL_EVERY
        )
        return made, True
    if source.url != url:
        source = alerts.update_source(by=SYSTEM, source=source, url=url)
    return source, False
