"""Desired probes against armed probes: the difference is applied, and every probe's standing here is told."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import msgspec

from . import native, wire
from .engines.base import CannotArm, Engine, Spot, Watching
from .errors import LocationError, SightlineError
from .hits import ProbeHits, Room
from .imports import ImportWatch
from .kinds import KINDS
from .limits import Breaker
from .locator import Found, Locator, NotImportedYet

LOOK_AROUND_EVERY_S = 1.0
FINAL_COUNTS_FOR_S = 60.0
"""How long heartbeats still carry the counts of a removed probe: a few of them may be lost."""
WAIT_FOR_LOCK_S = 0.1
"""How long an import waits to arm a probe at once; if the registry is busy, the next look around does it."""


class Entry:
    """One desired probe, and where it stands in this process."""

    def __init__(self, probe: wire.Probe, now: float) -> None:
        self.probe = probe
        self.expires_at = now + probe.valid_for
        self.hits: ProbeHits | None = None
        self.watchings: list[Watching] = []
        self.status = wire.ProbeStatus(probe.id, "pending")
        self.told = False
        self.unwatched = False
        """Whether it is off its lines though it is desired: its hits are not observed meanwhile."""

    @property
    def armed(self) -> bool:
        return self.status.state == "armed"

    def renew(self, probe: wire.Probe, now: float) -> None:
        """The same probe was sent again: its lease begins anew."""
        self.expires_at = now + probe.valid_for

    def becomes(self, state: wire.DeliveryState, slug: str = "", sentence: str = "", **more: object) -> None:
        status = wire.ProbeStatus(self.probe.id, state, slug, sentence, **more)  # type: ignore[arg-type]
        if status != self.status or not self.told:
            self.status, self.told = status, False


class Registry:
    """Applies probe sets. All its methods but `_imported` are called on the sensor's thread."""

    def __init__(self, engine: Engine, room: Room, breaker: Breaker) -> None:
        self.revision = 0
        self.engine = engine
        self._room = room
        room.engine = engine
        self._breaker = breaker
        self._locator = Locator(engine.original)
        self._entries: dict[str, Entry] = {}
        self._gone: list[wire.ProbeStatus] = []
        self._final: dict[str, tuple[float, wire.ProbeCounters]] = {}
        self._watch = ImportWatch(self._is_awaited, self._imported)
        self._looked_at = 0.0
        self.lock = native.allocate_lock()

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def reconcile(self, revision: int, probes: list[wire.Probe]) -> None:
        """Make ``probes`` the whole of what is armed or waited for."""
        now = native.monotonic()
        with self.lock, self._locator.one_look():
            self.revision = revision
            wanted = {probe.id: probe for probe in probes}
            self._remove([known for known in self._entries if known not in wanted])
            self._arm([entry for probe in wanted.values() for entry in self._desire(probe, now)])
            self._mind_imports()

    def tick(self, now: float) -> None:
        """End leases and used-up probes, shed what the breaker shed, switch lines on again, look around."""
        with self.lock:
            self._settle(now)
            if self._room.budget.balance >= 0:
                self.engine.wake()
            if now - self._looked_at >= LOOK_AROUND_EVERY_S:
                self._looked_at = now
                self._look_around()

    def take_statuses(self) -> list[wire.ProbeStatus]:
        """What has changed since last asked."""
        with self.lock:
            changed, self._gone = self._gone, []
            for entry in self:
                if not entry.told:
                    entry.told = True
                    changed.append(entry.status)
            return changed

    def arm_anew(self) -> None:
        """The rules of redaction changed: expressions are checked against them when they are compiled."""
        with self.lock, self._locator.one_look():
            armed = [entry for entry in self if entry.armed]
            self._disarm(armed)
            for entry in armed:
                entry.hits = None
            self._arm(armed)

    def tell_everything_again(self) -> None:
        """A new connection knows nothing of what was told on the last one."""
        with self.lock:
            for entry in self:
                entry.told = False

    def counters(self) -> list[wire.ProbeCounters]:
        """Of every probe, also of those removed lately: a short one must not end uncounted between two heartbeats."""
        now = native.monotonic()
        self._final = {id: final for id, final in self._final.items() if final[0] > now}
        counted = [entry.hits.counters() for entry in self if entry.hits is not None]
        return counted + [counters for _, counters in self._final.values()]

    def armed_hits(self) -> list[ProbeHits]:
        return [entry.hits for entry in self if entry.hits is not None and entry.armed]

    def any_resting(self) -> bool:
        return any(hits.resting_lines for hits in self.armed_hits())

    def start_over(self, breaker: Breaker) -> None:
        """In a forked child: the same probes on the same lines, counted from nothing, by an instance of its own."""
        self.lock = native.allocate_lock()
        self._breaker = breaker
        self._final.clear()
        for entry in self:
            entry.told = False
            if entry.hits is not None:
                entry.hits.start_over()

    def abandon(self) -> None:
        """In a forked child whose parent was in the middle of a change: its lock may be held by nobody for ever."""
        self._watch.uninstall()

    def close(self) -> None:
        """Disarm everything and leave nothing behind."""
        with self.lock:
            self._remove(list(self._entries))
            self._watch.uninstall()
            self.engine.close()

    # Arming: whole sets at a time, because an engine may have to rewrite a function for each change

    def _desire(self, probe: wire.Probe, now: float) -> Iterator[Entry]:
        """Take note of a probe; gives its entry if that is to be armed."""
        entry = self._entries.get(probe.id)
        if entry is not None and _same(entry.probe, probe):
            entry.renew(probe, now)
            if entry.status.slug == "lease_expired":
                yield entry
            return
        if entry is not None:
            if _clears(probe, entry.probe):
                self._breaker.clear()
            self._disarm([entry])
        self._final.pop(probe.id, None)
        self._entries[probe.id] = Entry(probe, now)
        yield self._entries[probe.id]

    def _arm(self, entries: list[Entry]) -> None:
        ready = [(entry, found) for entry in entries if (found := self._find(entry)) is not None]
        try:
            self.engine.arm([watching for entry, _ in ready for watching in entry.watchings])
        except CannotArm:
            for entry, found in ready:
                self._arm_alone(entry, found)
        else:
            for entry, found in ready:
                self._tell_armed(entry, found)

    def _find(self, entry: Entry) -> Found | None:
        """Where an entry is to be armed; None when that cannot be, and its status says why."""
        probe = entry.probe
        try:
            if probe.kind not in KINDS:
                raise CannotArm(
                    "unsupported_kind", f"This sensor does not know probes of the kind {probe.kind}."
                )
            hits = entry.hits or ProbeHits(probe, self._room, KINDS[probe.kind])
            found = hits.kind.locate(self._locator)
            entry.watchings = hits.kind.watchings(found)
            entry.hits = hits
        except NotImportedYet as waiting:
            entry.becomes("pending", "not_imported", f"{waiting} It is armed when that happens.")
        except LocationError as problem:
            entry.becomes("rejected", problem.slug, problem.sentence, nearest=problem.nearest or None)
        except (CannotArm, SightlineError) as problem:
            entry.becomes("rejected", problem.slug, problem.sentence)
        else:
            return found
        return None

    def _arm_alone(self, entry: Entry, found: Found) -> None:
        """One of the set cannot be armed: this one, or another."""
        try:
            self.engine.arm(entry.watchings)
        except CannotArm as problem:
            entry.watchings = []
            entry.becomes("rejected", problem.slug, problem.sentence)
        else:
            self._tell_armed(entry, found)

    def _tell_armed(self, entry: Entry, found: Found) -> None:
        assert entry.hits is not None
        if entry.unwatched:
            entry.unwatched = False
            entry.hits.woke()
        kind = entry.hits.kind
        wanted_hash = entry.probe.location.source_hash
        differs = bool(wanted_hash and found.source_hash and wanted_hash != found.source_hash)
        said = [f"Armed on {kind.armed_on(found)}."]
        if differs:
            said.append("The file here is not the text in which this line was chosen.")
        said += [remark for remark in (self.engine.late, kind.remark()) if remark]
        entry.becomes(
            "armed", "source_differs" if differs else "armed", " ".join(said), places=found.places()
        )

    def _disarm(self, entries: list[Entry]) -> None:
        self.engine.disarm([watching for entry in entries for watching in entry.watchings])
        for entry in entries:
            if entry.hits is not None:
                entry.hits.kind.disarmed()
            entry.watchings = []

    def _remove(self, probe_ids: list[str]) -> None:
        entries = [self._entries.pop(probe_id) for probe_id in probe_ids]
        self._disarm(entries)
        until = native.monotonic() + FINAL_COUNTS_FOR_S
        for entry in entries:
            if entry.hits is not None:
                self._final[entry.probe.id] = until, entry.hits.counters()
            self._gone.append(wire.ProbeStatus(entry.probe.id, "removed", "removed", "No longer asked for."))

    def _settle(self, now: float) -> None:
        """Take probes off their lines when their time, their hits or their cost say so."""
        over = [(entry, end) for entry in self if (end := _end_of(entry, now)) is not None]
        self._disarm([entry for entry, _ in over])
        for entry, (state, slug, sentence) in over:
            entry.becomes(state, slug, sentence)
            if slug != "hit_limit" and entry.hits is not None:
                entry.unwatched = True
                entry.hits.rested()
        for entry in self:
            if entry.armed and entry.hits is not None and entry.hits.complaint is not None:
                self._tell_complaint(entry, *entry.hits.complaint)

    def _tell_complaint(self, entry: Entry, slug: str, sentence: str) -> None:
        if entry.armed and entry.status.slug != slug:
            said = f"{entry.status.sentence} {sentence}"
            entry.becomes("armed", slug, said, places=entry.status.places)

    # Modules that come, code that changes

    def _look_around(self) -> None:
        with self._locator.one_look():
            self._arm([entry for entry in self if entry.status.state == "pending"])
            self._follow(
                [
                    entry
                    for entry in self
                    if entry.armed and any(self._was_replaced(spot) for spot, _ in entry.watchings)
                ]
            )
            outdated = [
                entry
                for entry in self
                if entry.armed and entry.hits is not None and entry.hits.kind.outdated()
            ]
            self._disarm(outdated)
            self._arm(outdated)
        self._mind_imports()

    def _was_replaced(self, spot: Spot) -> bool:
        """Whether functions that ran this code now run other code, or are all gone."""
        functions = [reference() for reference in spot.functions]
        living = [function for function in functions if function is not None]
        ours = self.engine.original(spot.code)
        return bool(functions) and (
            not living or any(self.engine.original(function.__code__) is not ours for function in living)
        )

    def _follow(self, replaced: list[Entry]) -> None:
        """Another tool gave functions other code, or modules were loaded anew: arm what runs now."""
        self._disarm(replaced)
        self._arm(replaced)
        for entry in replaced:
            if entry.armed:
                entry.becomes(
                    "armed",
                    "code_replaced",
                    f"{entry.status.sentence} The code there was replaced since, and the probe followed it.",
                    places=entry.status.places,
                )

    def _mind_imports(self) -> None:
        waiting = any(entry.status.state == "pending" for entry in self)
        if waiting:
            self._watch.install()
        else:
            self._watch.uninstall()

    def _is_awaited(self, module: str) -> bool:
        """Whether ``module`` may be one that a pending probe waits for, by its name alone."""
        last = module.rpartition(".")[2]
        for entry in self:
            if entry.status.state != "pending":
                continue
            location = entry.probe.location
            if module in (location.function.partition(":")[0], location.attribute.partition(":")[0]):
                return True
            parts = location.file.replace("\\", "/").removesuffix(".py").split("/")
            if last in (parts[-1], parts[-2] if parts[-1] == "__init__" and len(parts) > 1 else parts[-1]):
                return True
        return False

    def _imported(self, module: ModuleType) -> None:
        """On the application's thread, at the end of an import: arm before anything can call what was imported."""
        if not self.lock.acquire(timeout=WAIT_FOR_LOCK_S):
            return
        try:
            with self._locator.one_look():
                self._arm([entry for entry in self if entry.status.state == "pending"])
        except Exception:  # noqa: BLE001 (never into an application's import)
            return
        finally:
            self.lock.release()


def _end_of(entry: Entry, now: float) -> tuple[wire.DeliveryState, str, str] | None:
    """What an armed or waiting probe becomes when it may not go on; None while it may."""
    if entry.status.state not in ("armed", "pending"):
        return None
    if now >= entry.expires_at:
        return "removed", "lease_expired", "Its lease ended without being renewed."
    if entry.hits is None:
        return None
    if entry.hits.exhausted:
        limit = entry.probe.hit_limit
        return "removed", "hit_limit", f"It has made the {limit} captures it may make on one instance."
    if entry.hits.shed_because:
        return "paused", "over_budget", entry.hits.shed_because
    return None


def _same(one: wire.Probe, other: wire.Probe) -> bool:
    """Whether two messages ask for the same; the lease is not part of what is asked for."""
    return msgspec.structs.replace(one, valid_for=0.0) == msgspec.structs.replace(other, valid_for=0.0)


def _clears(new: wire.Probe, old: wire.Probe) -> bool:
    """Whether a person said that a probe the breaker shed may run again, by a higher ``options["cleared"]``."""
    return int(new.options.get("cleared", 0)) > int(old.options.get("cleared", 0))
