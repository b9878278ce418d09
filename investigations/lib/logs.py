"""Structured logs: every record of every library is one JSON object on one line of standard error."""

from __future__ import annotations

import logging.config
from typing import Any

import structlog

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]
# Without the locals of the frames: they hold tokens and captured values.
_TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
# Libraries that tell of every request or task at INFO; ours say what matters of them.
_QUIETER = {"daphne.http_protocol": "WARNING", "httpx": "WARNING", "httpcore": "WARNING", "mcp": "WARNING"}


def logging_config(*, level: str, human: bool) -> dict[str, Any]:
    """A `logging` configuration at `level`; `human` writes coloured lines for a terminal instead of JSON."""
    if human:
        render: list[Any] = [structlog.dev.ConsoleRenderer()]
    else:
        render = [structlog.processors.ExceptionRenderer(_TRACEBACK), structlog.processors.JSONRenderer()]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {name: {"level": quieter} for name, quieter in _QUIETER.items()},
    }


def configure(config: dict[str, Any]) -> None:
    """Apply a `logging_config`; loggers of `structlog` and of `logging` then write the same lines."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
