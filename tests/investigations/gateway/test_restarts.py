"""A database that was restarted costs nobody an error: connections it has closed are not handed out again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
from django.db import connection

from tests.gateway import GatewayProcess

AT_ONCE = 6


def test_no_request_meets_a_connection_that_the_database_has_closed(gateway: GatewayProcess) -> None:
    ready = f"http://127.0.0.1:{gateway.port}/readyz"
    with ThreadPoolExecutor(AT_ONCE) as threads:  # so that the pool keeps several
        list(threads.map(lambda _: httpx.get(ready, timeout=30), range(AT_ONCE * 2)))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] > 0
    answers = [httpx.get(ready, timeout=30) for _ in range(AT_ONCE)]
    assert [answer.json()["checks"]["database"]["problem"] for answer in answers] == [""] * AT_ONCE
