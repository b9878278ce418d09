"""Desired probes against armed probes: every difference is applied, and every standing is told once."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sightline import native, registry, testing, wire
from sightline.imports import ImportWatch
from tests.observed import shop
from tests.observed.shop import Order


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path with a package whose module is not imported yet."""
    folder = tmp_path / "parcels"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "pricing.py").write_text("def price(x):\n    y = x * 2\n    return y\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("parcels")]:
        del sys.modules[name]


def place(gateway: testing.Gateway, line_of: Any, **asked: Any) -> str:
    return gateway.place("counter", file="observed/shop.py", line=line_of(shop, "check"), **asked)


def check() -> bool:
    return shop.check(Order(1, "ada"), 2)


class TestProbeSets:
    def test_the_same_set_again_changes_nothing_and_tells_nothing(self, gateway, line_of):
        probe = place(gateway, line_of)
        assert gateway.status(probe).state == "armed"
        check()
        gateway.send()
        assert gateway.sensor.take_statuses() == []
        assert gateway.endings(probe) == {"captured": 1}

    def test_a_probe_that_is_no_longer_in_the_set_is_disarmed(self, gateway, line_of):
        probe = place(gateway, line_of)
        gateway.remove(probe)
        assert gateway.status(probe).state == "removed"
        check()
        assert gateway.endings(probe) == {}

    def test_a_removed_probes_last_counts_are_still_told_for_a_while(self, gateway, line_of, monkeypatch):
        probe = place(gateway, line_of)
        check()
        gateway.remove(probe)
        assert gateway.endings(probe) == {"captured": 1}

        later = native.monotonic() + registry.FINAL_COUNTS_FOR_S
        monkeypatch.setattr(native, "monotonic", lambda: later)
        assert gateway.sensor.heartbeat().counters == []

    def test_a_changed_probe_is_armed_anew(self, gateway, line_of):
        probe = place(gateway, line_of)
        check()
        gateway.change(probe, location=wire.Location("observed/shop.py", line_of(shop, "busy")))
        check()
        shop.busy(3)
        assert gateway.endings(probe) == {"captured": 3}

    def test_a_new_connection_is_told_everything_again(self, gateway, line_of):
        probe = place(gateway, line_of)
        gateway.status(probe)
        gateway.sensor.on_welcome(wire.Welcome(proof=b"", now=0))
        assert [status.probe_id for status in gateway.sensor.take_statuses()] == [probe]

    def test_new_rules_of_redaction_hold_for_armed_probes(self, gateway, line_of):
        line = line_of(shop, "check")
        probe = gateway.place("logpoint", file="observed/shop.py", line=line, template="{order.customer}")
        rules = wire.RedactionRules(names=["customer"])
        gateway.sensor.on_welcome(wire.Welcome(proof=b"", now=0, redaction=rules))
        check()
        assert "ada" not in gateway.captures(probe)[0].message


class TestLeases:
    def test_a_lease_that_is_not_renewed_disarms(self, gateway, line_of):
        probe = place(gateway, line_of, valid_for=10.0)
        gateway.sensor.registry.tick(native.monotonic() + 10.1)
        check()
        status = gateway.status(probe)
        assert (status.state, status.slug) == ("removed", "lease_expired")
        assert gateway.endings(probe) == {}

    def test_the_time_without_a_lease_is_told_as_unobserved(self, gateway, line_of):
        probe = place(gateway, line_of, valid_for=10.0)
        check()
        gateway.sensor.registry.tick(native.monotonic() + 11)
        time.sleep(0.02)
        assert gateway.counters(probe).unobserved_ms >= 20
        gateway.send()
        told = gateway.counters(probe).unobserved_ms
        check()
        assert gateway.counters(probe).unobserved_ms == told

    def test_a_renewed_lease_goes_on(self, gateway, line_of):
        probe = place(gateway, line_of, valid_for=10.0)
        later = native.monotonic() + 5
        for entry in gateway.sensor.registry:
            entry.renew(entry.probe, later)
        gateway.sensor.registry.tick(later + 9)
        assert gateway.status(probe).state == "armed"

    def test_a_probe_sent_again_after_its_lease_is_armed_again_and_keeps_its_counts(self, gateway, line_of):
        probe = place(gateway, line_of, valid_for=10.0)
        check()
        gateway.sensor.registry.tick(native.monotonic() + 11)
        gateway.send()
        check()
        assert gateway.status(probe).state == "armed"
        assert gateway.endings(probe) == {"captured": 2}


class TestTheBreaker:
    def test_a_shed_probe_stays_off_until_a_person_clears_it(self, gateway, line_of):
        probe = place(gateway, line_of)
        gateway.sensor.registry.armed_hits()[0].shed("It cost too much.")
        gateway.tick()
        check()
        status = gateway.status(probe)
        assert (status.state, status.slug, status.sentence) == ("paused", "over_budget", "It cost too much.")
        assert gateway.counters(probe).unobserved_ms > 0

        gateway.send()
        gateway.tick()
        check()
        assert gateway.endings(probe) == {}

        gateway.change(probe, options={"cleared": 1})
        check()
        assert gateway.status(probe).state == "armed"
        assert gateway.endings(probe) == {"captured": 1}


class TestModulesThatAreNotImportedYet:
    def test_the_probe_waits_and_is_armed_before_anything_can_call_the_module(self, gateway, package):
        probe = gateway.place("counter", file="parcels/pricing.py", line=2)
        status = gateway.status(probe)
        assert (status.state, status.slug) == ("pending", "not_imported")

        from parcels.pricing import price  # type: ignore[import-not-found]

        assert price(3) == 6
        assert gateway.endings(probe) == {"captured": 1}
        assert gateway.status(probe).state == "armed"

    def test_by_function(self, gateway, package):
        probe = gateway.place("counter", function="parcels.pricing:price")
        assert gateway.status(probe).state == "pending"
        module = importlib.import_module("parcels.pricing")
        module.price(1)
        assert gateway.endings(probe) == {"captured": 1}

    def test_the_package_itself(self, gateway, package):
        (package / "__init__.py").write_text("def here():\n    return 1\n")
        probe = gateway.place("counter", file="parcels/__init__.py", line=2)
        importlib.import_module("parcels").here()
        assert gateway.endings(probe) == {"captured": 1}

    def test_nothing_of_ours_stays_in_the_import_system(self, gateway, package):
        before = list(sys.meta_path)
        probe = gateway.place("counter", file="parcels/pricing.py", line=2)
        assert len(sys.meta_path) == len(before) + 1
        module = importlib.import_module("parcels.pricing")
        gateway.tick()

        assert gateway.status(probe).state == "armed"
        assert sys.meta_path == before
        assert type(module.__loader__).__name__ == "SourceFileLoader"
        assert "exec_module" not in vars(module.__loader__)
        assert module.__spec__.loader is module.__loader__

    def test_a_module_whose_import_fails_fails_as_without_us(self, gateway, package):
        (package / "pricing.py").write_text("def price(x):\n    return x\nraise ValueError('broken')\n")
        probe = gateway.place("counter", file="parcels/pricing.py", line=2)
        with pytest.raises(ValueError, match="broken"):
            importlib.import_module("parcels.pricing")
        assert "parcels.pricing" not in sys.modules
        assert gateway.status(probe).state == "pending"

    def test_a_line_that_turns_out_not_to_exist_is_refused_then(self, gateway, package):
        probe = gateway.place("counter", file="parcels/pricing.py", line=99)
        importlib.import_module("parcels.pricing")
        assert gateway.status(probe).slug == "not_executable"

    def test_looking_for_a_module_without_importing_it(self, gateway, package):
        probe = gateway.place("counter", file="parcels/pricing.py", line=2)
        assert importlib.util.find_spec("parcels.pricing") is not None
        importlib.import_module("parcels.pricing").price(1)
        assert gateway.endings(probe) == {"captured": 1}

    def test_a_module_that_came_past_the_import_system_is_seen_at_the_next_look_around(
        self, gateway, package
    ):
        probe = gateway.place("counter", file="parcels/pricing.py", line=2)
        module = ModuleType("parcels.pricing")
        module.__file__ = str(package / "pricing.py")
        exec(compile((package / "pricing.py").read_text(), module.__file__, "exec"), vars(module))
        sys.modules["parcels.pricing"] = module

        gateway.sensor.registry.tick(native.monotonic() + 2)
        module.price(1)  # type: ignore[attr-defined]
        assert gateway.endings(probe) == {"captured": 1}

    def test_a_loader_without_room_for_a_last_step(self):
        class Slotted:
            __slots__ = ()

            def create_module(self, spec: object) -> None:
                return None

            def exec_module(self, module: ModuleType) -> None:
                module.done = True  # type: ignore[attr-defined]

        class Finder:
            @staticmethod
            def find_spec(name: str, path: object = None, target: object = None) -> Any:
                return importlib.util.spec_from_loader(name, Slotted()) if name == "slotted_module" else None

        told: list[ModuleType] = []
        watch = ImportWatch(lambda name: name == "slotted_module", told.append)
        sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
        watch.install()
        try:
            assert importlib.import_module("slotted_module").done
        finally:
            watch.uninstall()
            sys.meta_path.remove(Finder)  # type: ignore[arg-type]
            sys.modules.pop("slotted_module", None)
        assert told == []


class TestCodeThatIsReplaced:
    def test_the_probe_follows_a_function_that_was_given_other_code(self, gateway, package):
        pricing = importlib.import_module("parcels.pricing")
        probe = gateway.place("counter", file="parcels/pricing.py", line=2)
        assert gateway.status(probe).slug == "armed"
        original = gateway.sensor.engine.original(pricing.price.__code__)
        pricing.price.__code__ = original.replace(co_name="price")
        pricing.price(1)
        assert gateway.endings(probe) == {}

        gateway.sensor.registry.tick(native.monotonic() + 2)
        pricing.price(1)
        assert gateway.status(probe).slug == "code_replaced"
        assert gateway.endings(probe) == {"captured": 1}

    def test_the_probe_follows_a_module_that_was_loaded_anew(self, gateway, package):
        pricing = importlib.import_module("parcels.pricing")
        probe = gateway.place("counter", file="parcels/pricing.py", line=2)
        importlib.reload(pricing)
        gateway.sensor.registry.tick(native.monotonic() + 2)
        pricing.price(1)
        assert gateway.endings(probe) == {"captured": 1}
