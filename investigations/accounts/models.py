"""Environments and who may do what in each: users, memberships, access tokens, and the audit log."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now

from investigations.lib.ids import uuid7


class Environment(models.Model):
    """The boundary of authority: every row that a person or a sensor reaches belongs to one.

    It lives here and not in the catalog because a right is a role in an environment.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=63, unique=True)
    hash_key = models.BinaryField(
        help_text="Keys the hashes of withheld values, so that equal values compare equal."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person who signs in. A superuser is an admin of every environment."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    time_zone = models.CharField(max_length=64, blank=True, help_text="Empty: the browser's.")


class Role(models.TextChoices):
    """Each may do all that the one before may."""

    VIEWER = "viewer", "Viewer"
    RESPONDER = "responder", "Responder"
    ADMIN = "admin", "Admin"


class Membership(models.Model):
    """One person's role in one environment."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "environment"], name="one_role_per_environment")
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} in {self.environment}"


class TokenKind(models.TextChoices):
    """Who holds a token: a sensor in a service, an agent over MCP or REST, or a program (CI, a script, a webhook)."""

    SENSOR = "sensor", "Sensor"
    AGENT = "agent", "Agent"
    PROGRAM = "program", "Program"


class AccessToken(models.Model):
    """A bearer's authority, never more than its owner's. The secret itself is shown once and not kept.

    Agents and programs present the token, so its SHA-256 is stored; a sensor only proves it (`sightline.handshake`), so
    its two keys are.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    public_id = models.CharField(max_length=16, unique=True, help_text="The part of the token that names it.")
    kind = models.CharField(max_length=16, choices=TokenKind)
    name = models.CharField(max_length=100)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    environment = models.ForeignKey(
        Environment,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="tokens",
        help_text="Empty: wherever its owner may act. A sensor token always has one.",
    )
    service = models.CharField(
        max_length=255, blank=True, help_text="Sensors: the only service it may speak for."
    )
    scopes = models.JSONField(default=list, help_text='Of "read", "write", "admin".')
    digest = models.BinaryField(blank=True, default=b"")
    stored_key = models.BinaryField(blank=True, default=b"")
    server_key = models.BinaryField(blank=True, default=b"")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.kind} token {self.name}"


class RuleKind(models.TextChoices):
    """By what a rule of redaction withholds."""

    NAME = "name", "Name"
    VALUE = "value", "Value"
    TYPE = "type", "Type"
    PATH = "path", "Path"


class RedactionRule(models.Model):
    """What sensors of an environment withhold beside their own rules, before anything leaves the process."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="redaction_rules")
    kind = models.CharField(max_length=8, choices=RuleKind)
    pattern = models.CharField(
        max_length=200, help_text="A name or glob; for values a pattern of the expression language."
    )
    note = models.CharField(max_length=200, blank=True, help_text="Why.")
    added_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["kind", "pattern"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "kind", "pattern"], name="one_rule_per_pattern")
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.pattern}"


class AuditEntry(models.Model):
    """One act of access or administration, kept for ever. What happens inside a session is on its timeline instead."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField(db_default=Now())
    environment = models.ForeignKey(Environment, null=True, blank=True, on_delete=models.SET_NULL)
    actor_kind = models.CharField(max_length=16)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL)
    token = models.ForeignKey(AccessToken, null=True, blank=True, on_delete=models.SET_NULL)
    action = models.CharField(max_length=64)
    target = models.CharField(max_length=255, blank=True)
    detail = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["environment", "-id"])]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.action} {self.target}"
