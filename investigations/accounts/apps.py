"""People, what they may do and where, their tokens, and the audit of access and administration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "investigations.accounts"
