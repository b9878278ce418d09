"""Hypotheses, evidence, and how each piece bears on which hypothesis, alert or incident."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from investigations.accounts.models import Environment
from investigations.alerts.models import Alert, Incident
from investigations.lib.ids import uuid7
from investigations.sessions.models import InvestigationSession


class HypothesisState(models.TextChoices):
    PROPOSED = "proposed"
    TESTING = "testing"
    SUPPORTED = "supported"
    REFUTED = "refuted"
    CONFIRMED = "confirmed"
    UNTESTABLE = "untestable"


class Hypothesis(models.Model):
    """A claim about the cause; says what would confirm and what would weaken it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="hypotheses")
    session = models.ForeignKey(InvestigationSession, on_delete=models.CASCADE, related_name="hypotheses")
    number = models.PositiveIntegerField(help_text="H1, H2 … within the session.")
    statement = models.TextField()
    confirms = models.TextField(blank=True, help_text="What would confirm it.")
    weakens = models.TextField(blank=True, help_text="What would weaken it.")
    state = models.CharField(max_length=16, choices=HypothesisState, default=HypothesisState.PROPOSED)
    state_reason = models.TextField(blank=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    idempotency_key = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["session", "number"]
        verbose_name_plural = "hypotheses"
        constraints = [
            models.UniqueConstraint(fields=["session", "number"], name="hypothesis_number"),
            models.UniqueConstraint(
                fields=["session", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="hypothesis_idempotency",
            ),
        ]

    def __str__(self) -> str:
        return f"H{self.number} {self.statement}"


class EvidenceKind(models.TextChoices):
    CAPTURE = "capture"
    COMPARISON = "comparison"
    METRIC_WINDOW = "metric_window"
    LOG_LINES = "log_lines"
    TRACE = "trace"
    ALERT = "alert"
    CODE = "code"
    COMMIT = "commit"
    CHANGE = "change"
    TEST_RUN = "test_run"
    OBSERVATION = "observation"
    LINK = "link"
    INFERENCE = "inference"


class Evidence(models.Model):
    """A frozen observation with its provenance. ``content`` is a copy; what it was copied from may be gone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="evidence")
    session = models.ForeignKey(
        InvestigationSession, null=True, blank=True, on_delete=models.CASCADE, related_name="evidence"
    )
    number = models.PositiveIntegerField(
        help_text="E1, E2 … within the session, or within the environment without one."
    )
    kind = models.CharField(max_length=16, choices=EvidenceKind)
    title = models.CharField(max_length=300)
    note = models.TextField(blank=True)
    content = models.JSONField(default=dict)
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the canonical JSON of content.")
    provenance = models.JSONField(
        default=dict, help_text="Probe, instance, commit, times, source: where it was seen."
    )
    coverage = models.JSONField(default=dict, help_text="How much of how much, and what was cut or withheld.")
    of = models.CharField(max_length=40, blank=True, help_text="The public id of what was copied.")
    created_by = models.CharField(max_length=200)
    created_by_kind = models.CharField(max_length=16)
    created_at = models.DateTimeField(db_default=Now())
    idempotency_key = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["session", "number"]
        verbose_name_plural = "evidence"
        constraints = [
            models.UniqueConstraint(
                fields=["session", "number"], condition=Q(session__isnull=False), name="evidence_number"
            ),
            models.UniqueConstraint(
                fields=["environment", "number"], condition=Q(session=None), name="incident_evidence_number"
            ),
            models.UniqueConstraint(
                fields=["environment", "session", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                nulls_distinct=False,
                name="evidence_idempotency",
            ),
        ]

    def __str__(self) -> str:
        return f"E{self.number} {self.title}"


class Stance(models.TextChoices):
    SUPPORTS = "supports"
    REFUTES = "refutes"
    NEUTRAL = "neutral"


class EvidenceLink(models.Model):
    """How evidence bears on a hypothesis, or on the alert or incident it explains: exactly one of the three."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    evidence = models.ForeignKey(Evidence, on_delete=models.CASCADE, related_name="links")
    hypothesis = models.ForeignKey(
        Hypothesis, null=True, blank=True, on_delete=models.CASCADE, related_name="links"
    )
    alert = models.ForeignKey(
        Alert, null=True, blank=True, on_delete=models.CASCADE, related_name="evidence_links"
    )
    incident = models.ForeignKey(
        Incident, null=True, blank=True, on_delete=models.CASCADE, related_name="evidence_links"
    )
    stance = models.CharField(max_length=8, choices=Stance, default=Stance.NEUTRAL)
    linked_by = models.CharField(max_length=200)
    linked_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["evidence", "hypothesis", "alert", "incident"], nulls_distinct=False, name="one_link"
            ),
            models.CheckConstraint(
                name="links_to_exactly_one",
                condition=Q(hypothesis__isnull=False, alert__isnull=True, incident__isnull=True)
                | Q(hypothesis__isnull=True, alert__isnull=False, incident__isnull=True)
                | Q(hypothesis__isnull=True, alert__isnull=True, incident__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.evidence} {self.stance}"
