"""Fixtures every suite shares: the real servers, and a CI in which a missing part is a failure."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import OperationalError
from django.db.backends.base.operations import BaseDatabaseOperations
from psycopg.errors import DeadlockDetected

from tests import patience
from tests.servers import of_this_run
from tests.skips import pytest_runtest_makereport

__all__ = ["patience", "pytest_runtest_makereport"]


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The address of a PostgreSQL that answers."""
    if os.environ["DATABASE_URL"] == of_this_run().postgres.url:
        of_this_run().start_postgres()
    return os.environ["DATABASE_URL"]


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The address of a Redis-compatible server that answers."""
    if os.environ["REDIS_URL"] == of_this_run().valkey.url:
        of_this_run().start_valkey()
    return os.environ["REDIS_URL"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, postgres_server: str, redis_server: str
) -> None:
    """Start both servers before pytest-django makes its database: committing publishes to Redis."""


@pytest.fixture(scope="session", autouse=True)
def flushed_after_a_deadlock() -> Iterator[None]:
    """Empty the tables again when a server that is still saying goodbye held one of them."""
    once = BaseDatabaseOperations.execute_sql_flush

    def patiently(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
        for _ in range(5):
            try:
                return once(self, sql_list)
            except OperationalError as error:
                if not isinstance(error.__cause__, DeadlockDetected):
                    raise
        return once(self, sql_list)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", patiently)
        yield
