"""Whether this process lives, and whether it is ready for traffic: what load balancers and `up` ask."""

from __future__ import annotations

from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

_all_migrated = False  # once true, true for as long as this process runs


@require_safe
@never_cache
def livez(request: HttpRequest) -> JsonResponse:
    """Answers as long as the process serves requests; asks nothing of others."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database, Redis and the migrations are as they must be; else 503 and which is not."""
    checks = {name: check() for name, check in CHECKS.items()}
    ready = not any(checks.values())
    answers = {name: {"ok": not problem, "problem": problem} for name, problem in checks.items()}
    return JsonResponse(
        {"status": "ready" if ready else "not_ready", "checks": answers}, status=200 if ready else 503
    )


def database_problem() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "PostgreSQL does not answer."
    return ""


def redis_problem() -> str:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError:
        return "Redis does not answer."
    return ""


def migrations_problem() -> str:
    global _all_migrated
    if not _all_migrated:
        try:
            executor = MigrationExecutor(connection)
            missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError:
            return "The migrations cannot be read."
        if missing:
            return f"{len(missing)} migrations are not applied: run manage.py migrate."
        _all_migrated = True
    return ""


CHECKS: dict[str, Callable[[], str]] = {
    "database": database_problem,
    "redis": redis_problem,
    "migrations": migrations_problem,
}
