"""Reads settings from the environment; a value that cannot be is named in a sentence, not in a traceback."""

from __future__ import annotations

import logging
import os
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

POSTGRES = ("postgres", "postgresql")
REDIS = ("redis", "rediss", "unix")


class Environment(environ.Env):
    """`environ.Env` whose errors are `ImproperlyConfigured` and say which variable is wrong, and how."""

    def get_value(self, var: str, *args: Any, **options: Any) -> Any:
        try:
            return super().get_value(var, *args, **options)
        except (ValueError, TypeError) as reason:
            raise self._wrong(var, "a number") from reason

    def database(self, var: str, default: str) -> dict[str, Any]:
        """Django's settings for the PostgreSQL that this address names."""
        self._require_scheme(var, POSTGRES)
        return dict(self.db_url(var, default=default))

    def redis(self, var: str, default: str) -> str:
        """The address of a Redis-compatible server."""
        self._require_scheme(var, REDIS)
        return str(self.str(var, default=default))

    def log_level(self, var: str, default: str) -> str:
        """A name that `logging` knows."""
        level = str(self.str(var, default=default)).upper()
        if level not in logging.getLevelNamesMapping():
            raise self._wrong(var, f"one of {', '.join(logging.getLevelNamesMapping())}")
        return level

    def _require_scheme(self, var: str, schemes: tuple[str, ...]) -> None:
        given = os.environ.get(var)
        if given and urlsplit(given).scheme not in schemes:
            raise self._wrong(var, f"an address that begins with {schemes[0]}://")

    @staticmethod
    def _wrong(var: str, right: str) -> ImproperlyConfigured:
        return ImproperlyConfigured(
            f"{var} cannot be {os.environ.get(var, '')!r}. Set it to {right}, or unset it."
        )
