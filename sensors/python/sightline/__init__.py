"""Sightline's sensor: ask a running line of this process a question, without changing what the process does.

    import sightline
    sightline.start(service="trade-execution-service", environment="production")

or, with no code at all, ``sightline-run gunicorn app:app``. Importing this package has no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .sensor import Sensor

__version__ = "0.1.0"
__all__ = ["__version__", "start", "stop"]


def start(**settings: Any) -> Sensor:
    """Begin to observe this process, and every process it forks. Called again, it gives the sensor that is running.

    ``settings`` are those of `sightline.config.SETTINGS` (``service``, ``environment``, ``url``, ``token``, …); what
    is not given comes from the environment (``SIGHTLINE_SERVICE``, …). Raises `sightline.errors.ConfigError` alone.
    """
    from . import sensor

    return sensor.start(settings)


def stop() -> None:
    """End what `start` began and leave nothing behind: no thread, no event, the original code."""
    from . import sensor

    sensor.stop()
