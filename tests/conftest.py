"""Fixtures every suite shares: the real servers, and a CI in which a missing part is a failure."""

from __future__ import annotations

import os

import pytest

from tests.servers import of_this_run
from tests.skips import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]


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
