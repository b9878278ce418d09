"""The logpoint: a message with the values of expressions, and no stack."""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Final

from sightline import expressions, hits, messages, wire
from sightline.engines.base import Fire, Names
from sightline.errors import BudgetExceeded, ExpressionError
from sightline.expressions import Compiled
from sightline.hits import Keep, ProbeHits
from sightline.kinds.base import LineKind
from sightline.kinds.kept import keep_value, write_value
from sightline.readers import LEAF_IDS

_log = logging.getLogger("sightline.probe")
_BOOKED_EVERY: Final = 32
"""One hit in so many is timed and booked for all of them: reading the thread's clock costs as much as a whole one."""


class Logpoint(LineKind):
    """Keeps the values of the template's expressions."""

    def fire(self) -> Fire:
        return hits.recording(self.hits, values(self.hits), _BOOKED_EVERY)

    def write(self, capture: wire.Capture, payload: Any) -> None:
        write_message(self.hits, capture, payload)


def values(hits: ProbeHits) -> Keep:
    """Keeps the values of the template's expressions: a tuple where all are leaves, else a list."""
    scope, limits = hits.scope, hits.probe.limits
    compiled = [part for part in hits.parts if not isinstance(part, str)]
    read, leaves = _all_of(compiled), LEAF_IDS

    def keep(frame: FrameType, names: Names | None) -> Sequence[Any]:
        if names is None:
            names = scope(frame) if scope else frame.f_locals
        try:
            values = read(names)
            for value in values:
                cls = type(value)
                if not (cls is int or cls is str or id(cls) in leaves):
                    break
            else:
                return values
        except (ExpressionError, BudgetExceeded, KeyError):
            pass
        return [keep_value(each, names, limits) for each in compiled]

    return keep


def _all_of(compiled: list[Compiled]) -> Callable[[Names], tuple[Any, ...]]:
    """Reads all the values at once; raises where one cannot be read. Lone names take one call, however many."""
    if len(compiled) > 1 and all(each.lone for each in compiled):
        return operator.itemgetter(*(each.lone for each in compiled))
    evaluates = [each.evaluate for each in compiled]

    if len(evaluates) == 1:
        (evaluate,) = evaluates
        return lambda names: (evaluate(names),)
    return lambda names: tuple([evaluate(names) for evaluate in evaluates])


def write_message(hits: ProbeHits, capture: wire.Capture, values: list[Any]) -> None:
    """The template's text, its values cut and redacted; what could not be read is said in its place."""
    kept, cuts, texts = iter(values), set[str](), []
    for part in hits.parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        written, cut = write_value(hits, part, next(kept))
        cuts.update(cut)
        asked = part.conversion or part.spec
        formatted = expressions.lift_text(written, part.conversion, part.spec) if asked else None
        texts.append(messages.text_of(written) if formatted is None else formatted)
    message = hits.room.redactor.mask("".join(texts))
    capture.message = message[: messages.LONGEST]
    if len(message) > messages.LONGEST:
        cuts.add("length")
    capture.level = hits.probe.level
    capture.cuts = sorted({*(capture.cuts or ()), *cuts}) or None
    if hits.probe.pipe:
        _pipe(hits.probe, capture.message)


def _pipe(probe: wire.Probe, message: str) -> None:
    """Hand the message to the application's logging. From here, not from its own thread: handlers are its code."""
    _log.log(logging.getLevelNamesMapping().get(probe.level.upper(), logging.INFO), "%s", message)
