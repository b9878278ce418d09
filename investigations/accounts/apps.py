"""People, what they may do and where, their tokens, and the audit of access and administration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "investigations.accounts"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in, user_login_failed

        from investigations.accounts import signing_in

        user_login_failed.connect(signing_in.note_failure, dispatch_uid="accounts.sign_in_failed")
        user_logged_in.connect(signing_in.note_success, dispatch_uid="accounts.signed_in")
