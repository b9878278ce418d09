"""One hit, gate by gate: what is kept, and the one named state in which every observed hit ends."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from typing import Any

from sightline import context, hits, limits, snapshots, testing, wire
from sightline.kinds import KINDS
from tests.observed import shop
from tests.observed.shop import Order
from tests.sensors.places import armed


def place(gateway: testing.Gateway, line_of: Any, name: str, kind: str, **asked: Any) -> str:
    asked.setdefault("rate", 1e6)
    return armed(gateway, kind, file="observed/shop.py", line=line_of(shop, name), **asked)


class TestWhatIsKept:
    def test_hits_on_the_main_thread_share_what_is_told_of_it(self, gateway, line_of, monkeypatch):
        for name, nothing in (("_asyncio", None), ("_frameworks", False), ("_tracers", [])):
            monkeypatch.setattr(context, name, nothing)
        assert context.current() is context.current()
        monkeypatch.setattr(threading.main_thread(), "_name", "renamed")
        assert context.current() == ("renamed", "", context.NO_TRACE, "", None)

    def test_a_logpoint_keeps_its_message(self, gateway, line_of):
        probe = place(
            gateway, line_of, "check", "logpoint", template="{amount} of {limit}: {accepted}", level="warning"
        )
        shop.check(Order(5, "ada"), 10)

        (capture,) = gateway.captures(probe)
        assert (capture.message, capture.level, capture.hit) == ("5 of 10: True", "warning", 1)
        assert capture.frames is None

    def test_a_message_shows_containers_objects_and_what_could_not_be_read(self, gateway, line_of):
        template = "{order} {order.total} {nope} {[amount, 'x']}"
        probe = place(gateway, line_of, "check", "logpoint", template=template)
        shop.check(Order(5, "ada"), 10)

        message = gateway.captures(probe)[0].message
        assert message.startswith(
            "Order(amount=5, customer='ada', high_value='true', password=[withheld: name: password])"
        )
        assert message.endswith("<error: would_run_code> <error: unknown_name> [5, 'x']")

    def test_a_message_of_names_alone_tells_which_of_them_is_missing(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "logpoint", template="{amount} {nope} {limit}")
        shop.check(Order(5, "ada"), 10)
        assert gateway.captures(probe)[0].message == "5 <error: unknown_name> 10"

    def test_a_message_withholds_what_its_rules_withhold(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "logpoint", template="password={order.password}")
        shop.check(Order(5, "ada"), 10)
        (capture,) = gateway.captures(probe)
        assert "hunter2" not in capture.message
        assert capture.cuts == ["redacted"]

    def test_a_message_goes_to_the_applications_logging_when_asked(self, gateway, line_of, caplog):
        caplog.set_level(logging.DEBUG, "sightline.probe")
        probe = place(
            gateway, line_of, "check", "logpoint", template="amount {amount}", level="error", pipe=True
        )
        shop.check(Order(5, "ada"), 10)
        assert caplog.records == []  # handlers are the application's code: never in its own thread

        gateway.captures(probe)
        assert [(record.levelname, record.message) for record in caplog.records] == [("ERROR", "amount 5")]

    def test_a_snapshot_keeps_exact_types_and_the_stack(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "snapshot", watches={"flag": "order.high_value"})
        shop.check(Order(12_000, "ada", flag="true"), 10_000)

        (capture,) = gateway.captures(probe)
        assert capture.frames is not None
        top = capture.frames[0]
        assert (top.function, top.line) == ("check", line_of(shop, "check"))
        assert top.variables is not None
        assert top.variables["order"].type.endswith("shop.Order")
        assert (top.variables["accepted"].type, top.variables["accepted"].value) == ("bool", False)
        assert capture.watches is not None
        assert (capture.watches["flag"].type, capture.watches["flag"].value) == ("str", "true")
        assert capture.frames[1].function.endswith("test_a_snapshot_keeps_exact_types_and_the_stack")
        assert capture.cost_us > 0

    def test_a_snapshot_may_be_of_watches_alone(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "snapshot", watches={"amount": "amount"}, variables=False)
        shop.check(Order(5, "ada"), 10)
        (capture,) = gateway.captures(probe)
        assert capture.frames is not None
        assert capture.frames[0].variables is None
        assert capture.watches == {"amount": wire.Value("int", 5)}

    def test_a_counter_keeps_nothing_and_has_no_hit_limit(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "counter", hit_limit=5)
        shop.busy(1000)
        assert gateway.captures(probe) == []
        assert gateway.counters(probe).figures == {"count": 1000}

    def test_what_is_a_global_is_found_too(self, gateway, line_of):
        probe = place(
            gateway, line_of, "global", "logpoint", template="{x} * {RATE}", condition="y == x * RATE"
        )
        shop.uses_a_global(4)
        assert [capture.message for capture in gateway.captures(probe)] == ["4 * 2"]

    def test_the_application_keeps_the_last_reference_to_its_objects(self, gateway, line_of):
        """A capture in the ring must not decide when an object of the application dies."""
        import weakref

        probe = place(gateway, line_of, "check", "snapshot")
        order = Order(5, "ada")
        gone = weakref.ref(order)
        shop.check(order, 10)
        del order
        assert gone() is None
        assert len(gateway.captures(probe)) == 1

    def test_writing_a_capture_is_its_probes_cost_too(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "snapshot")
        shop.check(Order(5, "ada"), 10)
        before = gateway.counters(probe).cost_us
        gateway.captures(probe)
        assert gateway.counters(probe).cost_us > before

    def test_ids_are_uuid7_and_hits_are_numbered_over_all_endings(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "logpoint", template="{i}", condition="i % 2 == 1")
        shop.busy(6)
        captures = gateway.captures(probe)
        assert [capture.hit for capture in captures] == [2, 4, 6]
        assert {capture.id[6] >> 4 for capture in captures} == {7}
        assert [capture.at for capture in captures] == sorted(capture.at for capture in captures)


class TestHowHitsEnd:
    """The names of the tests are the names of the endings."""

    def test_condition_false(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "snapshot", condition="i == 3")
        shop.busy(10)
        assert gateway.endings(probe) == {"captured": 1, "condition_false": 9}

    def test_condition_false_of_a_counter(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "counter", condition="i >= 4")
        shop.busy(10)
        assert gateway.endings(probe) == {"captured": 6, "condition_false": 4}

    def test_condition_error(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "snapshot", condition="order.total > 3")
        shop.check(Order(5, "ada"), 10)
        assert gateway.endings(probe) == {"condition_error": 1}
        gateway.tick()
        status = gateway.status(probe)
        assert (status.state, status.slug) == ("armed", "condition_error")
        assert "order.total" in status.sentence or "property" in status.sentence

    def test_rate_limited(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "logpoint", template="{i}", rate=3.0)
        shop.busy(100)
        assert gateway.endings(probe) == {"captured": 3, "rate_limited": 97}

    def test_rate_limited_after_a_condition(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "logpoint", template="{i}", condition="i % 2 == 0", rate=3.0)
        shop.busy(100)
        assert gateway.endings(probe) == {"captured": 3, "condition_false": 50, "rate_limited": 47}

    def test_hit_limit(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "logpoint", template="{i}", hit_limit=4)
        shop.busy(10)
        assert gateway.endings(probe)["captured"] == 4
        gateway.tick()
        status = gateway.status(probe)
        assert (status.state, status.slug) == ("removed", "hit_limit")
        gateway.send()  # the server still desires it: it stays used up here
        shop.busy(10)
        assert len(gateway.captures(probe)) == 4

    def test_evaluation_budget_of_one_expression(self, gateway, line_of):
        condition = "all(n >= 0 for n in numbers)"
        probe = gateway.place(
            "counter", file="observed/shop.py", line=line_of(shop, "long"), condition=condition
        )
        assert shop.count(list(range(200_000))) == 200_000
        assert gateway.endings(probe) == {"evaluation_budget": 1}

    def test_evaluation_budget_of_the_process(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "counter", condition="i < 0")
        gateway.sensor.budget.balance = -1
        shop.busy(1)
        assert gateway.endings(probe) == {"evaluation_budget": 1}

    def test_over_budget(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "snapshot")
        gateway.sensor.budget.balance = -1
        shop.check(Order(5, "ada"), 10)
        assert gateway.endings(probe) == {"over_budget": 1}

    def test_deadline(self, gateway, line_of):
        """Only to find what to copy took longer than the whole copy may: nothing is kept, and it is said."""
        probe = place(gateway, line_of, "check", "snapshot", limits=wire.Limits(deadline_ms=0.0))
        shop.check(Order(5, "ada"), 10)
        assert gateway.endings(probe) == {"deadline": 1}
        assert gateway.captures(probe) == []

    def test_queue_full(self, gateway, line_of):
        gateway.sensor.outbox.capacity = 2
        probe = place(gateway, line_of, "busy", "logpoint", template="{i}")
        shop.busy(5)
        assert gateway.endings(probe) == {"captured": 2, "queue_full": 3}
        assert gateway.sensor.heartbeat().drops == {"queue_full": 3}

    def test_a_hit_for_which_there_is_no_room_is_not_copied(self, gateway, line_of, monkeypatch):
        gateway.sensor.outbox.capacity = 2
        copies, copy = [], snapshots.copy_frames
        monkeypatch.setattr(snapshots, "copy_frames", lambda *a, **k: copies.append(a) or copy(*a, **k))
        probe = place(gateway, line_of, "busy", "snapshot")
        shop.busy(5)
        assert gateway.endings(probe) == {"captured": 2, "queue_full": 3}
        assert len(copies) == 2

    def test_re_entrant_on_the_sensors_own_thread(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "snapshot")
        gateway.sensor.room.busy.add(hits.native.get_ident())
        shop.check(Order(5, "ada"), 10)
        assert gateway.endings(probe) == {"re_entrant": 1}

    def test_sensor_error(self, gateway, line_of, monkeypatch):
        probe = place(gateway, line_of, "check", "snapshot")
        monkeypatch.setattr(snapshots, "copy_frames", None)
        assert shop.check(Order(5, "ada"), 10) is True
        assert gateway.endings(probe) == {"sensor_error": 1}

    def test_a_finaliser_that_reaches_a_probed_line_while_a_hit_is_kept(self, gateway, line_of, monkeypatch):
        place(gateway, line_of, "check", "snapshot")
        inner = place(gateway, line_of, "finalise", "snapshot")
        copy = snapshots.copy_frames

        def copying(*arguments: Any, **named: Any) -> Any:
            shop.Finalised()  # dies at once
            return copy(*arguments, **named)

        monkeypatch.setattr(snapshots, "copy_frames", copying)
        shop.check(Order(5, "ada"), 10)
        assert gateway.endings(inner) in ({}, {"re_entrant": 1})  # sys.monitoring does not even tell of it

    def test_every_observed_hit_has_exactly_one_ending(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "snapshot", condition="i % 3 == 0", rate=5.0, hit_limit=3)
        shop.busy(50)
        endings = gateway.endings(probe)
        assert set(endings) <= set(hits.ENDINGS)
        seen = sum(endings.values())
        assert seen == 50 or (gateway.sensor.registry.any_resting() and seen <= 50)


class TestLinesThatAreSwitchedOff:
    def test_time_without_hits_is_told(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "counter", condition="i < 0")
        gateway.sensor.budget.balance = -10_000_000
        shop.busy(100)
        assert gateway.endings(probe) == {"evaluation_budget": 1}
        time.sleep(0.02)
        shop.busy(100)  # observed by nobody
        counters = gateway.counters(probe)
        assert counters.endings == {"evaluation_budget": 1}
        assert counters.unobserved_ms >= 20

    def test_they_are_on_again_once_the_budget_is_refilled(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "counter", condition="i < 0")
        gateway.sensor.budget.balance = -1
        shop.busy(100)
        gateway.sensor.budget.balance = 10_000_000
        gateway.tick()
        told = gateway.counters(probe).unobserved_ms
        shop.busy(100)
        assert gateway.endings(probe) == {"evaluation_budget": 1, "condition_false": 100}
        assert gateway.counters(probe).unobserved_ms == told

    def test_a_hot_line_costs_no_more_than_the_budget_allows(self, line_of):
        with testing.gateway(budget=limits.DEFAULT_SHARE) as gateway:
            probe = place(gateway, line_of, "busy", "counter", condition="i < 0")
            shop.busy(400_000)
            counters = gateway.counters(probe)
            assert gateway.sensor.registry.any_resting()
            assert sum(counters.endings.values()) < 400_000
            assert gateway.sensor.budget.balance < 0

    def test_a_probe_that_comes_to_a_line_that_is_switched_off_is_unobserved_from_then(
        self, gateway, line_of
    ):
        place(gateway, line_of, "busy", "counter", condition="i < 0")
        gateway.sensor.budget.balance = -1
        shop.busy(1)
        later = place(gateway, line_of, "busy", "counter")
        gateway.sensor.budget.balance = 10_000_000
        gateway.tick()
        assert gateway.counters(later).unobserved_ms < 60_000

    def test_a_forked_child_counts_its_own_time_only(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "counter", condition="i < 0")
        gateway.sensor.budget.balance = -1
        shop.busy(1)
        gateway.sensor.registry.start_over(gateway.sensor.breaker)
        gateway.sensor.budget.balance = 10_000_000
        gateway.tick()
        assert gateway.counters(probe).unobserved_ms == 0

    def test_a_probe_that_leaves_such_a_line_rests_no_more(self, gateway, line_of):
        probe = place(gateway, line_of, "busy", "counter", condition="i < 0")
        gateway.sensor.budget.balance = -1
        shop.busy(1)
        gateway.change(probe, location=wire.Location("observed/shop.py", line_of(shop, "check")))
        assert gateway.counters(probe).unobserved_ms == 0
        (hits_of_probe,) = gateway.sensor.registry.armed_hits()
        assert hits_of_probe.resting_lines == 0

    def test_another_probe_on_the_same_line_keeps_it_on(self, gateway, line_of):
        first = place(gateway, line_of, "busy", "logpoint", template="{i}", hit_limit=1)
        second = place(gateway, line_of, "busy", "counter")
        shop.busy(10)
        assert gateway.endings(first)["captured"] == 1
        assert gateway.endings(second) == {"captured": 10}

    if sys.version_info < (3, 12):

        def test_on_3_11_calls_of_a_line_that_is_switched_off_are_the_probes_cost(self, gateway, line_of):
            probe = place(gateway, line_of, "busy", "counter", condition="i < 0")
            other = place(gateway, line_of, "check", "counter")
            gateway.sensor.budget.balance = -(10**12)
            shop.busy(100_001)
            gateway.tick()
            assert gateway.counters(probe).cost_us >= 100_000 * hits.IDLE_HIT_NS / 1e3
            assert gateway.counters(other).cost_us == 0


class TestWhereAHitHappened:
    def test_the_thread(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "logpoint", template="x")
        shop.on_a_thread(lambda: shop.check(Order(1, "ada"), 2), "settler-3")
        assert gateway.captures(probe)[0].thread == "settler-3"

    def test_the_task_and_its_execution(self, gateway, line_of):
        probe = place(gateway, line_of, "check", "logpoint", template="x")
        context.look_around()

        async def request() -> None:
            shop.check(Order(1, "ada"), 2)
            await asyncio.create_task(inner(), name="inner")

        async def inner() -> None:
            shop.check(Order(1, "ada"), 2)

        async def both() -> None:
            await asyncio.create_task(request(), name="first")
            await asyncio.create_task(request(), name="second")

        asyncio.run(both())
        captures = gateway.captures(probe)
        assert [capture.task for capture in captures] == ["first", "inner", "second", "inner"]
        one, same, other, same_as_other = (capture.execution_id for capture in captures)
        assert one == same != other == same_as_other

    def test_the_trace_of_opentelemetry(self, gateway, line_of):
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider

        probe = place(gateway, line_of, "check", "logpoint", template="x")
        context.look_around()
        with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
            shop.check(Order(1, "ada"), 2)
        shop.check(Order(1, "ada"), 2)

        inside, outside = gateway.captures(probe)
        assert inside.trace_id == trace.format_trace_id(span.get_span_context().trace_id)
        assert inside.span_id == trace.format_span_id(span.get_span_context().span_id)
        assert inside.execution_id == inside.trace_id
        assert (outside.trace_id, outside.execution_id) == ("", "")


def test_expressions_that_cannot_be_compiled_are_refused_when_placed(gateway, line_of):
    bad = wire.Expression("f(x)", ["call", "open", [["const", "x"]]])
    gateway.sensor.on_probe_set(
        1,
        [
            wire.Probe(
                "p", "counter", wire.Location("observed/shop.py", line_of(shop, "check")), 60.0, condition=bad
            )
        ],
    )
    (status,) = gateway.sensor.take_statuses()
    assert (status.state, bool(status.slug), bool(status.sentence)) == ("rejected", True, True)


def test_a_kind_that_is_not_known_here_is_refused(gateway, line_of, monkeypatch):
    monkeypatch.delitem(KINDS, "path")
    probe = gateway.place("path", file="observed/shop.py", line=line_of(shop, "check"))
    assert gateway.status(probe).slug == "unsupported_kind"
