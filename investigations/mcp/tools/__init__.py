"""The tools, one file for each noun. A docstring's first lines are what a model reads before it chooses."""

from investigations.mcp.answers import REGISTERED, Tool
from investigations.mcp.tools import (
    alerts,
    captures,
    code,
    evidence,
    probes,
    reasoning,
    services,
    sessions,
)

__all__ = [
    "ORDER",
    "TOOLS",
    "alerts",
    "captures",
    "code",
    "evidence",
    "probes",
    "reasoning",
    "services",
    "sessions",
]

ORDER = (
    # orient
    "list_alerts",
    "list_services",
    "open_session",
    "get_session",
    # read
    "list_functions",
    "find_assignments",
    "search_code",
    "read_code",
    # ask
    "check_probe",
    "place_probe",
    "wait_for_captures",
    "get_capture",
    "compare_captures",
    "learn_invariants",
    "suspect_commits",
    "suggest_probes",
    "rank_causes",
    "remove_probe",
    # conclude
    "record_hypothesis",
    "record_evidence",
    "export_report",
)
"""As an investigation goes: clients list them so."""

TOOLS: dict[str, Tool] = {name: REGISTERED[name] for name in ORDER}
