from __future__ import annotations

import json

import pytest
from django.db import connection

from investigations.supervise import health


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch):
    monkeypatch.setattr(health, "_all_migrated", False)


def answer(response):
    return response.status_code, json.loads(response.content)


def test_a_live_process_says_so_and_asks_nothing_of_others(rf):
    assert answer(health.livez(rf.get("/livez"))) == (200, {"status": "alive"})


@pytest.mark.django_db
def test_ready_means_database_redis_and_migrations(rf):
    status, body = answer(health.readyz(rf.get("/readyz")))
    assert (status, body["status"]) == (200, "ready")
    assert set(body["checks"]) == {"database", "redis", "migrations"}


@pytest.mark.django_db
def test_without_redis_it_is_not_ready_and_says_why(rf, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    status, body = answer(health.readyz(rf.get("/readyz")))
    assert (status, body["status"]) == (503, "not_ready")
    assert body["checks"]["redis"] == {"ok": False, "problem": "Redis does not answer."}
    assert body["checks"]["database"]["ok"]


@pytest.mark.django_db
def test_a_missing_migration_is_not_ready(rf):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'accounts'")
    status, body = answer(health.readyz(rf.get("/readyz")))
    assert status == 503
    assert "run manage.py migrate" in body["checks"]["migrations"]["problem"]


def test_only_reading_is_answered(rf):
    assert health.readyz(rf.post("/readyz")).status_code == 405
