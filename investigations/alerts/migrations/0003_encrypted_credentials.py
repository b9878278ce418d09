"""Credentials of sources are encrypted from now on; those that are there are, here."""

from __future__ import annotations

import json
from typing import Any

import encrypted_fields.fields
from django.db import migrations


def encrypt(apps: Any, _: Any) -> None:
    """Write each source's credentials as the new field would."""
    sources = apps.get_model("alerts", "AlertSource").objects
    encrypted = encrypted_fields.fields.EncryptedJSONField()
    for source in sources.all():
        sources.filter(pk=source.pk).update(
            credentials=json.loads(encrypted.get_prep_value(source.credentials))
        )


class Migration(migrations.Migration):
    dependencies = [("alerts", "0002_sightings_and_entries")]
    operations = [
        migrations.RunPython(encrypt),
        migrations.AlterField(
            model_name="alertsource",
            name="credentials",
            field=encrypted_fields.fields.EncryptedJSONField(
                blank=True, default=dict, help_text="Never shown again: header or basic authentication."
            ),
        ),
    ]
