"""The names one can publish on and subscribe to: one for each thing whose changes somebody watches."""

from __future__ import annotations

from uuid import UUID


def session_topic(session_id: UUID) -> str:
    """Captures, timeline, probes, hypotheses and participants of one session."""
    return f"session.{session_id.hex}"


def service_topic(service_id: UUID) -> str:
    """What every instance of one service must hear of: its desired probe set changed."""
    return f"service.{service_id.hex}"


def instance_topic(instance_id: UUID) -> str:
    """What one instance's socket must hear of, and what it has answered."""
    return f"instance.{instance_id.hex}"


def environment_topic(environment_id: UUID) -> str:
    """Alerts, incidents, services and instances of one environment."""
    return f"environment.{environment_id.hex}"
