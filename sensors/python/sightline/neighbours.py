"""Who else watches this process: debuggers, coverage, profilers, tracers, other tools of `sys.monitoring`."""

from __future__ import annotations

import sys
from typing import Any

_KNOWN = {
    "coverage": "coverage.py",
    "pydevd": "debugpy",
    "ddtrace": "ddtrace",
    "opentelemetry.trace": "OpenTelemetry",
    "sentry_sdk": "Sentry",
    "newrelic": "New Relic",
    "gevent.monkey": "gevent",
    "uvloop": "uvloop",
}


def present() -> list[str]:
    """Their names, those that are only loaded and those that are watching now."""
    found = [name for module, name in _KNOWN.items() if module in sys.modules]
    if sys.gettrace() is not None:
        found.append("a trace function on this thread")
    if sys.getprofile() is not None:
        found.append("a profile function on this thread")
    return found + _monitoring_tools()


def _monitoring_tools() -> list[str]:
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None:
        return []
    tools = {number: monitoring.get_tool(number) for number in range(6)}
    return [
        f"sys.monitoring {number}: {name}" for number, name in tools.items() if name and name != "sightline"
    ]
