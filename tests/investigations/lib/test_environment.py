"""Settings that cannot be are named with what to set instead."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from investigations.lib.environment import Environment


@pytest.mark.parametrize(
    ("read", "given", "told"),
    [
        (lambda env: env.int("X", default=1), "many", "X cannot be 'many'. Set it to a number"),
        (lambda env: env.database("X", default="postgres:///x"), "nonsense", "begins with postgres://"),
        (lambda env: env.redis("X", default="redis://x"), "http://x", "begins with redis://"),
        (lambda env: env.log_level("X", default="INFO"), "LOUD", "one of CRITICAL"),
    ],
    ids=["number", "database", "redis", "level"],
)
def test_a_setting_that_cannot_be_is_named(read, given: str, told: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("X", given)
    with pytest.raises(ImproperlyConfigured, match=told):
        read(Environment())


def test_what_is_not_set_has_its_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("X", raising=False)
    env = Environment()
    assert env.log_level("X", default="INFO") == "INFO"
    assert env.redis("X", default="redis://here") == "redis://here"
    assert env.database("X", default="postgres:///sightline")["NAME"] == "sightline"


def test_a_level_may_be_written_small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("X", "debug")
    assert Environment().log_level("X", default="INFO") == "DEBUG"
