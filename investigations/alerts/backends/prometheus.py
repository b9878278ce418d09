"""Prometheus and what speaks its API: alerts from the rules that make them, metrics by range queries."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec

from investigations.alerts.backends.base import (
    Check,
    Coverage,
    Line,
    Pull,
    Read,
    Reading,
    Rejected,
    Series,
    Unreadable,
)
from investigations.lib.http import Client, Reply, RequestFailed

MOST_POINTS = 11_000
"""Per series; Prometheus refuses a query that would give more."""
POINTS_WANTED = 400
MOST_LINES = 50
_BEFORE_THE_FIRST = datetime(2, 1, 1, tzinfo=UTC)
"""Prometheus writes a time that never was as 0001-01-01."""


class _Alert(msgspec.Struct, rename="camel"):
    labels: dict[str, str]
    state: str
    active_at: datetime
    annotations: dict[str, str] = {}
    value: str | float = ""


class _Rule(msgspec.Struct, rename="camel"):
    name: str
    query: str = ""
    duration: float = 0.0
    alerts: list[msgspec.Raw] = []
    health: str = "ok"
    last_error: str = ""
    last_evaluation: datetime | None = None
    type: str = "alerting"


class _Group(msgspec.Struct):
    rules: list[_Rule] = []


class _Groups(msgspec.Struct):
    groups: list[_Group] = []


class _Rules(msgspec.Struct):
    """The answer of /api/v1/rules."""

    data: _Groups


class Prometheus:
    key: ClassVar[str] = "prometheus"
    title: ClassVar[str] = "Prometheus"
    pulls: ClassVar[bool] = True
    takes_webhooks: ClassVar[bool] = False

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    # ------------------------------------------------------------ alerts

    def check(self, client: Client) -> list[Check]:
        return [
            _tried("version", lambda: _version(client)),
            _tried("alerts", lambda: _count_rules(client)),
            _tried("metrics", lambda: _try_query(client)),
        ]

    def pull(self, client: Client, cursor: Mapping[str, Any]) -> Pull:
        try:
            raw = client.get("/api/v1/rules", {"type": "alert"}).body.decode(errors="replace")
            read = self.read_pull(raw)
        except RequestFailed as error:
            return Pull(error.status, [Check("alerts", error.status, error.sentence)])
        except Unreadable as error:
            return Pull("error", [Check("alerts", "error", str(error))])
        failing = _failing(raw)
        if failing:
            sentence = f"{len(failing)} rules fail to evaluate; the first is {failing[0]}"
            return Pull("partial", [Check("alerts", "partial", sentence)], read, complete=True, raw=raw)
        sentence = f"{len(read.readings)} alerts fire."
        return Pull("ok", [Check("alerts", "ok", sentence)], read, complete=True, raw=raw)

    def read_pull(self, document: str) -> Read:
        """Reads /api/v1/rules. A pending alert is not told of; a rule not evaluated yet is unsure."""
        readings, rejected, unsure = [], [], set()
        for rule in _alerting(_decode(document)):
            if rule.last_evaluation is not None and rule.last_evaluation < _BEFORE_THE_FIRST:
                unsure.add(rule.name)
            for raw in rule.alerts:
                try:
                    reading = _reading(msgspec.json.decode(raw, type=_Alert), rule)
                except msgspec.MsgspecError as error:
                    rejected.append(Rejected(_alone(rule, raw), str(error)))
                else:
                    readings.extend(reading)
        return Read(readings, rejected, frozenset(unsure))

    def read_webhook(self, document: str) -> Read:
        raise Unreadable(
            "Prometheus posts nothing itself; let its Alertmanager post to an Alertmanager source."
        )

    # ------------------------------------------------------------ metrics

    def metric_range(
        self, client: Client, expression: str, start: datetime, end: datetime, step_s: float | None = None
    ) -> Series:
        step = step_for(start, end, step_s)
        form = {"query": expression, "start": start.timestamp(), "end": end.timestamp(), "step": step}
        link = f"{client.base_url}/graph?{_graph(expression)}"
        asked: dict[str, Any] = {
            "query": expression,
            "start": start,
            "end": end,
            "step_s": step,
            "link": link,
        }
        try:
            answer = client.post_form("/api/v1/query_range", form).json()
            lines = [_line(series) for series in answer["data"]["result"]]
        except RequestFailed as error:
            return Series(error.status, _said(error), **asked)
        except (KeyError, TypeError, ValueError) as error:
            return Series("error", f"The answer is not a range of values: {error!r}.", **asked)
        return _series(lines, answer.get("warnings", []), asked)


def step_for(start: datetime, end: datetime, wanted: float | None = None) -> float:
    """Seconds between points: as wanted, but at least one, and never more points than Prometheus gives."""
    window = max((end - start).total_seconds(), 1.0)
    fewest = math.ceil(window / (MOST_POINTS - 1))
    return float(max(1, fewest, wanted if wanted is not None else math.ceil(window / POINTS_WANTED)))


def _series(lines: list[Line], warnings: list[str], asked: dict[str, Any]) -> Series:
    kept = tuple(lines[:MOST_LINES])
    if not lines:
        return Series("no_data", "The query matches no series in this window.", **asked)
    if len(kept) < len(lines):
        coverage = Coverage(len(kept), len(lines), f"limit {MOST_LINES}")
        return Series(
            "partial", f"{len(kept)} of {len(lines)} series.", lines=kept, coverage=coverage, **asked
        )
    coverage = Coverage(len(kept), len(lines))
    if warnings:
        return Series("partial", "; ".join(map(str, warnings)), lines=kept, coverage=coverage, **asked)
    return Series("ok", f"{len(kept)} series.", lines=kept, coverage=coverage, **asked)


def _line(series: Mapping[str, Any]) -> Line:
    points = tuple((float(at), finite(value)) for at, value in series["values"])
    return Line({str(name): str(value) for name, value in series["metric"].items()}, points)


def finite(value: str | float) -> float | None:
    """A sample's value; None for NaN, infinities and what is no number."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _decode(document: str) -> _Rules:
    try:
        return msgspec.json.decode(document, type=_Rules)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"This is not the answer of /api/v1/rules: {error}.") from error


