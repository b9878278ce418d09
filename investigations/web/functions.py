"""The function record of a service as its page shows it: rows, and the observed calls as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from investigations.accounts.actors import Actor
from investigations.catalog.functions import ORDERS, Edge, FunctionRecord, RecordedFunction, function_record
from investigations.catalog.models import Service
from investigations.lib.ids import show

MOST_ROWS = 100
MOST_BRANCHES = 80
DEEPEST = 6
WINDOWS = {15: "15 min", 60: "1 h", 360: "6 h", 1440: "24 h"}
MOST_POINTS = 60
ORDER_WORDS = {"calls": "calls", "errors": "errors", "time": "time spent", "slowest": "slowest"}


@dataclass(frozen=True, slots=True)
class Branch:
    """One recorded function below those that called it. ``again``: it stands further up already."""

    depth: int
    name: str
    calls: int
    url: str
    again: bool = False


def of_service(by: Actor, service: Service, asked: Mapping[str, str]) -> dict[str, Any]:
    """The rows of the page, with what was asked: ``order``, ``minutes`` and ``q``."""
    order = asked.get("order", "calls") if asked.get("order") in ORDERS else "calls"
    minutes = int(asked.get("minutes", "")) if asked.get("minutes", "").isdecimal() else 60
    minutes = minutes if minutes in WINDOWS else 60
    record = function_record(by, service, minutes=minutes, order=order, query=asked.get("q", "")[:200])
    urls = {each.name: source_url(service, each) for each in record.functions}
    return {
        "record": record,
        "functions": [_row(each, urls[each.name]) for each in record.functions[:MOST_ROWS]],
        "tree": list(tree(record, urls)),
        "asked": {"order": order, "minutes": minutes, "q": asked.get("q", "")},
        "orders": ORDER_WORDS,
        "windows": WINDOWS,
    }


def source_url(service: Service, each: RecordedFunction) -> str:
    """Where the function's source is read."""
    address = reverse("service_source", args=[show("svc", service.id)])
    return f"{address}?{urlencode({'path': each.file, 'line': each.line})}#L{each.line}"


def _row(each: RecordedFunction, url: str) -> dict[str, Any]:
    module, _, name = each.name.partition(":")
    return {
        "row": each,
        "name": name,
        "module": module,
        "url": url,
        "p50": _seconds(each.percentile_ms(0.5)),
        "p95": _seconds(each.percentile_ms(0.95)),
        "total": each.total_ms / 1e3,
        "trend": _thinned(each.trend),
        "sampled": each.observed < 0.995,
    }


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1e3


def _thinned(values: list[float | None]) -> list[float | None]:
    """At most `MOST_POINTS`, neighbours added up: a small curve has no room for more."""
    step = -(-len(values) // MOST_POINTS)
    groups = [values[start : start + step] for start in range(0, len(values), step)]
    return [
        sum(value for value in group if value is not None) if any(v is not None for v in group) else None
        for group in groups
    ]


def tree(record: FunctionRecord, urls: Mapping[str, str]) -> Iterator[Branch]:
    """Who called whom, from what nobody recorded called, deepest calls below; at most `MOST_BRANCHES`."""
    below: dict[str, list[Edge]] = {}
    for edge in record.edges:
        below.setdefault(edge.caller, []).append(edge)
    left = MOST_BRANCHES
    todo: list[tuple[Edge, tuple[str, ...]]] = [(edge, ()) for edge in reversed(below.get("", []))]
    while todo and left:
        edge, above = todo.pop()
        again = edge.callee in above
        left -= 1
        yield Branch(len(above), edge.callee, edge.calls, urls.get(edge.callee, ""), again)
        if not again and len(above) < DEEPEST:
            todo += [(each, (*above, edge.callee)) for each in reversed(below.get(edge.callee, []))]
