"""What a probe asks for in its options, read strictly: what a kind does not understand it refuses."""

from __future__ import annotations

from collections.abc import Collection

from sightline import wire
from sightline.errors import SightlineError


def whole_number(probe: wire.Probe, name: str, default: int, most: int) -> int:
    """A number from 1 to ``most``. Raises `SightlineError`."""
    value = probe.options.get(name, default)
    if type(value) is not int or not 1 <= value <= most:
        raise SightlineError("option_unknown", f"{name} is a whole number from 1 to {most}.")
    return value


def chosen(probe: wire.Probe, name: str, known: Collection[str] | None = None) -> frozenset[str]:
    """Names from ``known``; all of them when none is chosen. Any names where nothing is known, and then perhaps none.

    Raises `SightlineError`.
    """
    value = probe.options.get(name) or []
    if type(value) is not list or not all(type(each) is str for each in value):
        raise SightlineError("option_unknown", f"{name} is a list of names.")
    strange = [each for each in value if known is not None and each not in known]
    if strange:
        raise SightlineError(
            "option_unknown", f"{name} knows no {strange[0]}; choose among {', '.join(sorted(known or ()))}."
        )
    return frozenset(value or known or ())
