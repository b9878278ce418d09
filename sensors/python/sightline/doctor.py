"""`python -m sightline doctor`: what a sensor would find, reach, arm and let out in this environment.

It starts a sensor with the environment's settings, as the service would, waits for a connection and for the probes it
is sent, and says in sentences what it saw. ``--import`` loads modules of the service first, so that probes find their
lines; ``--sample`` shows what would leave of some values. The token is never printed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from . import frameworks, sensor, snapshots, wire
from .config import PREFIX, SETTINGS
from .errors import SightlineError
from .redaction import NAMES, STRONG_WORDS

CONNECT_WITHIN_S = 10.0
PROBES_WITHIN_S = 3.0
ONE_ROUND_S = 0.5
"""Long enough for the sensor's thread to have looked round once."""
HINTS = {
    "unreachable": "Nothing listens at SIGHTLINE_URL, or something is between: the sensor connects outwards to it.",
    "token_unknown": "The gateway does not know this token: make one under Settings, Tokens, for a sensor.",
    "token_revoked": "The token was revoked: make another under Settings, Tokens.",
    "token_expired": "The token has expired: make another under Settings, Tokens.",
    "token_environment": "The token is for another environment: set SIGHTLINE_ENVIRONMENT to that one.",
    "token_service": "The token is for another service: set SIGHTLINE_SERVICE to that one, or use another token.",
    "token_malformed": "SIGHTLINE_TOKEN is not whole: it is sls_, 16 characters, _ and 43 characters.",
    "gateway_not_proven": "Something else answers at SIGHTLINE_URL, or the token's secret is another's.",
}
"""What an operator can do about the commonest ends of a connection."""


def main(arguments: list[str]) -> int:
    """The exit code: 0 when the sensor connected, or writes to a file."""
    asked = _options().parse_args(arguments)
    for line in _modules(asked.modules):
        _say(*line)
    try:
        mine = sensor.start({})
    except SightlineError as error:
        _say("not started", error.sentence)
        for line in _settings(os.environ):
            _say(*line)
        return 1
    try:
        _wait(mine)
        for line in _report(mine, asked.sample):
            _say(*line)
        return 0 if mine.connected() else 1
    finally:
        sensor.stop()


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        "python -m sightline doctor",
        description="Say what a sensor would find, reach, arm and let out here.",
    )
    options.add_argument(
        "--import", dest="modules", action="append", default=[], metavar="MODULE",
        help="load this module of the service first, so that probes find their lines; may be repeated",
    )  # fmt: skip
    options.add_argument(
        "--sample", default="", help="a JSON object of names and values: what would leave of it"
    )
    return options


def _say(name: str, sentence: str) -> None:
    sys.stdout.write(f"{name:<14}{sentence}\n")


def _wait(mine: sensor.Sensor) -> None:
    """For a connection, then for the probes that come after it."""
    until = time.monotonic() + CONNECT_WITHIN_S
    while time.monotonic() < until and not mine.connected() and not _refused(mine):
        time.sleep(0.05)
    time.sleep(ONE_ROUND_S)
    until = time.monotonic() + PROBES_WITHIN_S
    while time.monotonic() < until and mine.connected() and not mine.registry.revision:
        time.sleep(0.05)


def _refused(mine: sensor.Sensor) -> bool:
    return _slug(mine) in HINTS and _slug(mine) != "unreachable"


def _slug(mine: sensor.Sensor) -> str:
    return getattr(getattr(mine._pump, "link", None), "slug", "")


# ---------------------------------------------------------------- what it says

Line = tuple[str, str]


def _report(mine: sensor.Sensor, sample: str) -> Iterator[Line]:
    facts = mine.doctor()
    del facts["probes"]  # told one by one below
    yield from facts.items()
    hint = HINTS.get(_slug(mine))
    if hint:
        yield "what to do", hint
    yield from _settings(os.environ)
    yield from _found()
    yield from _armed(mine)
    yield from _leaves(mine, sample)


