from datetime import UTC, datetime

from django.db import migrations

from investigations.probes import partitions

# Order of the columns: fixed width first, so that none is padded. A capture is found by its id, or read in order of
# arrival within a session or of a probe, or with the others of its execution; nothing else is indexed.
MAKE = """
CREATE TABLE probes_capture (
    id uuid NOT NULL,
    instance_id uuid NOT NULL,
    environment_id uuid NOT NULL,
    session_id uuid NOT NULL,
    probe_id uuid NOT NULL,
    cursor bigint NOT NULL,
    hit bigint NOT NULL,
    at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    kind varchar(16) NOT NULL,
    commit varchar(64) NOT NULL,
    trace_id varchar(64) NOT NULL,
    execution_id varchar(128) NOT NULL,
    function varchar(300) NOT NULL,
    message text NOT NULL,
    cuts jsonb NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (id, instance_id)
) PARTITION BY RANGE (id);
CREATE TABLE probes_capture_default PARTITION OF probes_capture DEFAULT;
CREATE INDEX capture_by_session ON probes_capture (session_id, cursor);
CREATE INDEX capture_by_probe ON probes_capture (probe_id, cursor);
CREATE INDEX capture_by_execution ON probes_capture (execution_id) WHERE execution_id <> '';
"""


def make_first_days(apps, schema_editor):
    partitions.make_days(now=datetime.now(UTC))


class Migration(migrations.Migration):
    dependencies = [("probes", "0001_initial")]

    operations = [
        migrations.RunSQL(MAKE, reverse_sql="DROP TABLE probes_capture"),
        migrations.RunPython(make_first_days, migrations.RunPython.noop),
    ]
