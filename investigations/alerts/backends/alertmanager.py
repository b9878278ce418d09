"""Alertmanager: what it holds now by its API, and what it posts to a webhook (payload version 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from investigations.alerts.backends.base import Check, Pull, Read, Reading, Rejected, Unreadable
from investigations.alerts.lifecycle import Told
from investigations.lib.http import Client, RequestFailed

SETTLES_IN_S = 180.0
"""A freshly started Alertmanager has forgotten its alerts until they are sent again; until then an absence says
nothing. A source's option ``settles_in_s`` says otherwise."""
_BEFORE_THE_FIRST = datetime(2, 1, 1, tzinfo=UTC)
"""Alertmanager writes "not ended" as 0001-01-01."""


class _Status(msgspec.Struct):
    state: str = "active"


class _Held(msgspec.Struct, rename="camel"):
    """One element of /api/v2/alerts. Its ``endsAt`` lies ahead while it fires."""

    labels: dict[str, str]
    starts_at: datetime
    status: _Status
    annotations: dict[str, str] = {}
    generator_url: str = msgspec.field(default="", name="generatorURL")


class _Posted(msgspec.Struct, rename="camel"):
    """One alert of a webhook's payload."""

    labels: dict[str, str]
    status: str
    starts_at: datetime
    ends_at: datetime | None = None
    annotations: dict[str, str] = {}
    generator_url: str = msgspec.field(default="", name="generatorURL")


class _Payload(msgspec.Struct, rename="camel"):
    version: str
    alerts: list[msgspec.Raw]


class Alertmanager:
    key: ClassVar[str] = "alertmanager"
    title: ClassVar[str] = "Alertmanager"
    pulls: ClassVar[bool] = True
    takes_webhooks: ClassVar[bool] = True

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._settles_in = timedelta(seconds=float(options.get("settles_in_s", SETTLES_IN_S)))

    def check(self, client: Client) -> list[Check]:
        try:
            version = client.get("/api/v2/status").json()["versionInfo"]["version"]
            status = Check("version", "ok", f"Alertmanager {version}")
        except RequestFailed as error:
            status = Check("version", error.status, error.sentence)
        except (KeyError, TypeError) as error:
            status = Check("version", "error", f"The answer is not what Alertmanager gives: {error!r}.")
        return [status, *self.pull(client, {}).checks]

    def pull(self, client: Client, cursor: Mapping[str, Any]) -> Pull:
        try:
            started_at = _started_at(client)
            everything = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}
            raw = client.get("/api/v2/alerts", everything).body.decode(errors="replace")
            read = self.read_pull(raw)
        except RequestFailed as error:
            return Pull(error.status, [Check("alerts", error.status, error.sentence)])
        except Unreadable as error:
            return Pull("error", [Check("alerts", "error", str(error))])
        settled = datetime.now(UTC) - started_at >= self._settles_in
        sentence = f"Alerts held: {len(read.readings)}."
        if not settled:
            sentence += " It has just started: alerts it does not hold yet are not taken for resolved."
        return Pull("ok", [Check("alerts", "ok", sentence)], read, complete=settled, raw=raw)

    def read_pull(self, document: str) -> Read:
        """Reads /api/v2/alerts, silenced and inhibited ones included."""
        return _read(_elements(document), _Held, _held, lambda raw: f"[{raw}]")

    def read_webhook(self, document: str) -> Read:
        """Reads payload version 4."""
        try:
            payload = msgspec.json.decode(document, type=_Payload)
        except msgspec.MsgspecError as error:
            raise Unreadable(f"This is not an Alertmanager webhook: {error}.") from error
        if payload.version != "4":
            raise Unreadable(f"This is version {payload.version[:20]!r} of the webhook's payload, not 4.")
        return _read(payload.alerts, _Posted, _posted, lambda raw: f'{{"version":"4","alerts":[{raw}]}}')


def _read(elements: list[msgspec.Raw], form: Any, reading: Any, alone: Any) -> Read:
    """Each element by itself: one that cannot be read does not lose the others."""
    readings, rejected = [], []
    for raw in elements:
        try:
            readings.append(reading(msgspec.json.decode(raw, type=form)))
        except msgspec.MsgspecError as error:
            rejected.append(Rejected(alone(bytes(raw).decode(errors="replace")), str(error)))
    return Read(readings, rejected)


def _elements(document: str) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(document, type=list[msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise Unreadable(f"This is not the answer of /api/v2/alerts: {error}.") from error


def _held(alert: _Held) -> Reading:
    state: Told = "suppressed" if alert.status.state == "suppressed" else "firing"
    return _common(alert, state, None)


def _posted(alert: _Posted) -> Reading:
    if alert.status != "resolved":
        return _common(alert, "firing", None)
    ended = alert.ends_at if alert.ends_at is not None and alert.ends_at > _BEFORE_THE_FIRST else None
    return _common(alert, "resolved", ended)


def _common(alert: _Held | _Posted, state: Told, ends_at: datetime | None) -> Reading:
    return Reading(
        labels=alert.labels,
        annotations=alert.annotations,
        state=state,
        starts_at=alert.starts_at.astimezone(UTC),
        ends_at=ends_at.astimezone(UTC) if ends_at else None,
        expression=_expression(alert.generator_url),
        link=alert.generator_url,
    )


def _expression(generator_url: str) -> str:
    """The rule's query, which Prometheus puts into the link to its own graph."""
    try:
        return parse_qs(urlsplit(generator_url).query).get("g0.expr", [""])[0]
    except ValueError:
        return ""


def _started_at(client: Client) -> datetime:
    uptime = client.get("/api/v2/status").json()
    try:
        return datetime.fromisoformat(uptime["uptime"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"This is not the answer of /api/v2/status: {error!r}.") from error
