"""What sensors report is kept per instance: where probes stand, and counts that never fall."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.catalog.models import Instance
from investigations.lib.ids import show
from investigations.probes import deliveries, selectors, services
from investigations.probes.models import Probe, ProbeDelivery
from investigations.sessions.models import InvestigationSession
from sightline import wire


def status(probe: Probe, state: str, **fields: Any) -> wire.ProbeStatus:
    return wire.ProbeStatus(probe_id=show("prb", probe.id), state=state, **fields)  # type: ignore[arg-type]


def heartbeat(probe: Probe, since: int = 1_763_851_200_000_000_000, **fields: Any) -> wire.Heartbeat:
    counters = wire.ProbeCounters(probe_id=show("prb", probe.id), since=since, **({"endings": {}} | fields))
    return wire.Heartbeat(at=since, mono=0, counters=[counters])


class TestRecordDelivery:
    def test_keeps_state_reason_and_places(self, probe: Probe, instance: Instance) -> None:
        services.record_delivery(
            instance,
            1,
            [
                status(
                    probe,
                    "armed",
                    slug="armed",
                    sentence="Armed in 1 function.",
                    places=[wire.ResolvedPlace("trades/trade_request.py", 41, "TradeRequest.from_payload")],
                )
            ],
        )

        (row,) = probe.deliveries.all()
        assert (row.state, row.slug, row.sentence) == ("armed", "armed", "Armed in 1 function.")
        assert row.places == [
            {"file": "trades/trade_request.py", "line": 41, "function": "TradeRequest.from_payload"}
        ]
        assert row.armed_at is not None

    def test_remembers_since_when_it_watched_and_until_when(self, probe: Probe, instance: Instance) -> None:
        seen = []
        for state in ("armed", "paused", "armed"):
            services.record_delivery(instance, 1, [status(probe, state)])
            row = probe.deliveries.get()
            seen.append((row.armed_at is not None, row.disarmed_at is not None))

        assert seen == [(True, False), (True, True), (True, False)]

    def test_the_first_arming_and_the_first_rejection_go_on_the_timeline(
        self, probe: Probe, connect: Callable[..., Instance], session: InvestigationSession
    ) -> None:
        one, other = connect(host="one", pid=1), connect(host="other", pid=2)
        services.record_delivery(one, 1, [status(probe, "armed")])
        services.record_delivery(one, 1, [status(probe, "armed")])
        services.record_delivery(other, 1, [status(probe, "armed")])
        services.record_delivery(other, 1, [status(probe, "rejected", sentence="Line 7 is not executable.")])

        told = session.timeline.filter(kind__in=["probe_armed", "probe_rejected"]).order_by("cursor")
        assert [entry.sentence for entry in told] == [
            "P1 is armed on one (1).",
            "P1 was rejected by other (2): Line 7 is not executable.",
        ]

    def test_a_whole_set_is_read_and_noted_in_one_statement_each(
        self,
        place: Callable[..., Probe],
        connect: Callable[..., Instance],
        django_assert_num_queries: Callable[..., Any],
    ) -> None:
        probes = [place() for _ in range(3)]
        services.record_delivery(connect(), 1, [status(probe, "armed") for probe in probes])
        late = connect()

        with django_assert_num_queries(5):  # with the savepoint, and what the timeline knows already
            services.record_delivery(late, 1, [status(probe, "armed") for probe in probes])

        assert late.deliveries.filter(state="armed").count() == 3

    def test_a_status_leaves_the_counts_alone(self, probe: Probe, instance: Instance) -> None:
        services.record_delivery(instance, 1, [status(probe, "armed")])
        services.record_counters(instance, heartbeat(probe, endings={"captured": 7}, cost_us=2.0))
        services.record_delivery(instance, 1, [status(probe, "removed")])

        row = probe.deliveries.get()
        assert (row.state, row.endings, row.cost_us) == ("removed", {"captured": 7}, 2.0)

    def test_a_probe_of_another_service_is_passed_over(
        self, probe: Probe, connect: Callable[..., Instance]
    ) -> None:
        services.record_delivery(connect(service="fraud-service"), 1, [status(probe, "armed")])

        assert not ProbeDelivery.objects.exists()

    @pytest.mark.parametrize("probe_id", ["", "nonsense", "prb_00000000000000000000000000", "ses_0"])
    def test_nonsense_is_passed_over(self, instance: Instance, probe_id: str) -> None:
        services.record_delivery(instance, 1, [wire.ProbeStatus(probe_id, "armed")])

        assert not ProbeDelivery.objects.exists()

    def test_texts_are_kept_within_bounds(self, probe: Probe, instance: Instance) -> None:
        services.record_delivery(
            instance,
            1,
            [status(probe, "rejected", slug="s" * 500, sentence="x\x00" * 5000, nearest=list(range(99)))],
        )

        row = probe.deliveries.get()
        assert len(row.slug) == 64
        assert "\x00" not in row.sentence
        assert len(row.nearest) == 10


class TestRecordCounters:
    def test_sums_over_instances(self, probe: Probe, connect: Callable[..., Instance]) -> None:
        for number in (1, 2):
            counts = {"captured": number, "condition_false": 10}
            services.record_counters(connect(), heartbeat(probe, endings=counts))

        assert selectors.endings(probe) == {"captured": 3, "condition_false": 20}
        assert selectors.hit_totals(probe).text == "23 hits"

    def test_says_at_least_when_lines_were_switched_off(self, probe: Probe, instance: Instance) -> None:
        services.record_counters(instance, heartbeat(probe, endings={"captured": 1204}, unobserved_ms=250.0))

        totals = selectors.hit_totals(probe)
        assert (totals.at_least, totals.text) == (True, "≥ 1,204 hits")

    def test_says_at_least_while_captures_are_stored_that_no_heartbeat_counted(
        self, probe: Probe, instance: Instance, capture: Callable[..., wire.Capture]
    ) -> None:
        capture(probe)
        probe.refresh_from_db()
        assert selectors.hit_totals(probe).text == "≥ 1 hit"

        services.record_counters(instance, heartbeat(probe, endings={"captured": 1, "condition_false": 2}))
        assert selectors.hit_totals(probe).text == "3 hits"

    def test_a_late_heartbeat_never_lowers_them(self, probe: Probe, instance: Instance) -> None:
        services.record_counters(instance, heartbeat(probe, endings={"captured": 5}, cost_us=9.0))
        services.record_counters(
            instance, heartbeat(probe, endings={"captured": 3, "deadline": 1}, cost_us=4.0)
        )

        row = probe.deliveries.get()
        assert (row.endings, row.cost_us) == ({"captured": 5, "deadline": 1}, 9.0)

    def test_an_ending_nobody_knows_is_not_kept(self, probe: Probe, instance: Instance) -> None:
        services.record_counters(instance, heartbeat(probe, endings={"exploded": 5}))

        assert selectors.endings(probe) == {}

    def test_keep_what_a_status_says(self, probe: Probe, instance: Instance) -> None:
        services.record_delivery(instance, 1, [status(probe, "armed")])
        services.record_counters(instance, heartbeat(probe, endings={"captured": 1}))

        row = probe.deliveries.get()
        assert (row.state, row.endings) == ("armed", {"captured": 1})

    def test_an_idle_heartbeat_writes_nothing(
        self, probe: Probe, instance: Instance, django_assert_max_num_queries: Callable[..., Any]
    ) -> None:
        services.record_counters(instance, heartbeat(probe, endings={"captured": 1}))

        with django_assert_max_num_queries(4):  # two look-ups within a savepoint
            services.record_counters(instance, heartbeat(probe, endings={"captured": 1}))


COUNTS = st.dictionaries(st.sampled_from(["captured", "deadline", "rate_limited"]), st.integers(0, 1000))


@given(st.lists(COUNTS, max_size=6))
def test_counts_only_rise_in_whatever_order_they_come(told: list[dict[str, int]]) -> None:
    counts: dict[str, int] = {}
    for one in told:
        before, counts = counts, deliveries.raised(counts, one)
        assert all(counts[ending] >= count for ending, count in before.items())

    assert counts == {ending: max(one.get(ending, 0) for one in told) for one in told for ending in one}
