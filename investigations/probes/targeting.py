"""Which instances of its service a probe is for."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any, TypedDict

from investigations.catalog.models import Instance
from investigations.lib import ids
from investigations.lib.errors import Invalid

_SHARES = 10_000


class Targeting(TypedDict, total=False):
    """As stored; whatever is absent does not narrow. ``percent`` of the instances, chosen by their ids."""

    instances: list[str]
    commit: str
    version: str
    tags: dict[str, str]
    percent: float


def read(wish: Mapping[str, Any]) -> Targeting:
    """The wish as stored. Raises `Invalid` (targeting_malformed) and says which part makes no sense."""
    unknown = set(wish) - set(Targeting.__annotations__)
    if unknown:
        raise _malformed(f"{sorted(unknown)[0]!r:.40} does not narrow the instances.")
    found: Targeting = {}
    if wish.get("instances"):
        found["instances"] = [str(_instance_id(text)) for text in _list(wish["instances"])]
    if wish.get("commit"):
        found["commit"] = _text(wish["commit"], "commit")
    if wish.get("version"):
        found["version"] = _text(wish["version"], "version")
    if wish.get("tags"):
        found["tags"] = _tags(wish["tags"])
    if wish.get("percent") is not None:
        found["percent"] = _percent(wish["percent"])
    return found


def targets(targeting: Mapping[str, Any], instance: Instance) -> bool:
    """Whether a probe with this targeting is for that instance. A commit may be named by its first characters."""
    return (
        str(instance.id) in targeting.get("instances", [str(instance.id)])
        and instance.commit.startswith(targeting.get("commit", ""))
        and targeting.get("version", instance.version) == instance.version
        and all(instance.tags.get(name) == value for name, value in targeting.get("tags", {}).items())
        and share_of(instance.id) < targeting.get("percent", 100.0) * _SHARES / 100
    )


def share_of(instance_id: uuid.UUID) -> int:
    """Where an instance stands among 10,000, always the same: probes at 10 % meet on the same instances."""
    return int.from_bytes(hashlib.sha256(instance_id.bytes).digest()[:8], "big") % _SHARES


def sentence(targeting: Mapping[str, Any]) -> str:
    """The targeting in words, as ``commit 9f2c1e7, 10 % of the instances``; empty when it narrows nothing."""
    words = []
    if chosen := targeting.get("instances"):
        words.append(f"{len(chosen)} chosen instance{'s' if len(chosen) > 1 else ''}")
    words += [f"{name} {targeting[name]}" for name in ("commit", "version") if targeting.get(name)]
    words += [f"{name}={value}" for name, value in targeting.get("tags", {}).items()]
    if "percent" in targeting:
        words.append(f"{targeting['percent']:g} % of the instances")
    return ", ".join(words)


def _instance_id(text: Any) -> uuid.UUID:
    try:
        return ids.read("ins", text) if str(text).startswith("ins_") else uuid.UUID(str(text))
    except ValueError:
        raise _malformed(f"{str(text)[:60]!r} is no instance's id.") from None


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple) or len(value) > 200:
        raise _malformed("The instances are a list of at most 200 ids.")
    return list(value)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > 100:
        raise _malformed(f"A {name} is a text of at most 100 characters.")
    return value


def _tags(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 20:
        raise _malformed("Tags are at most 20 names with their values.")
    return {_text(name, "tag"): _text(wanted, "tag's value") for name, wanted in value.items()}


def _percent(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
        raise _malformed("A percentage lies above 0 and is at most 100.")
    return float(value)


def _malformed(sentence: str) -> Invalid:
    return Invalid(
        "targeting_malformed",
        sentence,
        fix="Narrow by instances, commit, version, tags or percent, or leave it out.",
    )
