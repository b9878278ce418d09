"""Probes in Django's admin: to look at, for the verbs place and end them. Captures are secrets and are not shown."""

from __future__ import annotations

from django.contrib import admin

from investigations.lib.admin import ReadOnlyAdmin
from investigations.probes.models import ExecutionLabel, Probe, ProbeDelivery


@admin.register(Probe)
class ProbeAdmin(ReadOnlyAdmin):
    list_display = ("session", "number", "kind", "place", "state", "captures", "placed_by", "expires_at")
    list_filter = ("state", "kind", "environment")
    list_select_related = ("session",)


@admin.register(ProbeDelivery)
class ProbeDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("probe", "instance", "state", "slug", "updated_at")
    list_filter = ("state",)
    list_select_related = ("probe", "instance", "instance__service")


@admin.register(ExecutionLabel)
class ExecutionLabelAdmin(ReadOnlyAdmin):
    list_display = ("execution_id", "outcome", "said_by", "at", "current")
    list_filter = ("outcome", "current", "environment")
    search_fields = ("execution_id",)
