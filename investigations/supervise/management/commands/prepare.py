"""`manage.py prepare`: bring database, static files and credentials to what this version needs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from investigations.supervise.home import Home
from investigations.supervise.seeding import open_first_session, seed, watch


class Command(BaseCommand):
    help = "Apply migrations, gather static files, and make the sign-in and tokens of the data directory."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--environment", default="production", help="made, with tokens, if it is missing")
        parser.add_argument(
            "--watch", nargs=2, metavar=("PROMETHEUS", "ALERTMANAGER"), help="alert sources to have"
        )
        parser.add_argument(
            "--open-session", action="store_true", help="begin with a session, if there is none"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        home = Home(settings.HOME)
        environment = seed(home, options["environment"])
        if options["watch"]:
            watch(home, environment, *options["watch"])
        if options["open_session"]:
            open_first_session(environment)
