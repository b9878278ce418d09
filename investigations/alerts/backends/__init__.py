"""The systems we can speak to. To add one, copy a file, and name its class here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from investigations.alerts.backends.alertmanager import Alertmanager
from investigations.alerts.backends.base import AlertBackend
from investigations.alerts.backends.prometheus import Prometheus

BACKENDS: dict[str, type[Prometheus] | type[Alertmanager]] = {
    backend.key: backend for backend in (Prometheus, Alertmanager)
}


def backend(key: str, options: Mapping[str, Any]) -> AlertBackend:
    """The code for one kind of system, with a source's options. Raises `KeyError` for a kind we do not know."""
    return BACKENDS[key](options)
