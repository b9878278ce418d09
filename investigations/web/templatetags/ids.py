"""Public ids in templates."""

from __future__ import annotations

from typing import Any

from django import template

from investigations.lib.ids import show

register = template.Library()


@register.filter
def public_id(row: Any, prefix: str) -> str:
    """The id of a row as people see it: ``{{ session|public_id:"ses" }}``."""
    return show(prefix, row.id)
