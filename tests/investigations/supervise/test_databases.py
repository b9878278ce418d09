from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
import pytest
import redis

from investigations.supervise.postgres import LONGEST_SOCKET_PATH, Cluster
from investigations.supervise.valkey import Valkey


def test_postgres_is_reached_by_its_socket_and_by_nothing_else(postgres_server):
    with psycopg.connect(postgres_server) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute(
            "SELECT count(*) FROM pg_database WHERE datname = 'sightline'"
        ).fetchone() == (1,)


def test_a_deep_folder_gets_a_socket_elsewhere_because_the_kernel_cuts_long_paths():
    shallow, deep = Cluster(Path("/var/data")), Cluster(Path("/var") / ("deep" * 30))
    assert shallow.sockets == shallow.folder
    assert deep.sockets != deep.folder
    assert len(str(deep.sockets / ".s.PGSQL.5432.lock")) <= LONGEST_SOCKET_PATH


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another account to run PostgreSQL under")
def test_root_runs_postgres_as_nobody_and_says_which_folders_it_opened(home):
    cluster = Cluster(home.postgres)
    assert cluster.owner.is_another
    opened = cluster.prepare()
    assert home.folder in opened
    assert not home.folder.stat().st_mode & 0o066, "opened for passing, not for reading"
    assert cluster.data.stat().st_uid == cluster.owner.uid
    assert cluster.prepare() == []


def test_valkey_wants_its_password_and_no_other_account_can_read_it(redis_server, tmp_path):
    address = redis_server.rsplit("@", 1)[1]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"redis://{address}").ping()
    valkey = Valkey(tmp_path / "with space", port=1, password="secret")
    valkey.prepare()
    assert (valkey.folder / "valkey.conf").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_postgres_keeps_what_was_committed_when_it_is_killed(home):
    cluster = Cluster(home.postgres)
    cluster.prepare()
    for attempt in range(2):
        server = cluster.start(home.logs / "postgres.log")
        try:
            while not cluster.is_ready():
                assert server.poll() is None, (home.logs / "postgres.log").read_text()
            with psycopg.connect(cluster.url) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (attempt int)")
                connection.execute("INSERT INTO kept VALUES (%s)", [attempt])
                connection.commit()
                rows = connection.execute("SELECT count(*) FROM kept").fetchone()
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()
    assert rows == (2,)
