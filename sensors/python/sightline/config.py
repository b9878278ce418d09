"""What the sensor is told: arguments first, then the environment. Refuses what cannot be meant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import ConfigError
from .limits import DEFAULT_SHARE

PREFIX = "SIGHTLINE_"
SETTINGS = {
    "service": "the service's name, as OpenTelemetry's service.name",
    "environment": "where it runs, as production",
    "url": "the gateway, as wss://sightline.example/sensor/v1",
    "token": "the sensor token, sls_…",
    "commit": "the commit that runs; else read from .git",
    "version": "the service's own version",
    "tags": "more to find it by, as region=eu,tier=web",
    "tenant": "the request header that names the tenant, as X-Tenant; then conditions may use @tenant",
    "roots": f"folders of the service's own source, joined by {os.pathsep!r}; else the working directory",
    "redact": "more names whose values are withheld, as customer_ref,*_iban",
    "allow": "names withheld by default that are harmless here, as salt",
    "functions": "modules whose functions are counted and timed all the time, as shop.*,billing.*",
    "budget": "the most the sensor may use of one core, as 0.02",
    "file": "write captures to this file instead of a gateway",
    "probes": "arm the probes of this JSON file, when there is no gateway",
    "disabled": "1 leaves the process alone",
}
"""Every setting, for the page about them and for `sightline-run --help`; as variables, SIGHTLINE_SERVICE and so on."""

_ELSEWHERE = {
    "service": ("OTEL_SERVICE_NAME", "DD_SERVICE"),
    "environment": ("DD_ENV",),
    "version": ("DD_VERSION",),
    "commit": ("GIT_COMMIT", "SOURCE_COMMIT", "HEROKU_SLUG_COMMIT", "DD_GIT_COMMIT_SHA"),
}
_HEADER = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PATTERN = re.compile(r"[\w.*?\[\]-]{1,200}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


@dataclass(frozen=True)
class SensorConfig:
    """Checked settings. ``budget`` is a share of one core; ``roots`` are absolute folders."""

    service: str
    environment: str
    url: str = ""
    token: str = field(default="", repr=False)
    commit: str = ""
    version: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    tenant: str = ""
    roots: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    budget: float = DEFAULT_SHARE
    file: str = ""
    probes: str = ""
    disabled: bool = False

    @classmethod
    def read(cls, given: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> SensorConfig:
        """Settings from arguments (None means not given), then from the environment. Raises `ConfigError`."""
        environ = os.environ if environ is None else environ
        said = {name: _said(name, given, environ) for name in SETTINGS}
        config = cls(
            service=_named("service", said["service"]),
            environment=_named("environment", said["environment"]),
            url=_url(said["url"] or ""),
            token=str(said["token"] or ""),
            commit=str(said["commit"] or "") or commit_of(Path.cwd()),
            version=str(said["version"] or ""),
            tags=_tags(said["tags"] or {}),
            tenant=_header(str(said["tenant"] or "")),
            roots=_roots(said["roots"] or [os.getcwd()]),
            redact=_listed(said["redact"] or ()),
            allow=_listed(said["allow"] or ()),
            functions=_patterns(said["functions"] or ()),
            budget=_budget(said["budget"]),
            file=str(said["file"] or ""),
            probes=str(said["probes"] or ""),
            disabled=str(said["disabled"] or "").lower() in ("1", "true", "yes"),
        )
        return config._checked()

    def _checked(self) -> SensorConfig:
        if self.disabled:
            return self
        if self.url and not self.token:
            raise ConfigError(
                "token_missing", "A gateway is named but no token: set SIGHTLINE_TOKEN (sls_…)."
            )
        if self.url and self.file:
            raise ConfigError(
                "two_ends", "Captures go to a gateway or to a file: set SIGHTLINE_URL or SIGHTLINE_FILE."
            )
        if not self.url and not self.file:
            raise ConfigError(
                "no_end", "Nothing says where captures go: set SIGHTLINE_URL and SIGHTLINE_TOKEN."
            )
        return self


def _said(name: str, given: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    value = given.get(name)
    if value is not None:
        return value
    for variable in (PREFIX + name.upper(), *_ELSEWHERE.get(name, ())):
        if environ.get(variable):
            return environ[variable]
    return None


def _named(setting: str, value: Any) -> str:
    text = str(value or "").strip()
    if not _NAME.fullmatch(text):
        example = "trade-execution-service" if setting == "service" else "production"
        allowed = "letters, digits, dot, dash, slash; at most 100"
        raise ConfigError(
            f"{setting}_missing" if not text else f"{setting}_unclear",
            f"Name the {setting}: SIGHTLINE_{setting.upper()}={example} ({allowed}).",
        )
    return text


def _header(text: str) -> str:
    if text and not _HEADER.fullmatch(text):
        raise ConfigError("tenant_unclear", f"The tenant is named by a header, as X-Tenant, not {text!r}.")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("ws", "wss") or not parts.hostname):
        good = "wss://sightline.example/sensor/v1"
        raise ConfigError("url_unclear", f"The gateway's address is like {good}, not {text!r}.")
    return text


def _tags(given: Mapping[str, str] | str) -> dict[str, str]:
    if not isinstance(given, str):
        return {str(key): str(value) for key, value in given.items()}
    pairs = [pair.partition("=") for pair in given.split(",") if pair.strip()]
    if any(not key.strip() or not equals for key, equals, _ in pairs):
        raise ConfigError("tags_unclear", "Tags are written as SIGHTLINE_TAGS=region=eu,tier=web.")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _roots(given: str | Iterable[str]) -> tuple[str, ...]:
    folders = given.split(os.pathsep) if isinstance(given, str) else list(given)
    return tuple(os.path.realpath(folder) for folder in folders if folder)


def _listed(given: Iterable[str] | str) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(text.strip() for text in parts if text.strip())


def _patterns(given: Iterable[str] | str) -> tuple[str, ...]:
    """Globs of module names."""
    patterns = _listed(given)
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise ConfigError(
                "functions_unclear", f"The function record takes modules, as shop.*, not {pattern!r}."
            )
    return patterns


def _budget(given: Any) -> float:
    try:
        share = DEFAULT_SHARE if given is None else float(given)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ConfigError(
            "budget_unclear", "The budget is a share of one core up to 1, as SIGHTLINE_BUDGET=0.02."
        )
    return share


def commit_of(folder: Path) -> str:
    """The commit checked out around ``folder``, read from .git without running anything; empty when there is none."""
    for parent in (folder, *folder.parents):
        head = _text(parent / ".git" / "HEAD")
        if head:
            reference = head.removeprefix("ref: ")
            return head if reference == head else _resolved(parent / ".git", reference)
    return ""


def _resolved(git: Path, reference: str) -> str:
    loose = _text(git / reference)
    if loose:
        return loose
    for line in _text(git / "packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        if name == reference:
            return commit
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
