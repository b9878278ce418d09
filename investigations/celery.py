"""The Celery application: the clock's door into the domain. Schedules stand beside their tasks in `tasks/`."""

import os
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "investigations.settings")

app = Celery("investigations")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["investigations"])


@app.on_after_finalize.connect
def wind_the_clock(sender: Celery, **_: Any) -> None:
    """Take over every noun's schedule; by now Django is set up, so that the tasks can be imported."""
    from investigations.tasks import SCHEDULE

    sender.conf.beat_schedule = SCHEDULE
