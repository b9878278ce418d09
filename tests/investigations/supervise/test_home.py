from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest

from investigations.supervise.errors import Unstartable
from investigations.supervise.home import Home, secret_key


def test_a_second_start_on_the_same_folder_is_refused_with_the_first_ones_pid(home):
    ask = "import sys; from pathlib import Path; from investigations.supervise.home import Home\n"
    ask += "with Home(Path(sys.argv[1])).only_here(): pass"
    with home.only_here():
        second = subprocess.run([sys.executable, "-c", ask, home.folder], capture_output=True, text=True)
    assert f"is already running on {home.folder} (process {os.getpid()})" in second.stderr
    with home.only_here():  # and free again once the first has gone
        pass


def test_a_full_disk_is_one_sentence(home, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10, 10, 0))
    with pytest.raises(Unstartable, match="is full: Sightline needs 300 MB free to start") as raised:
        home.make()
    assert raised.value.slug == "disk_full"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unstartable, match="cannot be written") as raised:
        Home(tmp_path / "file" / "home").make()
    assert "SIGHTLINE_HOME" in raised.value.fix


def test_credentials_stay_and_only_their_owner_can_read_them(home):
    home.remember(password="first")
    assert home.remember(agent_token="second") == {"password": "first", "agent_token": "second"}
    assert (home.folder / "credentials.json").stat().st_mode & 0o777 == 0o600


def test_whoever_asks_first_makes_the_secret_key_and_all_read_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: secret_key(tmp_path / "home"), range(8)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    assert (tmp_path / "home" / "secret-key").stat().st_mode & 0o777 == 0o600


def test_forgetting_leaves_nothing(home):
    home.remember(password="gone")
    home.forget()
    assert not home.folder.exists()
    home.folder.mkdir()  # for the fixture to remove
