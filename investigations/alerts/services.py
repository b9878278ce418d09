"""What is done with alerts, one name for each verb; each kind of work has a module of its own."""

from __future__ import annotations

from investigations.alerts.incidents import (
    add_reference,
    assign_incident,
    close_incident,
    move_episode,
    note_incident,
    reopen_incident,
    resolve_incident,
    split_incident,
)
from investigations.alerts.ingest import Ingested, ingest, sweep
from investigations.alerts.metrics import MetricWindow, metric_window
from investigations.alerts.payloads import Taken, digest, forget_payloads, replay, take_webhook
from investigations.alerts.pulling import LONGEST_PULL, claim, due_sources, pull_source
from investigations.alerts.sources import (
    check_source,
    create_source,
    delete_source,
    rotate_webhook_secret,
    update_source,
)

__all__ = [
    "LONGEST_PULL",
    "Ingested",
    "MetricWindow",
    "Taken",
    "add_reference",
    "assign_incident",
    "check_source",
    "claim",
    "close_incident",
    "create_source",
    "delete_source",
    "digest",
    "due_sources",
    "forget_payloads",
    "ingest",
    "metric_window",
    "move_episode",
    "note_incident",
    "pull_source",
    "reopen_incident",
    "replay",
    "resolve_incident",
    "rotate_webhook_secret",
    "split_incident",
    "sweep",
    "take_webhook",
    "update_source",
]
