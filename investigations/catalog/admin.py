"""The catalog in Django's admin: to look at, for sensors write it."""

from __future__ import annotations

from django.contrib import admin

from investigations.catalog.models import Instance, Service, SourceFile
from investigations.lib.admin import ReadOnlyAdmin


@admin.register(Service)
class ServiceAdmin(ReadOnlyAdmin):
    list_display = ("name", "environment", "probe_revision", "created_at")
    list_filter = ("environment",)
    search_fields = ("name",)


@admin.register(Instance)
class InstanceAdmin(ReadOnlyAdmin):
    list_display = (
        "service",
        "host",
        "pid",
        "runtime",
        "commit",
        "engine",
        "last_seen_at",
        "disconnected_at",
    )
    list_filter = ("environment",)
    list_select_related = ("service",)


@admin.register(SourceFile)
class SourceFileAdmin(ReadOnlyAdmin):
    list_display = ("path", "service", "commit", "seen_at")
    search_fields = ("path",)
    list_select_related = ("service",)
