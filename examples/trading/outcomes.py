"""Tells Sightline how each trade ended: follows /outcomes and labels the executions by trace id.

The services know nothing of Sightline; this process is the one place where the team's own records
meet it.
"""

import argparse
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

LABELS = {"settled": "pass", "rejected": "fail"}
POLL_SECONDS = 1.0
BACK_OFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Forwarder:
    """Takes outcomes from the desk to Sightline; the cursor survives restarts, sending twice does no harm."""

    desk: httpx.Client
    sightline: httpx.Client
    cursor_file: Path

    def forward(self) -> int:
        """Hand over the next page and return how many outcomes it held; raises httpx.HTTPError."""
        page = self.desk.get("/outcomes", params={"since": self.cursor()}).raise_for_status().json()
        if page["outcomes"]:
            body = {"outcomes": [labelled(outcome) for outcome in page["outcomes"]]}
            self.sightline.post("/api/v1/outcomes", json=body).raise_for_status()
            self.cursor_file.write_text(page["cursor"])
        return len(page["outcomes"])

    def cursor(self) -> str:
        """Where to go on; "0" is the first outcome there is."""
        return self.cursor_file.read_text() if self.cursor_file.exists() else "0"


def labelled(outcome: dict[str, Any]) -> dict[str, Any]:
    """One outcome of the desk as Sightline takes it."""
    return {
        "trace_id": outcome["trace_id"],
        "outcome": LABELS[outcome["outcome"]],
        "source": "settlement",
        "reason": outcome["reason"],
        "at": outcome["at"],
    }


def follow(forwarder: Forwarder) -> None:
    """Forward without end; a failing end is tried again, ever more rarely, and said once."""
    failures = 0
    while True:
        try:
            moved = forwarder.forward()
        except httpx.HTTPError as error:
            if not failures:
                print(f"outcomes wait: {error}", file=sys.stderr, flush=True)
            time.sleep(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])
            failures += 1
            continue
        failures = 0
        if not moved:
            time.sleep(POLL_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--desk", required=True, help="trade-execution-service, e.g. http://127.0.0.1:8001")
    parser.add_argument("--sightline", required=True, help="the dashboard; its token is in SIGHTLINE_TOKEN")
    parser.add_argument("--cursor", type=Path, required=True, help="file that keeps how far it came")
    arguments = parser.parse_args()
    authorization = {"Authorization": f"Bearer {os.environ['SIGHTLINE_TOKEN']}"}
    desk = httpx.Client(base_url=arguments.desk)
    sightline = httpx.Client(base_url=arguments.sightline, headers=authorization)
    with desk, sightline, suppress(KeyboardInterrupt):
        follow(Forwarder(desk, sightline, arguments.cursor))


if __name__ == "__main__":
    main()
