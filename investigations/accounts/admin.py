"""Accounts in Django's admin: people can be edited, which is audited; tokens and the audit log are only read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.forms import ModelForm
from django.http import HttpRequest

from investigations.accounts import services
from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, AuditEntry, Environment, User
from investigations.accounts.signing_in import address_of
from investigations.lib.admin import ReadOnlyAdmin


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Names, passwords and whether someone may act. Roles are given by the verb, on the page of an environment."""

    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "time_zone")}),
        ("May act", {"fields": ("is_active", "is_staff", "is_superuser")}),
    )
    list_display = ("username", "first_name", "last_name", "email", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser")
    filter_horizontal = ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # whoever acted stays named; take ``is_active`` away instead

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        action = "user_changed" if change else "user_created"
        by = Actor.person(_signed_in(request), address=address_of(request))
        services.audit(by=by, action=action, target=obj.username, detail={"changed": form.changed_data})


def _signed_in(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@admin.register(Environment)
class EnvironmentAdmin(ReadOnlyAdmin):
    list_display = ("name", "created_at")
    exclude = ("hash_key",)


@admin.register(AccessToken)
class AccessTokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "owner", "environment", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("kind", "environment")
    exclude = ("digest", "stored_key", "server_key")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor_label", "action", "target", "environment", "address")
    list_filter = ("action", "environment")
    search_fields = ("target", "actor_label")
    date_hierarchy = "at"
