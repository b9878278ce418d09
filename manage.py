#!/usr/bin/env python
"""Sightline's commands: `manage.py up` runs everything, `manage.py help` lists the rest."""

from __future__ import annotations

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from investigations.supervise.errors import Unstartable

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "investigations.settings")
    try:
        execute_from_command_line(sys.argv)
    except Unstartable as reason:
        sys.exit(f"{reason.sentence} {reason.fix}".strip())
    except ImproperlyConfigured as wrong:
        sys.exit(f"{wrong}")
