"""The days of the captures table: each is one partition by range of UUIDv7 ids, made ahead and dropped whole.

A capture whose id names another day (a sensor's clock is far off, or the clock process was away) goes to the default
partition; making that day later moves it there.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

DAYS_AHEAD = 7
LOCK_WITHIN = "3s"
"""A day is made or dropped next time rather than make captures wait behind our lock."""
_NAME = re.compile(r"probes_capture_(\d{8})")
_MAKE = (
    "LOCK TABLE probes_capture_default IN ACCESS EXCLUSIVE MODE",
    "CREATE TABLE IF NOT EXISTS {name} (LIKE probes_capture INCLUDING STORAGE INCLUDING COMPRESSION)",
    "WITH stray AS (DELETE FROM probes_capture_default WHERE id >= {first} AND id < {end} RETURNING *)"
    " INSERT INTO {name} SELECT * FROM stray",
    "ALTER TABLE probes_capture ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})",
)


def make_days(*, now: datetime, ahead: int = DAYS_AHEAD) -> list[str]:
    """Make the partitions of yesterday, today and the days ahead that are missing; answers their names."""
    existing = _days()
    wanted = [now.astimezone(UTC).date() + timedelta(days=offset) for offset in range(-1, ahead + 1)]
    missing = [day for day in wanted if day not in existing]
    for day in missing:
        _make(day)
    return [_name(day) for day in missing]


def drop_days(*, now: datetime, retention: timedelta) -> list[str]:
    """Drop the days that ended longer than ``retention`` ago, and such strays; answers the partitions' names."""
    oldest_kept = (now.astimezone(UTC) - retention).date()
    past = sorted(day for day in _days() if day < oldest_kept)
    for day in past:
        with transaction.atomic(), connection.cursor() as cursor:
            _wait_briefly(cursor)
            cursor.execute(sql.SQL("DROP TABLE {name}").format(name=sql.Identifier(_name(day))))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM probes_capture_default WHERE id < %s", [_first_id(oldest_kept)])
    return [_name(day) for day in past]


def _days() -> set[date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'probes_capture'::regclass"
        )
        names = [name for (name,) in cursor.fetchall()]
    found = [match for name in names if (match := _NAME.fullmatch(name))]
    return {datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC).date() for match in found}


@transaction.atomic
def _make(day: date) -> None:
    """A table beside the others, filled with that day's strays, then attached."""
    facts = {
        "name": sql.Identifier(_name(day)),
        "first": sql.Literal(_first_id(day)),
        "end": sql.Literal(_first_id(day + timedelta(days=1))),
    }
    with connection.cursor() as cursor:
        _wait_briefly(cursor)
        for statement in _MAKE:
            cursor.execute(sql.SQL(statement).format(**facts))


def _wait_briefly(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_WITHIN])


def _name(day: date) -> str:
    return f"probes_capture_{day:%Y%m%d}"


def _first_id(day: date) -> UUID:
    """The smallest UUIDv7 of a day: its milliseconds since 1970 stand in the first 48 bits."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return UUID(int=int(midnight.timestamp() * 1000) << 80)
