"""Sessions in Django's admin: to look at, for the verbs write them and their timeline."""

from __future__ import annotations

from django.contrib import admin

from investigations.lib.admin import ReadOnlyAdmin
from investigations.sessions.models import InvestigationSession, Participant, TimelineEntry


@admin.register(InvestigationSession)
class InvestigationSessionAdmin(ReadOnlyAdmin):
    list_display = ("number", "title", "environment", "status", "verdict", "opened_by", "opened_at")
    list_filter = ("environment", "status", "verdict")
    search_fields = ("title",)


@admin.register(Participant)
class ParticipantAdmin(ReadOnlyAdmin):
    list_display = ("session", "label", "kind", "joined_at", "last_seen_at")
    list_select_related = ("session",)


@admin.register(TimelineEntry)
class TimelineEntryAdmin(ReadOnlyAdmin):
    list_display = ("session", "cursor", "at", "actor_label", "kind", "sentence")
    list_filter = ("kind", "actor_kind")
    list_select_related = ("session",)
