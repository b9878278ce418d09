"""Ways of working an agent can be started with."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import MCPServer


def register(server: MCPServer[Any]) -> None:
    """Add the prompts to a server."""

    @server.prompt(title="Investigate an alert")
    def investigate(alert: str) -> str:
        """From a firing alert to evidence."""
        return (
            f"Investigate the alert {alert} with Sightline.\n"
            "1. open_session(alert=…) and read what it already knows.\n"
            "2. record_hypothesis at least twice, for rivals, each with what would confirm and what would weaken it.\n"
            "3. Find the line whose values tell them apart: find_assignments, search_code, read_code.\n"
            "4. check_probe, then place_probe with the narrowest condition that still catches a failing execution.\n"
            "5. wait_for_captures. No capture is an answer: read possible_causes before you change anything.\n"
            "6. Compare exact types as well as values. record_evidence for and against; refute the rivals too.\n"
            "7. export_report. Say what is not known yet."
        )

    @server.prompt(title="Resume a session")
    def resume_session(session: str) -> str:
        """Pick up where a session stands."""
        return (
            f"Resume the Sightline session {session}: get_session with probes, hypotheses, evidence and timeline, "
            "then work on the first unmet gate of its verdict."
        )
