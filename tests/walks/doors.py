"""Every door of the dashboard, as the walks knock at it: who may least, and what is sent when all is well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from investigations.api.app import api

PUBLIC, SIGNED_IN, ADMIN_SOMEWHERE = "public", "signed in", "admin somewhere"

PAGES = {
    "livez": PUBLIC, "readyz": PUBLIC, "sign_in": PUBLIC, "sign_out": PUBLIC,
    "inbox": SIGNED_IN, "sessions": SIGNED_IN, "fleet": SIGNED_IN, "settings": SIGNED_IN, "sources": SIGNED_IN,
    "tokens": SIGNED_IN, "audit": ADMIN_SOMEWHERE, "session_new": SIGNED_IN, "source_new": SIGNED_IN,
    "alert": "viewer", "alert_metric": "viewer", "incident": "viewer", "session": "viewer",
    "session_timeline": "viewer", "session_report": "viewer", "session_source": "viewer",
    "session_assignments": "viewer", "capture": "viewer", "capture_compare": "viewer", "hypothesis": "viewer",
    "capture_compare_strip": "viewer",
    "evidence": "viewer", "service": "viewer", "service_source": "viewer",
    "instance": "viewer", "probe_check": "viewer", "probe": "viewer",
    "probe_plot": "viewer", "session_hits": "viewer", "alert_metric_file": "viewer", "source": "admin",
    "hypothesis_new": "responder", "evidence_record": "responder", "evidence_link": "responder",
    "hypothesis_state": "responder", "incident_attach": "responder", "incident_note": "responder",
    "incident_take": "responder", "incident_resolve": "responder", "incident_close": "responder",
    "incident_reopen": "responder", "session_open_on_alert": "responder", "session_open_on_incident": "responder",
    "session_close": "responder", "session_reopen": "responder", "probe_place": "responder",
    "capture_silent": "responder", "probe_remove": "responder", "probe_restore": "responder",
    "fleet_disarm": "responder", "fleet_restore": "responder",
    "source_check": "admin", "source_remove": "admin", "source_webhook": "admin", "source_replay": "admin",
    "token_revoke": "admin", "redaction": SIGNED_IN, "redaction_remove": "admin",
}  # fmt: skip
"""The least that opens a page and does what it is for. A page for whoever is signed in shows each their own."""

SPOT = {
    "path": "trades/trade_request.py",
    "service": "trade-execution-service",
    "file": "trades/trade_request.py",
    "line": "41",
    "kind": "snapshot",
}
POSTED = {
    "session_new": {"title": "New", "environment": "production"},
    "hypothesis_new": {"statement": "It holds text"},
    "evidence_record": {"title": "Seen", "kind": "observation", "note": "n"},
    "evidence_link": {"hypothesis": "{hypothesis_id}", "stance": "supports"},
    "hypothesis_state": {"state": "testing", "reason": "r"},
    "incident_attach": {"title": "Seen", "note": "n"},
    "incident_note": {"text": "n", "note": "n"},
    "session_close": {"conclusion": "Done"},
    "probe_place": SPOT | {"hit_limit": "10", "rate": "5", "ttl": "600", "purpose": "p"},
    "probe_check": SPOT | {"hit_limit": "10", "rate": "5", "ttl": "600", "purpose": "p"},
    "fleet_disarm": {"reason": "Load"},
}
"""What is sent where the page's verb asks for something; every other page of a responder or admin is posted bare."""

READ = {"source"}
"""Pages that one needs such a role even to read."""

