"""Investigation sessions, who takes part, and the timeline that is the truth about them."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "investigations.sessions"
    label = "investigation_sessions"  # Django itself owns "sessions"
