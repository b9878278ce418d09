"""The report as JSON: for programs, with a schema they can check it against."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from investigations.evidence.export.report import Report


def write(report: Report) -> str:
    """The report as text; keys are sorted, so that the same report is the same bytes."""
    return json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of this version of the report."""
    return msgspec.json.schema(Report)