OUTCOME = {"trace_id": "a", "outcome": "fail"}
NEW_SOURCE = {"environment": "production", "name": "n", "backend": "prometheus", "url": "http://127.0.0.1:9"}
TRIED = {"environment": "production", "kind": "name", "pattern": "iban", "sample": '{"iban": 1}'}
OPERATIONS: dict[str, tuple[str, Any]] = {
    "list_environments": (SIGNED_IN, None), "list_services": (SIGNED_IN, None), "list_alerts": (SIGNED_IN, None),
    "list_incidents": (SIGNED_IN, None), "list_sessions": (SIGNED_IN, None), "list_sources": (SIGNED_IN, None),
    "list_tokens": (SIGNED_IN, None),
    "list_instances": ("viewer", None), "list_functions": ("viewer", None),
    "list_files": ("viewer", None), "read_code": ("viewer", "path=a.py"),
    "search_code": ("viewer", "text=setattr"), "find_assignments": ("viewer", "target=A.b"),
    "get_alert": ("viewer", None), "get_incident": ("viewer", None), "get_session": ("viewer", None),
    "read_timeline": ("viewer", None), "export_report": ("viewer", None), "list_probes": ("viewer", None),
    "get_probe": ("viewer", None), "read_figures": ("viewer", None), "list_captures": ("viewer", None),
    "get_capture": ("viewer", None),
    "compare_captures": ("viewer", None), "learn_invariants": ("viewer", None),
    "raise_silent_failures": ("responder", None),
    "suspect_commits": ("viewer", {"commits": [{"id": "c1"}]}), "suggest_probes": ("viewer", {}),
    "rank_causes": ("viewer", {"target": "web", "calls": [], "nodes": {}}),
    "wait_for_captures": ("viewer", "probe_id={probe_id}&timeout_s=0"), "list_hypotheses": ("viewer", None),
    "get_hypothesis": ("viewer", None), "list_evidence": ("viewer", None), "get_evidence": ("viewer", None),
    "list_incident_evidence": ("viewer", None), "get_source": ("viewer", None),
    "check_probe": ("viewer", {"service": "trade-execution-service", "file": "trades/trade_request.py", "line": 41}),
    "open_session": ("responder", {"title": "New", "environment": "production"}),
    "change_session": ("responder", {"title": "Renamed"}),
    "place_probe": ("responder", {"service": "trade-execution-service", "file": "trades/trade_request.py", "line": 41}),
    "remove_probe": ("responder", None), "restore_probe": ("responder", None),
    "disarm_all": ("responder", {"reason": "Load"}),
    "label_executions": ("responder", {"environment": "production", "outcomes": [OUTCOME]}),
    "propose_hypothesis": ("responder", {"statement": "Another"}),
    "set_hypothesis_state": ("responder", {"state": "testing"}),
    "record_evidence": ("responder", {"title": "Seen", "content": {"n": 1}}),
    "attach_evidence": ("responder", {"title": "Seen", "content": {"n": 1}}),
    "create_source": ("admin", NEW_SOURCE),
    "change_source": ("admin", {"every_s": 60}), "delete_source": ("admin", None),
    "rotate_webhook_secret": ("admin", None),
    "issue_token": ("viewer", {"kind": "agent", "name": "n", "environment": "production", "scopes": ["read"]}),
    "revoke_token": ("admin", None),
    "list_redaction_rules": ("viewer", "environment=production"),
    "add_redaction_rule": ("admin", {"environment": "production", "kind": "name", "pattern": "customer_ref"}),
    "remove_redaction_rule": ("admin", None), "try_redaction_rule": ("viewer", TRIED),
    "take_webhook": (PUBLIC, None),  # it has a secret of its own: tests/investigations/api/test_catalog.py
}  # fmt: skip

TOOL_RIGHTS = {
    "list_alerts": SIGNED_IN, "list_services": SIGNED_IN, "list_functions": "viewer",
    "get_session": "viewer", "find_assignments": "viewer",
    "search_code": "viewer", "read_code": "viewer", "check_probe": "viewer", "wait_for_captures": "viewer",
    "get_capture": "viewer", "compare_captures": "viewer", "learn_invariants": "viewer", "suspect_commits": "viewer",
    "suggest_probes": "viewer", "rank_causes": "viewer", "export_report": "viewer", "open_session": "responder",
    "place_probe": "responder",
    "remove_probe": "responder", "record_hypothesis": "responder", "record_evidence": "responder",
}  # fmt: skip

SOCKETS = {
    "live/sessions/<str:session_id>/": "viewer",
    "live/probes/<str:probe_id>/": "viewer",
    "live/inbox/": SIGNED_IN,
    "live/fleet/": SIGNED_IN,
    "live/fleet/<str:service_id>/": "viewer",
}


def every_page(patterns: Any = None) -> Iterator[URLPattern]:
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        if isinstance(pattern, URLResolver):
            if str(pattern.pattern) not in ("admin/", "api/v1/"):
                yield from every_page(pattern.url_patterns)
        else:
            yield pattern


def every_operation() -> dict[str, tuple[str, str]]:
    """Method and path of each, by its id."""
    paths = api.get_openapi_schema()["paths"]
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def rows() -> dict[str, int]:
    """How many rows every table of ours holds, counted in one statement."""
    models = [model for model in apps.get_models() if model.__module__.startswith("investigations")]
    counts = " UNION ALL ".join(
        f"SELECT '{model._meta.label}', count(*) FROM {model._meta.db_table}" for model in models
    )
    with connection.cursor() as cursor:
        cursor.execute(counts)
        return dict(cursor.fetchall())


def of_tools(things: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Arguments that are right."""
    about = {"session_id": things["session_id"], "service": things["service"]}
    where = about | {"file": "trades/trade_request.py", "line": 41}
    return {
        "list_alerts": {}, "list_services": {}, "list_functions": {"service": things["service"]},
        "get_session": {"session_id": things["session_id"]},
        "find_assignments": about | {"target": "A.b"}, "search_code": about | {"text": "setattr"}, "read_code": about,
        "check_probe": where, "wait_for_captures": {"probe_ids": [things["probe_id"]], "timeout_s": 0},
        "compare_captures": {"session_id": things["session_id"]},
        "learn_invariants": {"session_id": things["session_id"]},
        "suggest_probes": {"session_id": things["session_id"]},
        "suspect_commits": {"session_id": things["session_id"], "commits": [{"id": "c1"}]},
        "rank_causes": {"session_id": things["session_id"], "target": "web", "calls": [], "nodes": {}},
        "get_capture": {"capture_id": things["capture_id"]}, "export_report": {"session_id": things["session_id"]},
        "open_session": {"purpose": "p", "service": things["service"], "title": "New"},
        "place_probe": where | {"purpose": "p"}, "remove_probe": {"probe_id": things["probe_id"]},
        "record_hypothesis": {"session_id": things["session_id"], "statement": "Another"},
        "record_evidence": {"session_id": things["session_id"], "title": "Seen", "content": {"n": 1}}
        | {"kind": "observation"},
    }  # fmt: skip
