"""Settings: arguments before the environment, and no nonsense."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sightline.config import SETTINGS, SensorConfig, commit_of
from sightline.errors import ConfigError

ENOUGH = {
    "SIGHTLINE_SERVICE": "shop",
    "SIGHTLINE_ENVIRONMENT": "production",
    "SIGHTLINE_FILE": "/tmp/captures",
}


def test_arguments_come_before_the_environment():
    config = SensorConfig.read({"service": "till"}, ENOUGH)
    assert (config.service, config.environment) == ("till", "production")


def test_what_other_tools_already_say_is_understood():
    environ = {"OTEL_SERVICE_NAME": "shop", "DD_ENV": "staging", "DD_VERSION": "1.2", "GIT_COMMIT": "abc"}
    config = SensorConfig.read({"file": "x"}, environ)
    assert (config.service, config.environment, config.version, config.commit) == (
        "shop",
        "staging",
        "1.2",
        "abc",
    )


def test_lists_are_written_as_people_write_them():
    environ = {
        **ENOUGH,
        "SIGHTLINE_TAGS": "region=eu, tier=web",
        "SIGHTLINE_ROOTS": f"/srv/app{os.pathsep}/srv/lib",
    }
    config = SensorConfig.read({}, environ)
    assert config.tags == {"region": "eu", "tier": "web"}
    assert config.roots == ("/srv/app", "/srv/lib")


def test_without_roots_the_working_directory_is_the_services():
    assert SensorConfig.read({}, ENOUGH).roots == (os.path.realpath(os.getcwd()),)


def test_the_token_is_in_no_representation():
    config = SensorConfig.read(
        {"token": "sls_a_secret", "url": "wss://h/sensor/v1", "file": None},
        {
            "SIGHTLINE_SERVICE": "shop",
            "SIGHTLINE_ENVIRONMENT": "production",
        },
    )
    assert "secret" not in repr(config)


NONSENSE: list[tuple[dict[str, Any], str]] = [
    ({"SIGHTLINE_SERVICE": ""}, "service_missing"),
    ({"SIGHTLINE_SERVICE": "a b"}, "service_unclear"),
    ({"SIGHTLINE_ENVIRONMENT": ""}, "environment_missing"),
    ({"SIGHTLINE_FILE": ""}, "no_end"),
    ({"SIGHTLINE_URL": "wss://h/sensor/v1"}, "token_missing"),
    ({"SIGHTLINE_URL": "wss://h/sensor/v1", "SIGHTLINE_TOKEN": "sls_a_b"}, "two_ends"),
    ({"SIGHTLINE_URL": "https://h"}, "url_unclear"),
    ({"SIGHTLINE_URL": "h:8000"}, "url_unclear"),
    ({"SIGHTLINE_TAGS": "region"}, "tags_unclear"),
    ({"SIGHTLINE_BUDGET": "2%"}, "budget_unclear"),
    ({"SIGHTLINE_BUDGET": "0"}, "budget_unclear"),
    ({"SIGHTLINE_BUDGET": "5"}, "budget_unclear"),
]


@pytest.mark.parametrize(("said", "slug"), NONSENSE, ids=[f"{slug} {said}" for said, slug in NONSENSE])
def test_what_cannot_be_meant_is_refused_with_what_to_do(said, slug):
    with pytest.raises(ConfigError) as caught:
        SensorConfig.read({}, {**ENOUGH, **said})
    assert caught.value.slug == slug
    assert caught.value.sentence.endswith(".")


def test_a_disabled_sensor_needs_no_end():
    assert SensorConfig.read({}, {**ENOUGH, "SIGHTLINE_FILE": "", "SIGHTLINE_DISABLED": "1"}).disabled


def test_every_setting_is_a_field():
    assert set(SETTINGS) == set(SensorConfig.__dataclass_fields__)


class TestCommit:
    def test_of_a_branch(self, tmp_path: Path):
        git = tmp_path / ".git"
        (git / "refs" / "heads").mkdir(parents=True)
        (git / "HEAD").write_text("ref: refs/heads/main\n")
        (git / "refs" / "heads" / "main").write_text("1f3a\n")
        (tmp_path / "src").mkdir()
        assert commit_of(tmp_path / "src") == "1f3a"

    def test_of_a_packed_branch(self, tmp_path: Path):
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (tmp_path / ".git" / "packed-refs").write_text("# pack-refs\n9c2b refs/heads/main\n")
        assert commit_of(tmp_path) == "9c2b"

    def test_of_no_branch(self, tmp_path: Path):
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "HEAD").write_text("77aa\n")
        assert commit_of(tmp_path) == "77aa"
