"""`manage.py forget`: remove the data directory and everything in it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from investigations.supervise.home import Home


class Command(BaseCommand):
    help = "Remove the data directory: database, captures, sign-in, tokens and logs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        home = Home(settings.HOME)
        if not options["yes"] and input(f"Remove {home.folder} and all that is in it? [y/N] ").lower() != "y":
            self.stdout.write("Nothing was removed.")
            return
        with home.only_here():
            home.forget()
        self.stdout.write(f"{home.folder} is gone.")
