"""A detail of each kind reads, is said in one line, and gives its values for evidence; any other is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from investigations.probes import details, plain
from sightline import wire
from tests.investigations.probes.samples import DETAILS, RAISED, value


def capture(kind: str, detail: dict[str, Any] | None) -> wire.Capture:
    """A capture that was sent and received."""
    sent = wire.Capture(id=bytes(16), probe_id="", kind=kind, hit=1, at=0, mono=0, detail=detail)  # type: ignore[arg-type]
    return wire.capture_body.decode(wire.encode(sent))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("function", "returned TradeRequest in 3.25 ms"),
        ("duration", "took 812.5 ms"),
        ("exception", "swallowed Refused: str 'no limit left' at TradeRequest.from_payload:90"),
        ("path", "5 steps, 2 decisions, returned NoneType None"),
        ("assignment", "str 'true', was bool False by TradeRequest.from_payload:86 (setattr)"),
        ("expectation", "was false"),
        ("dependency", "GET fraud-service/decide 200 in 84 ms"),
        ("snapshot", ""),
    ],
)
def test_each_kind_in_one_line(kind: str, words: str) -> None:
    assert details.sentence(capture(kind, DETAILS.get(kind))) == words


def test_a_call_that_raised_says_what() -> None:
    raised = {"how": "raised", "duration_ms": 2, "exception": RAISED}

    assert details.sentence(capture("function", raised)) == "raised Refused: str 'no limit left' in 2 ms"


@pytest.mark.parametrize("kind", DETAILS)
def test_each_kind_can_be_kept_as_json(kind: str) -> None:
    kept = plain.capture_json(capture(kind, DETAILS[kind]))["detail"]

    assert json.loads(json.dumps(kept)) == kept


def test_withheld_values_in_a_detail_are_told_to_evidence() -> None:
    places = {place.path: place for place in plain.places(capture("exception", DETAILS["exception"]))}

    assert places["detail.exception.fields.account"].redacted == "name: account"
    assert places["detail.exception.arguments.0"].type == "str"


def test_nothing_written_before_is_not_none() -> None:
    first = {"how": "constructed", "new": value("NoneType", None)}
    detail = plain.detail_json(capture("assignment", first))

    assert "old" not in detail
    assert detail["new"] == {"type": "NoneType", "value": None}


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("path", {"steps": "many"}),
        ("path", {"decisions": [{"taken": True}]}),
        ("function", {"arguments": {"a": "text"}}),
        ("exception", {"exception": {"chain": [1]}}),
        ("dependency", {"status": "fine"}),
        ("snapshot", {"how": "returned"}),
        ("function", None),
    ],
)
def test_what_does_not_read_is_no_detail(kind: str, detail: dict[str, Any] | None) -> None:
    body = capture(kind, detail)

    assert (details.read(body), details.sentence(body), plain.detail_json(body)) == (None, "", {})


def test_a_path_tells_how_often_each_line_was_taken_in_a_row() -> None:
    path = details.read(capture("path", DETAILS["path"]))

    assert isinstance(path, details.Path)
    assert list(path.lines()) == [(38, 1), (39, 3), (41, 1)]
