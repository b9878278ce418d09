"""What only some kinds capture, as templates/captures/kinds/ show it: trees of values, chains of exceptions, paths."""

from __future__ import annotations

from typing import Any

from msgspec import UnsetType

from investigations.catalog.models import Service
from investigations.probes import details
from investigations.probes.models import Capture
from investigations.web import figure_plots, path_source, values
from sightline import wire


def shown(service: Service | None, capture: Capture, body: wire.Capture) -> dict[str, Any] | None:
    """``template`` and what it shows; None for a capture that has nothing beside frames and watches."""
    detail = details.read(body)
    if detail is None:
        return None
    if isinstance(detail, details.Path):
        laid = path_source.laid(service, capture, body) if service else None
        return {"template": "captures/kinds/path.html", "path": laid}
    name, build = _KINDS[type(detail)]
    return {"template": f"captures/kinds/{name}.html", "detail": detail, **build(detail)}


def chain(raised: details.Raised | None) -> list[dict[str, Any]]:
    """An exception and those it came from as rows, the one that was seen first."""
    if raised is None:
        return []
    return [_link(each) for each in (raised, *raised.chain)]


def _link(raised: details.Raised) -> dict[str, Any]:
    return {
        "type": raised.type,
        "link": {"cause": "raised from", "context": "while handling"}.get(raised.link, ""),
        "where": raised.where,
        "arguments": [_node(value, f"args[{index}]") for index, value in enumerate(raised.arguments)],
        "fields": values.tree(raised.fields),
        "notes": raised.notes,
        "cut": raised.cut,
    }


def _node(value: details.Some, name: str) -> values.Node | None:
    return None if isinstance(value, UnsetType) else values.node(value, name=name, path=name)


def _took(duration_ms: float | None) -> str:
    return "" if duration_ms is None else figure_plots.with_unit(duration_ms, "ms")


def _call(call: details.Call) -> dict[str, Any]:
    returned = _node(call.returned, "@return")
    return {
        "took": _took(call.duration_ms),
        "arguments": values.tree(call.arguments),
        "returned": [returned] if returned else [],
        "chain": chain(call.exception),
    }


def _slow(slow: details.Slow) -> dict[str, Any]:
    return {"took": _took(slow.duration_ms)}


def _caught(caught: details.Caught) -> dict[str, Any]:
    return {"chain": chain(caught.exception)}


def _written(written: details.Written) -> dict[str, Any]:
    old, new = _node(written.old, "before"), _node(written.new, "after")
    changed = old is not None and new is not None and old.type != new.type
    return {"rows": [(old, "expected" if changed else ""), (new, "differs" if changed else "")]}


def _judged(judged: details.Judged) -> dict[str, Any]:
    return {}


def _call_out(call: details.CallOut) -> dict[str, Any]:
    answer = _node(call.answer, "answer")
    return {
        "took": _took(call.duration_ms),
        "answer": [answer] if answer else [],
        "chain": chain(call.exception),
    }


_KINDS: dict[type[Any], tuple[str, Any]] = {
    details.Call: ("function", _call),
    details.Slow: ("duration", _slow),
    details.Caught: ("exception", _caught),
    details.Written: ("assignment", _written),
    details.Judged: ("expectation", _judged),
    details.CallOut: ("dependency", _call_out),
}
