"""Probes, where each stands on each instance, the captures they brought, and how executions turned out."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from investigations.accounts.models import Environment
from investigations.catalog.models import Instance, Service
from investigations.lib.ids import uuid7
from investigations.sessions.models import InvestigationSession


class ProbeState(models.TextChoices):
    PENDING_APPROVAL = "pending_approval"
    DENIED = "denied"
    ACTIVE = "active"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    REMOVED = "removed"


class Probe(models.Model):
    """An instruction at a location, of a kind, with condition, limits, targeting and expiry."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="probes")
    session = models.ForeignKey(InvestigationSession, on_delete=models.CASCADE, related_name="probes")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="probes")
    number = models.PositiveIntegerField(help_text="P1, P2 … within the session.")
    kind = models.CharField(max_length=16)
    location = models.JSONField(help_text="sightline.wire.Location as JSON.")
    place = models.CharField(
        max_length=1300, help_text="The location as people write it: file:line, module:function."
    )
    condition = models.TextField(blank=True)
    template = models.TextField(blank=True, help_text="A logpoint's message.")
    watches = models.JSONField(default=list, help_text="name and expression text.")
    value = models.TextField(blank=True, help_text="What a metric measures or an expectation states.")
    until = models.PositiveIntegerField(
        default=0, help_text="The line where a duration ends; 0: its function's end."
    )
    limits = models.JSONField(default=dict)
    options = models.JSONField(default=dict, help_text="What only its kind takes; see sightline.wire.Probe.")
    hit_limit = models.PositiveIntegerField(default=100)
    rate = models.FloatField(default=10.0, help_text="Captures a second, on each instance.")
    targeting = models.JSONField(default=dict, help_text="instances, commit, version, tags, percent.")
    state = models.CharField(max_length=20, choices=ProbeState)
    state_reason = models.TextField(blank=True)
    purpose = models.TextField(blank=True)
    placed_by = models.CharField(max_length=200)
    placed_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_together = models.UUIDField(
        null=True, blank=True, help_text="Names the act that ended many at once, so that it can be undone."
    )
    lease_s = models.FloatField(
        default=60.0, help_text="Sensors disarm it when not told again for this long."
    )
    captures = models.BigIntegerField(default=0, help_text="How many are stored.")
    idempotency_key = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["session", "number"]
        constraints = [
            models.UniqueConstraint(fields=["session", "number"], name="probe_number"),
            models.UniqueConstraint(
                fields=["session", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="probe_idempotency",
            ),
        ]
        indexes = [models.Index(fields=["service"], condition=Q(state="active"), name="active_probes")]

    def __str__(self) -> str:
        return f"P{self.number} {self.kind} {self.place}"


class DeliveryState(models.TextChoices):
    PENDING = "pending"
    ARMED = "armed"
    PAUSED = "paused"
    REJECTED = "rejected"
    REMOVED = "removed"


class ProbeDelivery(models.Model):
    """Where one probe stands on one instance, why, and what became of its hits there."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    probe = models.ForeignKey(Probe, on_delete=models.CASCADE, related_name="deliveries")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=16, choices=DeliveryState, default=DeliveryState.PENDING)
    slug = models.CharField(max_length=64, blank=True)
    sentence = models.TextField(blank=True)
    places = models.JSONField(
        default=list, help_text="file, line, function of each code object it is armed on."
    )
    nearest = models.JSONField(default=list, help_text="Executable lines nearest to a refused one.")
    counted_since = models.DateTimeField(null=True, blank=True)
    endings = models.JSONField(default=dict, help_text="Hits by how they ended.")
    unobserved_ms = models.FloatField(default=0.0)
    cost_us = models.FloatField(default=0.0)
    figures = models.JSONField(
        default=dict, help_text="What its kind counts; see investigations.probes.figures."
    )
    told_since = models.BigIntegerField(
        default=0, help_text="When the sensor began to count, ns: it begins anew when it is armed again."
    )
    told_before = models.JSONField(default=dict, help_text="The totals of all that was counted before that.")
    armed_at = models.DateTimeField(null=True, blank=True, help_text="When it was first armed here.")
    disarmed_at = models.DateTimeField(null=True, blank=True, help_text="When it stopped watching here.")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["probe", "instance"], name="one_delivery")]
        verbose_name_plural = "probe deliveries"

    def __str__(self) -> str:
        return f"{self.probe} on {self.instance}: {self.state}"


class ProbeReading(models.Model):
    """What a probe's figures gained on one instance in one stretch of time; a stretch without news has no row.

    The stretches of a probe are as long as its time to live asks for, so that an instance has at most some hundreds.
    """

    id = models.BigAutoField(primary_key=True)
    probe = models.ForeignKey(Probe, on_delete=models.CASCADE, related_name="readings")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="readings")
    start = models.DateTimeField(help_text="Where the stretch begins.")
    figures = models.JSONField(help_text="What was added in it; see investigations.probes.figures.")

    class Meta:
        ordering = ["start"]
        constraints = [
            models.UniqueConstraint(fields=["probe", "start", "instance"], name="one_reading_a_stretch")
        ]
        indexes = [models.Index(fields=["start"], name="reading_start")]

    def __str__(self) -> str:
        return f"{self.probe_id} from {self.start:%H:%M:%S}"


class Capture(models.Model):
    """A recorded hit, immutable: the body as it arrived, beside the columns that lists and filters need.

    Ids are UUIDv7 given by the sensor and unique per instance. The table is partitioned by range of id, so one
    partition holds one day, and no foreign key points at a capture: a day can be dropped, and evidence keeps a copy.
    """

    pk = models.CompositePrimaryKey("id", "instance_id")
    id = models.UUIDField()
    instance_id = models.UUIDField()
    environment_id = models.UUIDField()
    session_id = models.UUIDField()
    probe_id = models.UUIDField()
    cursor = models.BigIntegerField(help_text="Order of arrival within the session.")
    kind = models.CharField(max_length=16)
    hit = models.BigIntegerField()
    at = models.DateTimeField(help_text="When it was hit, by the instance's clock corrected by its offset.")
    received_at = models.DateTimeField()
    commit = models.CharField(max_length=64, blank=True)
    trace_id = models.CharField(max_length=64, blank=True)
    execution_id = models.CharField(max_length=128, blank=True)
    function = models.CharField(max_length=300, blank=True)
    message = models.TextField(blank=True)
    cuts = models.JSONField(default=list)
    body = models.BinaryField(help_text="MessagePack, sightline.wire.Capture.")

    class Meta:
        managed = False  # partitioned: made by SQL in the migration
        db_table = "probes_capture"

    def __str__(self) -> str:
        return f"capture {self.id}"


class Outcome(models.TextChoices):
    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    UNKNOWN = "unknown"


class ExecutionLabel(models.Model):
    """How one execution turned out, and who or what said so. The newest word counts; older ones stay."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="execution_labels")
    execution_id = models.CharField(max_length=128)
    outcome = models.CharField(max_length=8, choices=Outcome)
    reason = models.TextField(blank=True)
    said_by = models.CharField(max_length=200)
    at = models.DateTimeField()
    current = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "execution_id"], condition=Q(current=True), name="one_current_label"
            )
        ]
        indexes = [models.Index(fields=["environment", "execution_id"])]

    def __str__(self) -> str:
        return f"{self.execution_id}: {self.outcome}"
