"""Hypotheses and evidence in Django's admin: to look at. What was captured is a secret and is not shown."""

from __future__ import annotations

from django.contrib import admin

from investigations.evidence.models import Evidence, EvidenceLink, Hypothesis
from investigations.lib.admin import ReadOnlyAdmin


@admin.register(Hypothesis)
class HypothesisAdmin(ReadOnlyAdmin):
    list_display = ("session", "number", "statement", "state", "created_by")
    list_filter = ("environment", "state")
    list_select_related = ("session",)


@admin.register(Evidence)
class EvidenceAdmin(ReadOnlyAdmin):
    list_display = ("session", "number", "kind", "title", "created_by", "content_hash")
    list_filter = ("environment", "kind")
    list_select_related = ("session",)
    exclude = ("content",)


@admin.register(EvidenceLink)
class EvidenceLinkAdmin(ReadOnlyAdmin):
    list_display = ("evidence", "stance", "hypothesis", "alert", "incident", "linked_by")
    list_filter = ("stance",)
    list_select_related = ("evidence", "hypothesis", "alert", "incident")
