"""The sensor's thread gives way between slices of work."""

import pytest

from sightline import slices


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleeping and `pass_` move on; `slept` are the sleeps."""

    class Clock:
        now = 100.0
        slept: list[float] = []

        def sleep(self, seconds):
            self.slept.append(seconds)
            self.now += seconds

    made = Clock()
    made.slept = []
    monkeypatch.setattr(slices.native, "monotonic", lambda: made.now)
    monkeypatch.setattr(slices.native, "sleep", made.sleep)
    return made


def test_within_a_slice_nobody_sleeps(clock):
    turn = slices.Slices()
    turn.give_way()
    for _ in range(5):
        turn.give_way()
    assert len(clock.slept) == 1


def test_after_each_slice_the_thread_rests(clock):
    turn = slices.Slices()
    for _ in range(4):
        turn.give_way()
        clock.now += slices.WORK_S * 1.01
    assert clock.slept == [slices.REST_S] * 4


def test_who_has_just_slept_begins_at_once(clock):
    turn = slices.Slices()
    turn.begin()
    turn.give_way()
    assert clock.slept == []
    clock.now += slices.WORK_S * 1.01
    turn.give_way()
    assert clock.slept == [slices.REST_S]