def _alerting(rules: _Rules) -> Iterator[_Rule]:
    return (rule for group in rules.data.groups for rule in group.rules if rule.type == "alerting")


def _reading(alert: _Alert, rule: _Rule) -> list[Reading]:
    """The reading of a firing alert, nothing for a pending one."""
    if alert.state != "firing":
        return []
    fires_since = alert.active_at.astimezone(UTC) + timedelta(seconds=rule.duration)
    return [
        Reading(
            labels=alert.labels,
            annotations=alert.annotations,
            state="firing",
            starts_at=fires_since,
            value=finite(alert.value),
            expression=rule.query,
        )
    ]


def _alone(rule: _Rule, raw: msgspec.Raw) -> str:
    """A document of the same form that holds only this alert."""
    only = {
        "name": rule.name,
        "query": rule.query,
        "duration": rule.duration,
        "type": "alerting",
        "alerts": [json.loads(bytes(raw))],
    }
    return json.dumps({"status": "success", "data": {"groups": [{"rules": [only]}]}})


def _failing(document: str) -> list[str]:
    failing = (rule for rule in _alerting(_decode(document)) if rule.health == "err")
    return [f"{rule.name}: {rule.last_error or 'no reason given'}" for rule in failing]


def _graph(expression: str) -> str:
    return urlencode({"g0.expr": expression, "g0.tab": "0"})


def _said(error: RequestFailed) -> str:
    """The sentence Prometheus itself gave, when it gave one."""
    try:
        return str(json.loads(error.body)["error"])
    except (ValueError, KeyError, TypeError):
        return error.sentence


def _tried(scope: str, ask: Any) -> Check:
    try:
        return Check(scope, "ok", ask())
    except RequestFailed as error:
        return Check(scope, error.status, _said(error))
    except (Unreadable, KeyError, TypeError) as error:
        return Check(scope, "error", f"The answer is not what Prometheus gives: {error}.")


def _version(client: Client) -> str:
    return f"Prometheus {_data(client.get('/api/v1/status/buildinfo'))['version']}"


def _count_rules(client: Client) -> str:
    document = client.get("/api/v1/rules", {"type": "alert"}).body.decode(errors="replace")
    return f"{sum(1 for _ in _alerting(_decode(document)))} alerting rules."


def _try_query(client: Client) -> str:
    _data(client.post_form("/api/v1/query", {"query": "vector(1)"}))
    return "Queries are answered."


def _data(reply: Reply) -> Any:
    return reply.json()["data"]
