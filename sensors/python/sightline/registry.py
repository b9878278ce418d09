"""Desired probes against armed probes: the difference is applied, and every probe's standing here is told."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import msgspec

from . import native, wire
from .engines.base import CannotArm, Engine, Spot, Watching
from .errors import ExpressionError, LocationError
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
        with self.lock:
            self.revision = revision
            wanted = {probe.id: probe for probe in probes}
            for probe_id in [known for known in self._entries if known not in wanted]:
                self._remove(probe_id)
            for probe in wanted.values():
                self._desire(probe, now)
            self._mind_imports()

    def tick(self, now: float) -> None:
        """End leases and used-up probes, shed what the breaker shed, switch lines on again, look around."""
        with self.lock:
            for entry in self:
                self._settle(entry, now)
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
        with self.lock:
            for entry in self:
                if entry.armed:
                    self._disarm(entry)
                    entry.hits = None
                    self._arm(entry)

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

    def close(self) -> None:
        """Disarm everything and leave nothing behind."""
        with self.lock:
            for probe_id in list(self._entries):
                self._remove(probe_id)
            self._watch.uninstall()
            self.engine.close()

    # One probe

    def _desire(self, probe: wire.Probe, now: float) -> None:
        entry = self._entries.get(probe.id)
        if entry is not None and _same(entry.probe, probe):
            entry.renew(probe, now)
            if entry.status.slug == "lease_expired":
                self._arm(entry)
            return
        if entry is not None:
            if _clears(probe, entry.probe):
                self._breaker.clear()
            self._disarm(entry)
        self._final.pop(probe.id, None)
        entry = self._entries[probe.id] = Entry(probe, now)
        self._arm(entry)

    def _arm(self, entry: Entry) -> None:
        probe = entry.probe
        try:
            if probe.kind not in KINDS:
                raise CannotArm(
                    "unsupported_kind", f"This sensor does not know probes of the kind {probe.kind}."
                )
            hits = entry.hits or ProbeHits(probe, self._room, KINDS[probe.kind])
            found = hits.kind.locate(self._locator)
            watchings = hits.kind.watchings(found)
            entry.hits = hits
            self.engine.arm(watchings)
            entry.watchings = watchings
        except NotImportedYet as waiting:
            entry.becomes("pending", "not_imported", f"{waiting} It is armed when that happens.")
        except LocationError as problem:
            entry.becomes("rejected", problem.slug, problem.sentence, nearest=problem.nearest or None)
        except (CannotArm, ExpressionError) as problem:
            entry.becomes("rejected", problem.slug, problem.sentence)
        else:
            self._tell_armed(entry, hits, found)

    def _tell_armed(self, entry: Entry, hits: ProbeHits, found: Found) -> None:
        wanted_hash = entry.probe.location.source_hash
        differs = bool(wanted_hash and found.source_hash and wanted_hash != found.source_hash)
        said = [f"Armed on {hits.kind.armed_on(found)}."]
        if differs:
            said.append("The file here is not the text in which this line was chosen.")
        said += [remark for remark in (self.engine.late, hits.kind.remark()) if remark]
        entry.becomes(
            "armed", "source_differs" if differs else "armed", " ".join(said), places=found.places()
        )

    def _disarm(self, entry: Entry) -> None:
        if entry.hits is not None:
            self.engine.disarm(entry.watchings)
            entry.hits.kind.disarmed()
        entry.watchings = []

    def _remove(self, probe_id: str) -> None:
        entry = self._entries.pop(probe_id)
        self._disarm(entry)
        if entry.hits is not None:
            self._final[probe_id] = native.monotonic() + FINAL_COUNTS_FOR_S, entry.hits.counters()
        self._gone.append(wire.ProbeStatus(probe_id, "removed", "removed", "No longer asked for."))

    def _settle(self, entry: Entry, now: float) -> None:
        """Take an armed or waiting probe off its lines when its time, its hits or its cost say so."""
        if entry.status.state not in ("armed", "pending"):
            return
        if now >= entry.expires_at:
            self._disarm(entry)
            entry.becomes("removed", "lease_expired", "Its lease ended without being renewed.")
        elif entry.hits is not None and entry.hits.exhausted:
            self._disarm(entry)
            limit = entry.probe.hit_limit
            entry.becomes(
                "removed", "hit_limit", f"It has made the {limit} captures it may make on one instance."
            )
        elif entry.hits is not None and entry.hits.shed_because:
            self._disarm(entry)
            entry.becomes("paused", "over_budget", entry.hits.shed_because)
        elif entry.hits is not None and entry.hits.last_error is not None:
            self._tell_condition_error(entry, entry.hits.last_error)

    def _tell_condition_error(self, entry: Entry, error: ExpressionError) -> None:
        if entry.armed and entry.status.slug != "condition_error":
            said = f"{entry.status.sentence} Its condition could not be answered at a hit: {error.sentence}."
            entry.becomes("armed", "condition_error", said, places=entry.status.places)

    # Modules that come, code that changes

    def _look_around(self) -> None:
        for entry in self:
            if entry.status.state == "pending":
                self._arm(entry)
            elif entry.armed and any(self._was_replaced(spot) for spot, _ in entry.watchings):
                self._follow(entry)
        self._mind_imports()

    def _was_replaced(self, spot: Spot) -> bool:
        """Whether functions that ran this code now run other code, or are all gone."""
        functions = [reference() for reference in spot.functions]
        living = [function for function in functions if function is not None]
        ours = self.engine.original(spot.code)
        return bool(functions) and (
            not living or any(self.engine.original(function.__code__) is not ours for function in living)
        )

    def _follow(self, entry: Entry) -> None:
        """Another tool gave the function other code, or the module was loaded anew: arm what runs now."""
        self._disarm(entry)
        self._arm(entry)
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
            if location.function.partition(":")[0] == module:
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
            for entry in self:
                if entry.status.state == "pending":
                    self._arm(entry)
        except Exception:  # noqa: BLE001 (never into an application's import)
            return
        finally:
            self.lock.release()


def _same(one: wire.Probe, other: wire.Probe) -> bool:
    """Whether two messages ask for the same; the lease is not part of what is asked for."""
    return msgspec.structs.replace(one, valid_for=0.0) == msgspec.structs.replace(other, valid_for=0.0)


def _clears(new: wire.Probe, old: wire.Probe) -> bool:
    """Whether a person said that a probe the breaker shed may run again, by a higher ``options["cleared"]``."""
    return int(new.options.get("cleared", 0)) > int(old.options.get("cleared", 0))
