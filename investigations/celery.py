"""The Celery application: the clock's door into the domain. Schedules stand beside their tasks in `tasks/`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "investigations.settings")

app = Celery("investigations")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["investigations"])