def _settings(environ: Mapping[str, str]) -> Iterator[Line]:
    """Which variables speak to the sensor. A token is named, never shown."""
    ours = sorted(name for name in environ if name.startswith(PREFIX))
    known = {PREFIX + name.upper() for name in SETTINGS}
    yield "variables", ", ".join(ours) or f"none that begin with {PREFIX}"
    strangers = [name for name in ours if name not in known]
    if strangers:
        yield "unknown", f"{', '.join(strangers)}: no setting of the sensor has such a name."
    proxies = [
        name for name in environ if name.lower() in ("https_proxy", "http_proxy", "all_proxy", "no_proxy")
    ]
    if proxies:
        yield "proxy", f"{', '.join(sorted(proxies))} are obeyed."


def _found() -> Iterator[Line]:
    """Frameworks and tracers that are installed here, imported or not."""
    names = ("django", "flask", "fastapi", "starlette", "celery", "gunicorn", "uvicorn", "opentelemetry-api", "ddtrace",
             "sentry-sdk")  # fmt: skip
    versions = [f"{name} {version}" for name in names if (version := _version(name))]
    yield "installed", ", ".join(versions) or "no framework or tracer that the sensor knows"
    if not frameworks.loaded():
        yield (
            "context",
            "No framework is imported in this process yet: routes and tasks are told once one is.",
        )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _modules(names: list[str]) -> Iterator[Line]:
    sys.path.insert(0, os.getcwd())
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 (whatever a module's body raises is what to say)
            yield "import", f"{name} cannot be imported here: {type(error).__name__}: {error}"


def _armed(mine: sensor.Sensor) -> Iterator[Line]:
    """What the probes that this instance was sent would do here."""
    entries = list(mine.registry)
    if not mine.connected():
        yield "would arm", "Without a connection nobody says which probes are placed."
    elif not entries:
        yield "would arm", "No probe is placed on this service now."
    for entry in entries:
        status = entry.status
        yield "would arm", f"{entry.probe.id} ({entry.probe.kind}): {status.state}. {status.sentence}"


def _leaves(mine: sensor.Sensor, sample: str) -> Iterator[Line]:
    """What leaves without any probe, what is always withheld, and what would leave of a sample."""
    hello = mine.hello()
    yield (
        "leaves",
        (
            f"always: service, environment, host {hello.host}, pid, Python, engine, commit, version, "
            f"{len(hello.tags)} tags, folders; when asked: source under them; with probes: what they capture"
        ),
    )
    yield "withheld", withheld(mine)
    if not sample:
        return
    try:
        given = json.loads(sample)
    except ValueError as error:
        yield "sample", f"is not JSON: {error}"
        return
    named: dict[str, Any] = given if isinstance(given, dict) else {"value": given}
    redactor = mine.room.redactor
    values = {
        name: snapshots.write_value(
            snapshots.copy_value(value, wire.Limits()), redactor, path=name, rule=redactor.name_rule(name)
        )[0]
        for name, value in named.items()
    }
    for line in redactor.explain(values):
        if line.rule or line.leaves:
            yield (
                "sample",
                f"{line.path}: {f'withheld by {line.rule}' if line.rule else f'leaves as {line.leaves}'}",
            )


def withheld(mine: sensor.Sensor) -> str:
    """The rules of this process, in one sentence."""
    config, told = mine.config, mine.environment_rules()
    parts = [f"{len(NAMES | STRONG_WORDS)} names, and what looks like a secret"]
    if config.redact:
        parts.append(f"by SIGHTLINE_REDACT: {', '.join(config.redact)}")
    count = sum(map(len, (told.names, told.values, told.types, told.paths)))
    if count:
        parts.append(f"{count} rules of the environment")
    if config.allow:
        parts.append(f"but for {', '.join(config.allow)}, which SIGHTLINE_ALLOW lets out")
    return "; ".join(parts)
