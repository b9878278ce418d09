"""Configured sources, the alerts they tell of, each stretch of firing, and the incidents that group them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from encrypted_fields.fields import EncryptedJSONField

from investigations.accounts.models import Environment, User
from investigations.lib.ids import uuid7


class AlertSource(models.Model):
    """One configured place that alerts (and metrics) come from; ``backend`` names the code that speaks to it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="alert_sources")
    name = models.CharField(max_length=100)
    backend = models.CharField(max_length=32)
    url = models.URLField(max_length=500, blank=True)
    credentials = EncryptedJSONField(
        default=dict, blank=True, help_text="Never shown again: header or basic authentication."
    )
    options = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    every_s = models.PositiveIntegerField(default=15, help_text="Seconds between pulls.")
    webhook_digest = models.BinaryField(blank=True, default=b"", help_text="SHA-256 of the webhook's secret.")
    cursor = models.JSONField(default=dict, blank=True)
    next_pull_at = models.DateTimeField(db_default=Now())
    claimed_until = models.DateTimeField(
        null=True, blank=True, help_text="A worker is pulling; another may after this."
    )
    last_pull_at = models.DateTimeField(null=True, blank=True)
    last_ok_at = models.DateTimeField(null=True, blank=True)
    last_webhook_at = models.DateTimeField(null=True, blank=True)
    health = models.JSONField(default=dict, blank=True, help_text="Status and sentence, scope by scope.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="one_source_per_name")]

    def __str__(self) -> str:
        return self.name


class RawPayload(models.Model):
    """What a source sent, as it came. ``error`` set: it could not be read, and waits to be seen and replayed.

    A webhook's body is stored before it is read (``digested_at`` empty till then); a pull's when it told something
    new or held an alert that could not be read.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(AlertSource, on_delete=models.CASCADE, related_name="payloads")
    at = models.DateTimeField(db_default=Now())
    door = models.CharField(max_length=16, help_text="pull or webhook")
    body = models.TextField()
    error = models.TextField(blank=True)
    digested_at = models.DateTimeField(null=True, blank=True)
    replayed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["source", "-id"], condition=~Q(error=""), name="unread_payloads"),
            models.Index(fields=["id"], condition=Q(digested_at=None), name="undigested_payloads"),
        ]

    def __str__(self) -> str:
        return f"{self.door} from {self.source}"


class Severity(models.TextChoices):
    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class IncidentStatus(models.TextChoices):
    OPEN = "open"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Incident(models.Model):
    """One trouble: groups episodes that belong together and has none, one or several sessions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="incidents")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=300)
    severity = models.CharField(max_length=16, choices=Severity, default=Severity.WARNING)
    status = models.CharField(max_length=16, choices=IncidentStatus, default=IncidentStatus.OPEN)
    grouping_key = models.CharField(max_length=300, blank=True, help_text="What made episodes fall together.")
    grouping_reason = models.TextField(blank=True, help_text="The same, as a sentence.")
    previous = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="later"
    )
    lead = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="led_incidents"
    )
    references = models.JSONField(default=list, blank=True, help_text="Links to the same incident elsewhere.")
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-opened_at"]
        constraints = [models.UniqueConstraint(fields=["environment", "number"], name="incident_number")]
        indexes = [models.Index(fields=["environment", "status", "-opened_at"])]

    def __str__(self) -> str:
        return f"INC-{self.number} {self.title}"


class IncidentEntry(models.Model):
    """One thing done to an incident itself. What its alerts and sessions did is on their own records."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="entries")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=64, help_text="noun_verbed, as incident_resolved.")
    sentence = models.TextField()
    actor_kind = models.CharField(max_length=16)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["incident", "at", "id"]
        verbose_name_plural = "incident entries"

    def __str__(self) -> str:
        return self.sentence


class AlertState(models.TextChoices):
    FIRING = "firing"
    RESOLVED = "resolved"
    STALE = "stale"
    SUPPRESSED = "suppressed"
    FLAPPING = "flapping"


class Alert(models.Model):
    """A condition with its fingerprint: one row however many sources and doors tell of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="alerts")
    fingerprint = models.CharField(max_length=64)
    name = models.CharField(max_length=300)
    summary = models.TextField(blank=True)
    severity = models.CharField(max_length=16, choices=Severity, default=Severity.WARNING)
    state = models.CharField(max_length=16, choices=AlertState)
    state_since = models.DateTimeField()
    labels = models.JSONField(default=dict)
    annotations = models.JSONField(default=dict)
    service_name = models.CharField(max_length=255, blank=True, help_text="Guessed from the labels.")
    source = models.ForeignKey(AlertSource, null=True, on_delete=models.SET_NULL, related_name="alerts")
    expression = models.TextField(blank=True, help_text="The rule's own query, for the timeline's metric.")
    threshold = models.FloatField(null=True, blank=True)
    value = models.FloatField(null=True, blank=True)
    link = models.URLField(max_length=1000, blank=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    transitions = models.JSONField(
        default=list,
        help_text="The last changes between firing and not: time, and whether it fired from then.",
    )

    class Meta:
        ordering = ["-last_seen_at"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "fingerprint"], name="one_alert_per_fingerprint")
        ]
        indexes = [models.Index(fields=["environment", "state", "-last_seen_at"])]

    def __str__(self) -> str:
        return self.name


class Sighting(models.Model):
    """What one source last said of one alert. An alert fires while any source that still answers says so."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="sightings")
    source = models.ForeignKey(AlertSource, on_delete=models.CASCADE, related_name="sightings")
    state = models.CharField(max_length=16, help_text="firing, suppressed or resolved")
    said_at = models.DateTimeField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    absent = models.BooleanField(default=False, help_text="Resolved because a whole pull no longer held it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "source"], name="one_sighting_per_source")]
        indexes = [models.Index(fields=["source", "state"])]

    def __str__(self) -> str:
        return f"{self.source} says {self.alert} is {self.state}"


class Episode(models.Model):
    """One stretch of an alert from firing to its end."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="episodes")
    incident = models.ForeignKey(
        Incident, null=True, blank=True, on_delete=models.SET_NULL, related_name="episodes"
    )
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField()
    end_reason = models.CharField(max_length=32, blank=True, help_text="resolved, absent, stale")

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["alert"], condition=Q(ended_at=None), name="one_open_episode_per_alert"
            )
        ]

    def __str__(self) -> str:
        return f"{self.alert} since {self.started_at:%F %T}"
