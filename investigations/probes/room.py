"""How many probes there may be at once, in a session and on a service."""

from __future__ import annotations

from django.db import connection

from investigations.catalog.models import Service
from investigations.lib.errors import Limited
from investigations.sessions.models import InvestigationSession

MOST_IN_SESSION = 50
MOST_ON_SERVICE = 200
"""Active probes: each is looked at on every arrival of every set, and a page shows them all."""

_ROOM = """
SELECT (SELECT count(*) FROM probes_probe WHERE session_id = %(session)s AND state = 'active'),
       (SELECT count(*) FROM probes_probe WHERE service_id = %(service)s AND state = 'active'),
       (SELECT coalesce(max(number), 0) + 1 FROM probes_probe WHERE session_id = %(session)s)
"""


def require_room(session: InvestigationSession, service: Service) -> int:
    """The number that a further probe gets. Raises `Limited` when there are as many active ones as there may be."""
    with connection.cursor() as cursor:
        cursor.execute(_ROOM, {"session": session.pk, "service": service.pk})
        in_session, on_service, number = cursor.fetchone()
    for active, most, where in (
        (in_session, MOST_IN_SESSION, "this session"),
        (on_service, MOST_ON_SERVICE, service.name),
    ):
        if active >= most:
            raise Limited(
                "probes_too_many",
                f"There are {most} active probes in {where}.",
                fix="Remove one that has answered.",
            )
    return int(number)
