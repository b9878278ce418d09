"""Hypotheses, and the frozen observations that support or refute them."""

from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    name = "investigations.evidence"
