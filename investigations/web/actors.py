"""Who looks at a page, and the rows behind the public ids in its address."""

from __future__ import annotations

import uuid
from typing import cast

from django.http import HttpRequest

from investigations.accounts.actors import Actor
from investigations.accounts.models import User
from investigations.accounts.signing_in import address_of
from investigations.lib import ids
from investigations.lib.errors import NotFound


def actor(request: HttpRequest) -> Actor:
    """The person signed in; every view that asks stands behind `login_required`."""
    return Actor.person(cast(User, request.user), address=address_of(request))


def id_in_address(prefix: str, text: str) -> uuid.UUID:
    """The id in an address; text that is none is simply not there."""
    try:
        return ids.read(prefix, text)
    except ids.BadId as error:
        raise NotFound("not_found", "There is nothing at this address.", fix="Check the link.") from error
