"""What every kind of probe answers: where it listens, what it keeps of a hit, and how that is written."""

from __future__ import annotations

from typing import Any, ClassVar

from sightline import wire
from sightline.engines.base import Fire, Spot, Watching
from sightline.errors import NotInLanguage
from sightline.expressions import CALL_NAMES
from sightline.hits import Listener, ProbeHits
from sightline.locator import Found, Locator


class Kind:
    """One armed probe's kind. Used on the sensor's thread, except for the functions it gives to listeners."""

    captures: bool = True
    """Whether its hits are kept one by one, and so count towards the probe's hit limit."""
    special_names: ClassVar[frozenset[str]] = frozenset()
    """Which of `@return`, `@exception` and `@duration` its expressions may use."""

    def __init__(self, hits: ProbeHits) -> None:
        """Raises `SightlineError` when the probe asks for what this kind does not know."""
        self.hits = hits
        self.probe = hits.probe
        for compiled in hits.compiled():
            refused = sorted(compiled.names & CALL_NAMES - self.special_names)
            if refused:
                raise NotInLanguage(
                    f"`{refused[0]}` has no meaning in a {self.probe.kind} probe", "unknown_name"
                )

    def locate(self, locator: Locator) -> Found:
        """Where the probe goes in this process. Raises `LocationError` or `NotImportedYet`."""
        return locator.locate(self.probe.location)

    def watchings(self, found: Found) -> list[Watching]:
        """What an engine is to tell, and to whom. Called before each arming."""
        raise NotImplementedError

    def armed_on(self, found: Found) -> str:
        """The places in words, after "Armed on"."""
        return f"line {found.line} of {named(found.spots)}"

    def remark(self) -> str:
        """A sentence that the status of the armed probe must add; mostly none."""
        return ""

    def outdated(self) -> bool:
        """Whether what was found is no longer all there is: asked about once a second, on the sensor's thread."""
        return False

    def disarmed(self) -> None:
        """Forget calls that were being followed: nothing more will be told of them."""

    def start_over(self) -> None:
        """Count from nothing."""

    def figures(self) -> dict[str, Any] | None:
        """Aggregates for the heartbeat, since the last `start_over`."""
        return None

    def write(self, capture: wire.Capture, payload: Any) -> None:
        """Name, cut and redact what was kept of a hit, into ``capture``."""
        raise NotImplementedError


class LineKind(Kind):
    """A kind that listens to lines alone."""

    def watchings(self, found: Found) -> list[Watching]:
        self.hits.bind([spot.code for spot in found.spots])
        listener = Listener(self.hits, self.fire(), self.hits.wants)
        return [(spot, listener) for spot in found.spots]

    def fire(self) -> Fire:
        """What an engine calls at each hit."""
        raise NotImplementedError


class FunctionKind(Kind):
    """A kind that follows whole calls of a function."""

    def locate(self, locator: Locator) -> Found:
        return locator.locate_function(self.probe.location)

    def armed_on(self, found: Found) -> str:
        return f"calls of {named(found.spots)}"


def named(spots: list[Spot]) -> str:
    """The functions of some spots in words."""
    names = [spot.code.co_qualname for spot in spots]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
