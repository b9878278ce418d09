"""Alerts in Django's admin: to look at, for sources write them. Credentials and payloads are not shown."""

from __future__ import annotations

from django.contrib import admin

from investigations.alerts.models import Alert, AlertSource, Episode, Incident
from investigations.lib.admin import ReadOnlyAdmin


@admin.register(AlertSource)
class AlertSourceAdmin(ReadOnlyAdmin):
    list_display = ("name", "environment", "backend", "url", "enabled", "last_ok_at", "last_webhook_at")
    list_filter = ("environment", "backend")
    exclude = ("credentials", "webhook_digest")


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("name", "environment", "state", "severity", "service_name", "state_since", "last_seen_at")
    list_filter = ("environment", "state", "severity")
    search_fields = ("name", "service_name")


@admin.register(Episode)
class EpisodeAdmin(ReadOnlyAdmin):
    list_display = ("alert", "incident", "started_at", "ended_at", "end_reason")
    list_select_related = ("alert", "incident")


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    list_display = ("number", "title", "environment", "status", "severity", "lead", "opened_at")
    list_filter = ("environment", "status")
    list_select_related = ("environment", "lead")
