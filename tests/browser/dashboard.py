"""A real dashboard for browser tests: Daphne on the test database, and an investigation with something in it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.db import SessionStore
from playwright.sync_api import Page

from tests.gateway import GatewayProcess


@dataclass(frozen=True)
class Dashboard:
    """Where it is, who signs in, the address of each page, and how one more capture is made."""

    daphne: GatewayProcess
    user: AbstractBaseUser
    places: dict[str, str]
    capture: Callable[[], object]

    def sign_in(self, page: Page) -> None:
        """Give the page a sign-in without the form, which the walk fills."""
        store = SessionStore()
        store["_auth_user_id"] = str(self.user.pk)
        store["_auth_user_backend"] = "investigations.accounts.signing_in.ThrottledBackend"
        store["_auth_user_hash"] = self.user.get_session_auth_hash()
        store.save()
        page.context.add_cookies(
            [
                {
                    "name": "sightline_signin",
                    "value": str(store.session_key),
                    "domain": "127.0.0.1",
                    "path": "/",
                }
            ]
        )

    def crash(self) -> None:
        """End Daphne as a crash would."""
        self.daphne.stop(signal.SIGKILL)
