"""`sightline-run COMMAND…`: the command as it is, with the sensor in every Python process that serves something.

The folder ``bootstrap`` goes first on PYTHONPATH, so each interpreter started below runs our `sitecustomize`, which
decides by the process's own command line: most start the sensor; the masters of pre-fork servers and the parents of
reloaders wait for their children; installers and the helpers of `multiprocessing` are left alone.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Literal, NoReturn

from .config import PREFIX, SETTINGS
from .errors import SightlineError

BOOTSTRAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap")
Part = Literal["serves", "supervises", "helps"]

_HELPERS = frozenset(
    {
        "pip",
        "pip3",
        "uv",
        "poetry",
        "pipenv",
        "pipx",
        "virtualenv",
        "venv",
        "ensurepip",
        "sightline-run",
        "sightline",
    }
)
_TRACKERS = re.compile(r"from multiprocessing\.(resource_tracker|semaphore_tracker) import")
_FORK_SERVER = re.compile(r"from multiprocessing\.forkserver import")
_POOLS_IN_THE_MAIN_PROCESS = ("solo", "threads", "gevent", "eventlet")


def main() -> NoReturn:
    """The command `sightline-run`: settings as options, then the command."""
    options, command = _split(sys.argv[1:])
    if not command or options is None:
        sys.stdout.write(usage())
        sys.exit(0 if options is not None and "help" in options else 2)
    environ = {**os.environ, **{PREFIX + name.upper(): value for name, value in options.items()}}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [BOOTSTRAP, os.environ.get("PYTHONPATH", "")]))
    try:
        os.execvpe(command[0], command, environ)  # noqa: S606 (the command is the user's own)
    except OSError as error:
        sys.stderr.write(f"sightline-run: {command[0]}: {error.strerror}\n")
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


def usage() -> str:
    """What `sightline-run --help` prints."""
    lines = [f"  --{name:<14}{meaning}" for name, meaning in SETTINGS.items()]
    first = "usage: sightline-run [--setting value ...] command [argument ...]"
    return "\n".join([first, "", *lines, "", "Each is also a variable, as SIGHTLINE_SERVICE.", ""])


def _split(arguments: list[str]) -> tuple[dict[str, str] | None, list[str]]:
    """Our own options in front, then the command. None instead of options when one is unknown or has no value."""
    options: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        name, equals, value = rest.pop(0).lstrip("-").partition("=")
        if name in ("help", "h"):
            return {"help": ""}, []
        if name == "":
            break
        if name not in SETTINGS or not (equals or rest):
            return None, []
        options[name] = value if equals else rest.pop(0)
    return options, rest


# ---------------------------------------------------------------- inside each process


def start_in_this_process() -> None:
    """Start the sensor if this process's command line says that it serves something. Never raises."""
    part = part_of(sys.orig_argv, os.environ)
    if part == "helps":
        return
    try:
        from . import sensor

        sensor.start({}, dormant=part == "supervises")
    except SightlineError as error:
        sys.stderr.write(f"sightline: not started: {error.sentence}\n")
    except Exception as error:  # noqa: BLE001 (the program must run, with or without us)
        sys.stderr.write(f"sightline: not started: {error!r}\n")


def part_of(argv: Sequence[str], environ: Mapping[str, str]) -> Part:
    """What a process does, by the command line its interpreter was given."""
    program, arguments = _program(argv)
    if program in _HELPERS or _TRACKERS.search(program):
        return "helps"
    if _FORK_SERVER.search(program) or _supervises(program, arguments, environ):
        return "supervises"
    return "serves"


def _program(argv: Sequence[str]) -> tuple[str, list[str]]:
    """The name of the script or module, or the text of a ``-c``, and what follows it."""
    rest = list(argv[1:])
    while rest:
        option = rest.pop(0)
        if option in ("-m", "-c") and rest:
            return rest[0].removesuffix(".__main__"), rest[1:]
        if option in ("-W", "-X", "--check-hash-based-pycs") and rest:
            rest.pop(0)
        elif not option.startswith("-"):
            return PurePath(option).name, rest
    return "", []


def _supervises(program: str, arguments: list[str], environ: Mapping[str, str]) -> bool:
    match program:
        case "gunicorn":
            return True
        case "uvicorn" | "uvicorn.exe" | "fastapi":
            workers = _option(arguments, "--workers") or environ.get("WEB_CONCURRENCY", "1")
            return workers not in ("", "0", "1") or "--reload" in arguments
        case "hypercorn" | "granian":
            return (_option(arguments, "--workers", "-w") or "1") not in ("0", "1")
        case "celery":
            pool = _option(arguments, "--pool", "-P") or "prefork"
            return "worker" in arguments and pool not in _POOLS_IN_THE_MAIN_PROCESS
        case "manage.py" | "django-admin" | "django":
            return (
                arguments[:1] == ["runserver"] and "--noreload" not in arguments and "RUN_MAIN" not in environ
            )
        case "flask":
            reloads = "--reload" in arguments or ("--debug" in arguments and "--no-reload" not in arguments)
            return "run" in arguments and reloads and "WERKZEUG_RUN_MAIN" not in environ
    return False


def _option(arguments: list[str], *names: str) -> str:
    """The value of a command line option, written ``--name value``, ``--name=value`` or ``-n4``."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in names:
            return value if equals else "".join(arguments[position + 1 : position + 2])
        for short in (each for each in names if len(each) == 2 and argument.startswith(each)):
            return argument.removeprefix(short)
    return ""
