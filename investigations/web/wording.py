"""How numbers, times and sizes are written for people; the same everywhere, and never a zero for "not known"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

UNKNOWN = "–"
_THIN = "\u202f"  # narrow no-break space between a figure and its unit

_STEPS = ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))  # from where on a unit is used, and its size

Number = int | float | Decimal


def number(value: Number | None, digits: int = 2) -> str:
    """12480.5 as ``12,480.5``: at most `digits` decimals, none that say nothing; a dash when unknown."""
    if value is None:
        return UNKNOWN
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def compact(value: Number | None) -> str:
    """2_100_000 as ``2.1 M``: for figures that are read at a glance."""
    if value is None:
        return UNKNOWN
    for least, step, letter in _STEPS:
        if abs(float(value)) >= least:
            return f"{number(float(value) / step, 1)}{_THIN}{letter}"
    return number(value, 1)


def percent(share: Number | None, digits: int = 1) -> str:
    """0.0384 as ``3.8 %``. Takes a share of one."""
    return UNKNOWN if share is None else f"{number(float(share) * 100, digits)}{_THIN}%"


def duration(seconds: Number | timedelta | None) -> str:
    """A span in its two largest sensible units: ``41 µs``, ``1.9 s``, ``12 m 15 s``, ``3 h 5 m``, ``41 d``."""
    if seconds is None:
        return UNKNOWN
    span = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if abs(span) < 60:
        return _short_duration(span)
    minutes, rest = divmod(round(span), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count}{_THIN}{unit}" for count, unit in parts[first : first + 2] if count)


def _short_duration(span: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if abs(span) >= size or (unit == "ns"):
            count = span / size
            return f"{number(count, 1 if abs(count) < 10 else 0)}{_THIN}{unit}" if span else f"0{_THIN}s"
    raise AssertionError("the last unit takes everything")


def size(count: int | None) -> str:
    """9318 as ``9.1 kB``; thousands, as the wire's limits are named."""
    if count is None:
        return UNKNOWN
    for step, unit in ((1_000_000, "MB"), (1_000, "kB")):
        if count >= step:
            return f"{number(count / step, 1)}{_THIN}{unit}"
    return f"{count}{_THIN}B"


def ago(then: datetime | None, now: datetime) -> str:
    """``4 s``, ``14 m``, ``3 h``, ``6 d`` ago, without the word; ``in 50 s`` for what is to come."""
    if then is None:
        return UNKNOWN
    span = (now - then).total_seconds()
    count = abs(span)
    for step, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if count >= step:
            text = f"{int(count // step)}{_THIN}{unit}"
            break
    else:
        text = f"{int(count)}{_THIN}s"
    return text if span >= 0 else f"in {text}"


def utc(then: datetime) -> str:
    """The full instant, zone named: for a title and for copying."""
    return then.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def short_id(public: str) -> str:
    """``cap_01kb2…9fk2`` from a public id: its kind and its last four, which differ first between neighbours."""
    prefix, _, body = public.partition("_")
    return f"{prefix}_{body[-4:]}" if body else public


def short_sha(commit: str | None) -> str:
    """The seven letters people say of a commit; a dash when it is not known."""
    return commit[:7] if commit else UNKNOWN


def initials(name: str) -> str:
    """``Ana Ruiz`` as ``AR``, ``claude-1`` as ``c1``: two letters for a round or square badge."""
    words = [word for word in name.replace("-", " ").replace("_", " ").replace(".", " ").split() if word]
    return "".join(word[0] for word in words[:2]) or "?"
