"""Probes, where each stands on each instance, and the captures they brought."""

from django.apps import AppConfig


class ProbesConfig(AppConfig):
    name = "investigations.probes"
