"""`manage.py up`: run everything, in one terminal, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from investigations.supervise.demo import EXAMPLE, Demo
from investigations.supervise.home import Home
from investigations.supervise.whole import Whole

LAST_PORT = 65_535
DEMO_PORTS = 9
"""How many ports after the dashboard's own the demo's programs may take."""


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: choose one from 1 to {LAST_PORT}")
    return int(text)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes: choose 1 or more")
    return int(text)


class Command(BaseCommand):
    help = "Run Sightline: databases (unless DATABASE_URL and REDIS_URL name others), dashboard, worker and clock."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=_port, default=8800, help="of the dashboard (default: 8800)")
        parser.add_argument(
            "--web", type=_at_least_one, default=1, help="dashboard processes that share the port"
        )
        parser.add_argument(
            "--demo", action="store_true", help="with the example's services, load and alerts"
        )
        parser.add_argument("--fixed", action="store_true", help="deploy the example's fixed release")
        parser.add_argument("--example", type=Path, default=EXAMPLE, help="folder of the example")

    def handle(self, *args: Any, **options: Any) -> None:
        home = Home(Path(settings.HOME).expanduser().resolve())
        demo = None
        if options["demo"]:
            if options["port"] + DEMO_PORTS > LAST_PORT:
                raise CommandError(
                    f"--port {options['port']} leaves no room: the demo needs {DEMO_PORTS} ports after it."
                )
            demo = Demo(home.demo, options["port"] + 1, options["fixed"], options["example"].resolve())
        whole = Whole(home, options["port"], options["web"], self._say, demo)
        try:
            home.make()
            with home.only_here():
                asyncio.run(whole.run())
        except KeyboardInterrupt:
            self._say("Stopped.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
