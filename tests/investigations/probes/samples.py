"""A probe, and one capture's detail and one report of figures of each kind, as a sensor writes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from django.utils import timezone

from investigations.catalog.models import Service
from investigations.probes.models import Probe, ProbeState
from investigations.sessions.models import InvestigationSession
from sightline.wire import Value


def value(type: str, value: Any = msgspec.UNSET, **more: Any) -> dict[str, Any]:
    """A captured value as it stands in a detail: with the wire's short keys."""
    built: dict[str, Any] = msgspec.to_builtins(Value(type=type, value=value, **more), builtin_types=(bytes,))
    return built


WHERE = {"function": "TradeRequest.from_payload", "file": "trades/trade_request.py", "line": 86}
RAISED = {
    "type": "trades.errors.Refused",
    "arguments": [value("str", "no limit left"), value("int", 17)],
    "fields": {"account": value("str", redacted="name: account", hash=b"\x5e\x1a\x00\x01")},
    "notes": ["while settling T-1"],
    "where": WHERE,
    "chain": [
        {"type": "KeyError", "arguments": [value("str", "limit")], "link": "cause", "where": WHERE},
        {"cut": "cycle", "link": "context"},
    ],
}
DETAILS: dict[str, dict[str, Any]] = {
    "function": {
        "how": "returned",
        "duration_ms": 3.25,
        "arguments": {"payload": value("dict", size=6), "strict": value("bool", True)},
        "returned": value("trades.trade_request.TradeRequest", fields={"high_value": Value("str", "true")}),
    },
    "duration": {"duration_ms": 812.5},
    "exception": {"how": "swallowed", "exception": RAISED, "handled_at": WHERE | {"line": 90}},
    "path": {
        "steps": [38, [39, 3], 41],
        "decisions": [
            {"line": 39, "taken": True, "to": 40, "values": {"name in cls.__slots__": value("bool", True)}},
            {"line": 39, "taken": False, "to": 41, "values": {}},
        ],
        "ended": {"how": "returned", "value": value("NoneType", None)},
        "cut": "",
    },
    "assignment": {
        "how": "setattr",
        "owner": "trades.trade_request.TradeRequest",
        "writer": WHERE,
        "old": value("bool", False),
        "new": value("str", "true"),
    },
    "expectation": {"judged": "false"},
    "dependency": {
        "library": "httpx",
        "operation": "GET",
        "target": "fraud-service/decide",
        "status": 200,
        "duration_ms": 84.0,
        "size": 312,
        "shape": "dict of 3",
        "answer": value("dict", size=3, entries=[(Value("str", "clear"), Value("bool", True))]),
    },
}
HISTOGRAM: dict[str, Any] = {
    "count": 200, "sum": 2590.0, "min": 1.1, "max": 260.0, "unusable": 3, "scale": 3, "zero": 0,
    "positive": {index: 201 % (index + 1) + 1 for index in range(1, 40)}, "negative": {}, "unit": "ms",
}  # fmt: skip
HISTOGRAM["count"] = sum(HISTOGRAM["positive"].values())
FIGURES: dict[str, dict[str, Any]] = {
    "counter": {"count": 41},
    "metric": HISTOGRAM | {"unit": ""},
    "duration": HISTOGRAM,
    "function": {"calls": 204, "errors": 4, "duration": HISTOGRAM},
    "exception": {"raised": 9, "swallowed": 7, "left": 2},
    "path": {"calls": 9000, "sampled": 12},
    "assignment": {
        "writes": 218,
        "unreadable": 1,
        "writers": {
            "TradeRequest.from_payload:86 setattr str": 37,
            "TradeRequest.from_payload:86 setattr bool": 46,
            "TradeRequest.__init__:2 constructed bool": 135,
        },
    },
    "expectation": {"true": 9481, "false": 37, "unknown": 4, "unknown_because": {"name_missing": 4}},
    "dependency": {"calls": 177, "errors": 3, "duration": HISTOGRAM},
}


def make_probe(session: InvestigationSession, service: Service, **fields: Any) -> Probe:
    """A probe that is there, placed without asking whether its line exists."""
    usual: dict[str, Any] = {
        "environment": session.environment,
        "number": session.probes.count() + 1,
        "kind": "logpoint",
        "location": {"file": "trades/app.py", "line": 9},
        "place": "trades/app.py:9",
        "state": ProbeState.ACTIVE,
        "placed_by": "rita",
        "expires_at": timezone.now() + timedelta(minutes=10),
        "hit_limit": 0,
    }
    return Probe.objects.create(session=session, service=service, **(usual | fields))
