"""Services, their instances as sensors report them, and the source those instances run."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from investigations.accounts.models import Environment
from investigations.lib.ids import uuid7


class Service(models.Model):
    """OpenTelemetry's ``service.name`` in one environment; known once a sensor or an alert named it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="services")
    name = models.CharField(max_length=255)
    probe_revision = models.BigIntegerField(default=0, help_text="Grows with every change of its probes.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="one_service_per_name")]

    def __str__(self) -> str:
        return self.name


class Instance(models.Model):
    """One process with a sensor in it (``service.instance.id``). Its id is the one the sensor gave."""

    id = models.UUIDField(primary_key=True, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="instances")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="instances")
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    runtime = models.CharField(max_length=100, help_text="As cpython 3.12.1.")
    sensor_version = models.CharField(max_length=50)
    protocol_version = models.IntegerField(default=1)
    commit = models.CharField(max_length=64, blank=True)
    version = models.CharField(max_length=100, blank=True)
    tags = models.JSONField(default=dict)
    engine = models.CharField(max_length=32)
    engine_reason = models.TextField(blank=True)
    neighbours = models.JSONField(default=list, help_text="Who else watches in the process.")
    roots = models.JSONField(default=list)
    started_at = models.DateTimeField()
    connected_at = models.DateTimeField()
    connection = models.UUIDField(
        null=True, help_text="The socket that speaks for it now; null when none does."
    )
    channel = models.CharField(max_length=150, blank=True, help_text="That socket's channel-layer name.")
    last_seen_at = models.DateTimeField()
    disconnected_at = models.DateTimeField(null=True, blank=True)
    clock_offset_ms = models.FloatField(default=0.0, help_text="Its wall clock minus ours.")
    cpu_share = models.FloatField(
        default=0.0, help_text="The sensor's share of one core since the last heartbeat."
    )
    budget = models.FloatField(default=0.02)
    breaker = models.TextField(blank=True, help_text="Empty while closed; else why it opened.")
    queued = models.IntegerField(default=0)
    drops = models.JSONField(default=dict, help_text="Records lost since the process started, by reason.")
    memory_bytes = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["service__name", "host", "pid"]
        indexes = [models.Index(fields=["environment", "service", "-last_seen_at"])]

    def __str__(self) -> str:
        return f"{self.service.name} on {self.host} ({self.pid})"


class SourceFile(models.Model):
    """One text of one file, kept once by its hash: source as deployed, and what only the interpreter knows of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="source_files")
    path = models.CharField(
        max_length=1000, help_text="Relative to the service's roots, with forward slashes."
    )
    module = models.CharField(max_length=500, blank=True)
    hash = models.CharField(max_length=64, help_text="SHA-256 of the text, hex.")
    text = models.TextField()
    lines = models.JSONField(default=list, help_text="Executable lines.")
    outline = models.JSONField(default=list, help_text="Symbols: name, kind, first_line, last_line.")
    loaded_differs = models.BooleanField(
        default=False, help_text="The process was compiled from another text."
    )
    commit = models.CharField(max_length=64, blank=True)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["service", "path", "hash"], name="one_text_per_hash")]

    def __str__(self) -> str:
        return f"{self.path} {self.hash[:8]}"


class FunctionMinute(models.Model):
    """What the function record of one instance told in one minute, of all its functions together.

    One row and not one a function: they are written and read together, and forgotten together after a few days.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="function_minutes")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="function_minutes")
    minute = models.DateTimeField(help_text="When it began.")
    functions = models.JSONField(
        default=dict,
        help_text="By module:name: file, line, calls, estimated, errors, exceptions, callers, duration.",
    )

    class Meta:
        ordering = ["-minute"]
        constraints = [models.UniqueConstraint(fields=["instance", "minute"], name="one_row_per_minute")]
        indexes = [models.Index(fields=["service", "-minute"]), models.Index(fields=["minute"])]

    def __str__(self) -> str:
        return f"{self.instance_id} {self.minute:%H:%M}"


class ServiceCall(models.Model):
    """One service was seen to call another: by an outgoing call that named it, or by a trace through just the two."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="service_calls")
    caller = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="calls_out")
    callee = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="calls_in")
    seen_at = models.DateTimeField(help_text="When last.")

    class Meta:
        ordering = ["caller__name", "callee__name"]
        constraints = [models.UniqueConstraint(fields=["caller", "callee"], name="one_row_per_call")]

    def __str__(self) -> str:
        return f"{self.caller.name} calls {self.callee.name}"
