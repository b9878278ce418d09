"""What happens by the clock. One file per noun: its tasks, and beside them when they run.

Beat only says that it is time; the rows say what there is to do, so a tick that is lost or comes twice does no harm.
"""

from __future__ import annotations

from investigations.celery import app
from investigations.tasks import alerts, captures, evidence, instances, probes
from investigations.tasks.schedule import Schedule

SCHEDULE: Schedule = {
    **alerts.SCHEDULE,
    **captures.SCHEDULE,
    **evidence.SCHEDULE,
    **instances.SCHEDULE,
    **probes.SCHEDULE,
}
app.conf.beat_schedule = SCHEDULE
"""Set here, not in a signal: Celery finalizes its application while these very modules are being imported."""
