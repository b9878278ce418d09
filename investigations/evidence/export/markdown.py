"""The report as Markdown: for people, to attach to the incident wherever it is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from investigations.evidence.export.escaping import block, cell, code, paragraph, text
from investigations.evidence.export.report import EvidencePart, HypothesisPart, ProbePart, Report

MOST_VALUES = 60
"""Rows of a capture's table; the JSON form holds all."""
LONGEST_VALUE = 300
_SIGNS = {"supports": "+", "refutes": "−", "neutral": "·"}


def write(report: Report) -> str:
    """The report as text; the same report is the same bytes."""
    sections = [
        _head(report),
        _alert(report),
        _verdict(report),
        _hypotheses(report),
        _evidence(report),
        _probes(report),
        _timeline(report),
        _coverage(report),
    ]
    return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section))) + "\n"


def _head(report: Report) -> Iterator[str]:
    session = report["session"]
    yield f"# SES-{session['number']} {text(session['title'])}"
    yield ""
    if session["symptom"]:
        yield paragraph(session["symptom"])
        yield ""
    yield from _facts(
        ("Environment", text(session["environment"])),
        ("Services", ", ".join(text(name) for name in session["services"])),
        ("Status", text(session["status"])),
        ("Window", f"{session['window_start']} to {session['window_end']} (UTC)"),
        ("Opened", f"{session['opened_at']} by {text(session['opened_by'])}"),
        ("Took part", ", ".join(text(label) for label in session["participants"])),
        ("Conclusion", text(session["conclusion"])),
        ("Id", code(session["id"])),
    )


def _alert(report: Report) -> Iterator[str]:
    alert, incident = report["alert"], report["incident"]
    if alert is None and incident is None:
        return
    yield "## What was noticed"
    yield ""
    if alert is not None:
        ended = f", ended {alert['ended_at']}" if alert["ended_at"] else ""
        yield from _facts(
            ("Alert", f"{text(alert['name'])} ({text(alert['severity'])}): {text(alert['summary'])}"),
            ("Firing since", f"{alert['firing_since']}{ended}; now {text(alert['state'])}"),
            ("Expression", code(alert["expression"]) if alert["expression"] else ""),
            ("Source", text(alert["source"])),
        )
    if incident is not None:
        yield from _facts(
            (
                "Incident",
                f"INC-{incident['number']} {text(incident['title'])} ({text(incident['status'])})",
            ),
            ("Grouped", text(incident["grouping_reason"])),
            ("Alerts in it", ", ".join(text(name) for name in incident["alerts"])),
            ("Elsewhere", ", ".join(code(known["url"]) for known in incident["references"])),
        )


def _verdict(report: Report) -> Iterator[str]:
    verdict = report["verdict"]
    yield f"## Verdict: {text(verdict['verdict'].replace('_', ' '))}"
    yield ""
    if not verdict["gates"]:
        yield "Nothing was weighed yet."
    for gate in verdict["gates"]:
        yield f"- [{'x' if gate['met'] else ' '}] **{text(gate['slug'])}**: {text(gate['sentence'])}"


def _hypotheses(report: Report) -> Iterator[str]:
    yield "## Hypotheses"
    yield ""
    if not report["hypotheses"]:
        yield "None was proposed."
    for hypothesis in report["hypotheses"]:
        yield from _hypothesis(hypothesis)


def _hypothesis(part: HypothesisPart) -> Iterator[str]:
    yield f"### {part['name']} {text(part['statement'])}"
    yield ""
    bearing = ", ".join(f"{found['evidence']} {found['stance']}" for found in part["evidence"])
    why = f": {text(part['state_reason'])}" if part["state_reason"] else ""
    yield from _facts(
        ("State", f"{text(part['state'])}{why}"),
        ("Would confirm it", text(part["confirms"])),
        ("Would weaken it", text(part["weakens"])),
        ("Evidence", bearing or "none"),
        ("Proposed", f"{part['created_at']} by {text(part['created_by'])}"),
    )
    yield ""


def _evidence(report: Report) -> Iterator[str]:
    yield "## Evidence"
    yield ""
    names = [part["name"] for part in report["hypotheses"]]
    if not report["evidence"]:
        yield "None was recorded."
        return
    yield f"| Evidence | {' | '.join(['Kind', *names])} |"
    yield f"|---|{'---|' * (len(names) + 1)}"
    for part in report["evidence"]:
        stances = {bearing["on"]: _SIGNS[bearing["stance"]] for bearing in part["bears_on"]}
        cells = [
            f"{part['name']} {text(part['title'])}",
            text(_kind(part)),
            *(stances.get(name, "") for name in names),
        ]
        yield f"| {' | '.join(cell(found) for found in cells)} |"
    for part in report["evidence"]:
        yield ""
        yield from _piece(part)


def _kind(part: EvidencePart) -> str:
    word = part["kind"].replace("_", " ")
    return f"{word} (settles nothing alone)" if part["kind"] == "inference" else word


def _piece(part: EvidencePart) -> Iterator[str]:
    yield f"### {part['name']} {text(part['title'])}"
    yield ""
    if part["note"]:
        yield paragraph(part["note"])
        yield ""
    seen = part["provenance"]
    where = ", ".join(
        f"{text(str(name))} {code(str(value))}"
        for name, value in sorted(seen.items())
        if value not in ("", None)
    )
    bearing = ", ".join(f"{found['stance']} {text(found['on'])}" for found in part["bears_on"])
    yield from _facts(
        ("Kind", text(_kind(part))),
        ("Bears on", bearing),
        ("Seen", where),
        ("Not whole", _marks(part)),
        ("Recorded", f"{part['recorded_at']} by {text(part['recorded_by'])}"),
        ("Copied from", code(part["of"]) if part["of"] else "nothing: told by the one who recorded it"),
        ("SHA-256", code(part["content_hash"])),
    )
    yield ""
    yield from _content(part)


