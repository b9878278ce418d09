"""The queue between the application's threads and the sensor's: bounded, counted, and woken once."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from sightline import wire
from sightline.outbox import MAX_BODY, Outbox


def capture(number: int, message: str = "") -> wire.Capture:
    return wire.Capture(number.to_bytes(16, "big"), "p", "logpoint", number, 1, 1, message=message)


def stopped() -> float:
    """A clock by which no slice of encoding ends, however busy the machine is."""
    return 0.0


def encoded(outbox: Outbox) -> list[wire.Capture]:
    """Everything the outbox holds, as a gateway would read it."""
    while outbox.has_records:
        outbox.encode(lambda record: record)
    bodies = []
    while some := outbox.take_captures(wire.MAX_MESSAGE):
        bodies += some
    return [wire.capture_body.decode(body) for body in bodies]


def test_what_was_offered_comes_out_in_order() -> None:
    outbox = Outbox()
    offered = [capture(number) for number in range(100)]
    assert all(outbox.offer(one) for one in offered)
    assert encoded(outbox) == offered


def test_a_full_ring_refuses_the_newest_and_counts_it() -> None:
    outbox = Outbox(capacity=3)
    assert [outbox.offer(capture(number)) for number in range(5)] == [True, True, True, False, False]
    assert outbox.drops == {"queue_full": 2}
    assert [one.hit for one in encoded(outbox)] == [0, 1, 2]


def test_a_few_heavy_records_fill_it_as_many_light_ones_do() -> None:
    outbox = Outbox(max_values=1000)
    assert [outbox.offer(capture(number), 400) for number in range(5)] == [True, True, True, False, False]
    assert outbox.drops == {"queue_full": 2}
    assert len(encoded(outbox)) == 3
    assert outbox.offer(capture(5), 400)


def test_it_says_beforehand_that_the_next_record_is_refused() -> None:
    outbox = Outbox(capacity=2)
    assert outbox.offer(capture(1))
    assert not outbox.full
    assert outbox.offer(capture(2))
    assert outbox.full
    encoded(outbox)
    assert not outbox.full


def test_records_of_one_value_are_bounded_by_their_number_alone() -> None:
    outbox = Outbox(capacity=4, max_values=2)
    assert [outbox.offer(capture(number)) for number in range(3)] == [True, True, True]
    assert [outbox.offer(capture(number), 3) for number in range(3, 5)] == [True, False]
    assert [one.hit for one in encoded(outbox)] == [0, 1, 2, 3]


def test_records_stay_in_the_ring_while_the_bytes_are_full() -> None:
    outbox = Outbox(capacity=10, max_bytes=100)
    for number in range(10):
        outbox.offer(capture(number, "x" * 100))
    outbox.encode(lambda record: record, clock=stopped)
    assert outbox.bytes_held > 100
    assert not outbox.has_records
    [body] = outbox.take_captures(wire.MAX_MESSAGE)
    outbox.release(len(body))
    assert outbox.has_records


def test_a_record_that_cannot_be_written_costs_only_itself() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.offer(capture(number))

    def write(record: wire.Capture) -> wire.Capture:
        if record.hit == 1:
            raise ValueError("the writer's own fault")
        return record

    outbox.encode(write, clock=stopped)
    assert [one.hit for one in encoded(outbox)] == [0, 2]
    assert outbox.drops == {"sensor_error": 1}


def test_a_body_that_fits_no_message_is_dropped_and_counted() -> None:
    outbox = Outbox()
    outbox.offer(capture(1, "x" * MAX_BODY))
    assert encoded(outbox) == []
    assert outbox.drops == {"too_large": 1}


def test_a_record_without_a_capture_leaves_no_trace() -> None:
    outbox = Outbox()
    outbox.offer(capture(1))
    outbox.encode(lambda record: None, clock=stopped)
    assert (len(outbox), outbox.drops) == (0, {})


def test_outcomes_travel_apart_from_captures() -> None:
    outbox = Outbox()
    outbox.offer(wire.Outcome("e", "fail", 1))
    outbox.offer(capture(1))
    outbox.encode(lambda record: record, clock=stopped)
    assert outbox.take_outcomes(10) == [wire.Outcome("e", "fail", 1)]
    assert len(outbox.take_captures(1000)) == 1


def test_a_sleeper_is_woken_by_the_first_record_alone() -> None:
    outbox, woken = Outbox(), []
    outbox.wake = lambda: woken.append(True)
    outbox.offer(capture(0))
    outbox.asleep = True
    outbox.offer(capture(1))
    outbox.offer(capture(2))
    assert woken == [True]


@given(st.lists(st.integers(0, 3000), max_size=60), st.integers(20, 8000))
def test_batches_keep_order_and_room(sizes: list[int], room: int) -> None:
    outbox = Outbox()
    for number, size in enumerate(sizes):
        outbox.offer(capture(number, "x" * size))
    while outbox.has_records:
        outbox.encode(lambda record: record)
    taken: list[int] = []
    while batch := outbox.take_captures(room):
        assert sum(len(body) + 5 for body in batch) <= room
        taken += [wire.capture_body.decode(body).hit for body in batch]
    assert taken == list(range(len(taken)))
    assert len(taken) + len(outbox) == len(sizes)


def test_many_threads_lose_nothing() -> None:
    outbox = Outbox(capacity=100_000)

    def offer(start: int) -> None:
        for number in range(start, start + 2_000):
            assert outbox.offer(capture(number))

    threads = [threading.Thread(target=offer, args=(start,)) for start in range(0, 10_000, 2_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.hit for one in encoded(outbox)} == set(range(10_000))
