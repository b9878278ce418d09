"""An investigation session, who takes part, and its timeline: append-only, ordered, attributed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from investigations.accounts.models import AccessToken, Environment, User
from investigations.alerts.models import Episode, Incident
from investigations.catalog.models import Service
from investigations.lib.ids import uuid7


class SessionStatus(models.TextChoices):
    OPEN = "open"
    CLOSED = "closed"


class Verdict(models.TextChoices):
    """What the rules say of a session; never written by hand."""

    DIAGNOSED = "diagnosed"
    LIKELY = "likely"
    INCONCLUSIVE = "inconclusive"
    REPRODUCTION_REQUIRED = "reproduction_required"
    BLOCKED = "blocked"
    FALSE_ALARM = "false_alarm"


class InvestigationSession(models.Model):
    """One investigation: people, agents, probes, hypotheses, evidence, timeline.

    The two cursors are handed out under this row's lock, in the transaction that writes the row they number:
    a reader that has seen n will never later find a smaller one it missed.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="sessions")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=300)
    symptom = models.TextField(blank=True)
    incident = models.ForeignKey(
        Incident, null=True, blank=True, on_delete=models.SET_NULL, related_name="sessions"
    )
    episode = models.ForeignKey(
        Episode,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="sessions",
        help_text="The stretch of firing it was opened on.",
    )
    services = models.ManyToManyField(Service, related_name="sessions", blank=True)
    window_start = models.DateTimeField(help_text="Where its timeline begins.")
    status = models.CharField(max_length=16, choices=SessionStatus, default=SessionStatus.OPEN)
    verdict = models.CharField(max_length=32, choices=Verdict, default=Verdict.INCONCLUSIVE)
    gates = models.JSONField(default=list, help_text="The verdict's gates: slug, met, sentence.")
    opened_by = models.CharField(max_length=200)
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)
    conclusion = models.TextField(blank=True)
    idempotency_key = models.CharField(max_length=200, blank=True)
    timeline_cursor = models.BigIntegerField(default=0)
    capture_cursor = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "number"], name="session_number"),
            models.UniqueConstraint(
                fields=["environment", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="session_idempotency",
            ),
        ]
        indexes = [models.Index(fields=["environment", "status", "-opened_at"])]

    def __str__(self) -> str:
        return f"SES-{self.number} {self.title}"


class Participant(models.Model):
    """Someone, or someone's agent, who acted in a session."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session = models.ForeignKey(InvestigationSession, on_delete=models.CASCADE, related_name="participants")
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    token = models.ForeignKey(AccessToken, null=True, blank=True, on_delete=models.SET_NULL)
    kind = models.CharField(max_length=16)
    label = models.CharField(max_length=200)
    joined_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    seen_cursor = models.BigIntegerField(default=0, help_text='For "since you left".')

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session", "user", "token"], nulls_distinct=False, name="one_participant"
            )
        ]

    def __str__(self) -> str:
        return self.label


class TimelineEntry(models.Model):
    """One thing that happened in a session. Rows are added, never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session = models.ForeignKey(InvestigationSession, on_delete=models.CASCADE, related_name="timeline")
    cursor = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=64, help_text="noun_verbed, as probe_placed.")
    sentence = models.TextField()
    actor_kind = models.CharField(max_length=16)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL)
    purpose = models.TextField(blank=True, help_text="Why, in an agent's own words.")
    subject = models.CharField(max_length=40, blank=True, help_text="The public id of what it is about.")
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["session", "cursor"]
        verbose_name_plural = "timeline entries"
        constraints = [models.UniqueConstraint(fields=["session", "cursor"], name="timeline_order")]

    def __str__(self) -> str:
        return self.sentence
