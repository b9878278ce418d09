"""The days of the captures table: made ahead, dropped whole, strays taken along."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from investigations.probes import partitions
from investigations.probes.copying import (
    COPY_CAPTURES,
    HEADER,
    TRAILER,
    arrival,
    content,
    numbers,
    origin,
    row,
)
from sightline import wire

FAR = datetime(2031, 3, 1, 12, tzinfo=UTC)


def put(at: datetime) -> uuid.UUID:
    """A capture whose id was made then."""
    id = uuid.UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | uuid.uuid4().int >> 70)
    capture = wire.Capture(id.bytes, "p", "logpoint", 1, 1, 1)
    made = row(
        numbers(id.bytes, cursor=1, hit=1, at_us=int(at.timestamp() * 1e6)),
        arrival(instance_id=id, environment_id=id, commit="", received_at=at),
        origin(session_id=id, probe_id=id, kind="logpoint"),
        content(capture, wire.encode(capture)),
    )
    with connection.cursor() as cursor, cursor.copy(COPY_CAPTURES) as copy:
        copy.write(HEADER + made + TRAILER)
    return id


def home_of(id: uuid.UUID) -> str:
    """The partition that holds a capture; empty when none does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM probes_capture WHERE id = %s", [id])
        found = cursor.fetchone()
    return found[0] if found else ""


@pytest.mark.django_db
def test_migrating_makes_today_and_a_week_ahead() -> None:
    now = datetime.now(UTC)
    assert partitions.make_days(now=now) == []
    assert home_of(put(now)) == f"probes_capture_{now:%Y%m%d}"
    ahead = now + timedelta(days=7)
    assert home_of(put(ahead)) == f"probes_capture_{ahead:%Y%m%d}"


@pytest.mark.django_db
def test_a_stray_moves_to_its_day_when_that_is_made() -> None:
    stray, other = put(FAR), put(FAR + timedelta(days=40))
    assert home_of(stray) == "probes_capture_default"
    made = partitions.make_days(now=FAR, ahead=1)
    assert made == ["probes_capture_20310228", "probes_capture_20310301", "probes_capture_20310302"]
    assert home_of(stray) == "probes_capture_20310301"
    assert home_of(other) == "probes_capture_default"


@pytest.mark.django_db
def test_making_days_again_makes_only_what_is_missing() -> None:
    partitions.make_days(now=FAR, ahead=0)
    assert partitions.make_days(now=FAR + timedelta(days=1), ahead=0) == ["probes_capture_20310302"]


@pytest.mark.django_db
def test_the_first_and_the_last_instant_of_a_day_are_in_it() -> None:
    partitions.make_days(now=FAR, ahead=0)
    midnight = FAR.replace(hour=0)
    assert home_of(put(midnight)) == "probes_capture_20310301"
    assert home_of(put(midnight - timedelta(milliseconds=1))) == "probes_capture_20310228"


@pytest.mark.django_db
def test_days_past_their_retention_are_dropped_with_strays_as_old() -> None:
    partitions.make_days(now=FAR, ahead=2)
    kept, dropped = put(FAR), put(FAR - timedelta(days=1))
    old_stray = put(FAR - timedelta(days=400))
    gone = partitions.drop_days(now=FAR + timedelta(days=5), retention=timedelta(days=5))
    assert "probes_capture_20310228" in gone
    assert "probes_capture_20310301" not in gone
    assert (home_of(dropped), home_of(old_stray)) == ("", "")
    assert home_of(kept) == "probes_capture_20310301"