def _marks(part: EvidencePart) -> str:
    coverage = part["coverage"]
    marks = [
        f"{code(mark['path'])} {name}: {text(str(mark['why']))}"
        for name in ("cut", "redacted")
        for mark in coverage.get(name, [])[:20]
    ]
    if coverage.get("partial"):
        marks.insert(0, "**what decides is not whole**")
    return "; ".join(marks)


def _content(part: EvidencePart) -> Iterator[str]:
    content = part["content"]
    if part["kind"] != "capture":
        if content:
            yield block(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False), "json")
        return
    if content.get("message"):
        yield code(content["message"])
        yield ""
    rows = list(_values(content))
    if rows:
        yield "| Name | Type | Value |"
        yield "|---|---|---|"
        yield from (f"| {' | '.join(cell(found) for found in row)} |" for row in rows[:MOST_VALUES])
    if len(rows) > MOST_VALUES:
        yield ""
        yield f"{len(rows) - MOST_VALUES} further values are in the JSON form."
    if stack := content.get("frames"):
        yield ""
        lines = (f"{frame['function']} at {frame['file']}:{frame['line']}" for frame in stack)
        yield block("\n".join(" ".join(line.split()) for line in lines))


def _values(content: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The watches and the innermost frame's variables, one level deep."""
    for name, value in content.get("watches", {}).items():
        yield from _value(name, value)
    for frame in content.get("frames", [])[:1]:
        for name, value in frame.get("variables", {}).items():
            yield from _value(name, value)


def _value(name: str, value: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield code(name), code(value["type"]), _shown(value)
    for inner, field in value.get("fields", {}).items():
        yield code(f"{name}.{inner}"), code(field["type"]), _shown(field)


def _shown(value: dict[str, Any]) -> str:
    if value.get("redacted"):
        return f"withheld ({text(value['redacted'])})"
    cut = f" (cut: {text(value['cut'])})" if value.get("cut") else ""
    if "value" in value:
        written = json.dumps(value["value"], ensure_ascii=False)
        return code(written[:LONGEST_VALUE] + ("…" if len(written) > LONGEST_VALUE else "")) + cut
    size = f"{value['size']} " if "size" in value else ""
    parts = next((part for part in ("items", "entries", "fields") if part in value), "")
    return f"{size}{parts}{cut}".strip()


def _probes(report: Report) -> Iterator[str]:
    yield "## Probes"
    yield ""
    if not report["probes"]:
        yield "None was placed."
    for probe in report["probes"]:
        yield from _probe(probe)


def _probe(part: ProbePart) -> Iterator[str]:
    yield f"### {part['name']} {text(part['kind'])} at {code(part['place'])}"
    yield ""
    endings = ", ".join(f"{text(name)} {count}" for name, count in part["endings"].items())
    why = f": {text(part['state_reason'])}" if part["state_reason"] else ""
    yield from _facts(
        ("Service", text(part["service"])),
        ("Condition", code(part["condition"]) if part["condition"] else ""),
        ("Message", code(part["template"]) if part["template"] else ""),
        ("Watches", ", ".join(f"{code(w['name'])} = {code(w['expression'])}" for w in part["watches"])),
        ("State", f"{text(part['state'])}{why}"),
        ("Placed", f"{part['placed_at']} by {text(part['placed_by'])}"),
        ("Purpose", text(part["purpose"])),
        (
            "Hits",
            f"{'≥ ' if part['hits_at_least'] else ''}{part['hits']}{f' ({endings})' if endings else ''}",
        ),
        ("Captures", str(part["captures"])),
    )
    for delivery in part["deliveries"]:
        said = f": {text(delivery['sentence'])}" if delivery["sentence"] else ""
        place = f"{text(delivery['host'])} ({delivery['pid']})"
        commit = f", commit {code(delivery['commit'])}" if delivery["commit"] else ""
        yield f"- {place}{commit}: {text(delivery['state'])}{said}"
    yield ""


def _timeline(report: Report) -> Iterator[str]:
    yield "## Timeline"
    yield ""
    for entry in report["timeline"]:
        why = f" (why: {text(entry['purpose'])})" if entry["purpose"] else ""
        yield f"{entry['cursor']}. {entry['at']} **{text(entry['actor'])}**: {text(entry['sentence'])}{why}"


def _coverage(report: Report) -> Iterator[str]:
    coverage = report["coverage"]
    yield "## What this report covers"
    yield ""
    yield from _facts(
        ("Timeline", f"all {coverage['timeline_entries']} entries"),
        ("Captures stored in the session", str(coverage["captures"])),
        ("Evidence", str(coverage["evidence"])),
        ("Not whole", ", ".join(coverage["partial_evidence"]) or "none"),
        ("Told, not copied", ", ".join(coverage["told_not_copied"]) or "none"),
        ("Form", f"{text(report['format'])} {report['version']}"),
    )


def _facts(*facts: tuple[str, str]) -> Iterable[str]:
    return (f"- {name}: {value}" for name, value in facts if value.strip())
