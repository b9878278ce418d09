"""`manage.py up`: run everything, in one terminal, until Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from investigations.supervise.demo import EXAMPLE, Demo
from investigations.supervise.home import Home
from investigations.supervise.whole import Whole


class Command(BaseCommand):
    help = "Run Sightline: databases (unless DATABASE_URL and REDIS_URL name others), dashboard, worker and clock."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8800, help="of the dashboard (default: 8800)")
        parser.add_argument("--web", type=int, default=1, help="dashboard processes that share the port")
        parser.add_argument(
            "--demo", action="store_true", help="with the example's services, load and alerts"
        )
        parser.add_argument("--fixed", action="store_true", help="deploy the example's fixed release")
        parser.add_argument("--example", type=Path, default=EXAMPLE, help="folder of the example")

    def handle(self, *args: Any, **options: Any) -> None:
        home = Home(Path(settings.HOME).expanduser().resolve())
        demo = None
        if options["demo"]:
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
