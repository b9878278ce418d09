"""Django's PostgreSQL backend, but its pool hands out no connection that the server has closed meanwhile.

The pool's own check asks the server each time, and pauses for seconds after every connection it finds dead: the first
request after a restart would wait for all of them, and fail. A look at the socket costs a microsecond.
"""

from __future__ import annotations

import select
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """One thread's way to the database."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        while self.pool and _has_something_to_say(connection):
            connection.close()
            self.pool.putconn(connection)  # which drops it and makes another
            connection = super().get_new_connection(conn_params)
        return connection


def _has_something_to_say(connection: Any) -> bool:
    """Whether an idle connection can be read: nobody asked it anything, so that is its end."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
