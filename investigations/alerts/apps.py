"""Alerts as existing backends tell them, their episodes, and the incidents that group them."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "investigations.alerts"
