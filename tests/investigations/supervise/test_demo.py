from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import pytest

from investigations.supervise import prometheus
from investigations.supervise.demo import EXAMPLE, Demo
from investigations.supervise.errors import Unstartable
from investigations.supervise.parts import HOST, free_port

KNOWN = {"program_token": "slp_program", "sensor_token": "sls_sensor"}


@pytest.fixture
def demo(tmp_path) -> Demo:
    return Demo(state=tmp_path / "demo", first_port=8801)


def started(demo, name):
    return next(program for program in all_of(demo) if program.name == name)


def all_of(demo):
    return demo.programs(
        KNOWN,
        redis_url="redis://127.0.0.1:1/0",
        sightline_url="http://127.0.0.1:8800",
        sensor_url="ws://127.0.0.1:8800/sensor/v1",
    )


def test_the_ports_are_those_that_the_settings_page_names(demo):
    page = (EXAMPLE.parents[1] / "docs/reference/settings.md").read_text().lower()
    for name, port in demo.ports.items():
        assert f"| {port} | {name}" in page or f"{port}, " in page or f", {port} |" in page, name
    assert sorted(demo.ports.values()) == list(range(8801, 8801 + len(demo.ports)))


def test_a_service_comes_under_the_sensor_by_its_command_alone(demo):
    program = started(demo, "trade-execution-service")
    assert program.command[0].endswith("/sightline-run")
    assert program.env["SIGHTLINE_SERVICE"] == "trade-execution-service"
    assert program.env["SIGHTLINE_TOKEN"] == "sls_sensor"
    assert program.env["SIGHTLINE_URL"] == "ws://127.0.0.1:8800/sensor/v1"
    assert not any("{" in part for part in program.command)


def test_what_is_no_service_knows_nothing_of_the_sensor(demo):
    program = started(demo, "payment-gateway")
    assert not program.command[0].endswith("sightline-run")
    assert not [name for name in program.env if name.startswith("SIGHTLINE_")]


def test_the_example_does_not_inherit_the_dashboards_settings(demo, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres:///secret")
    monkeypatch.setenv("SIGHTLINE_SECRET_KEY", "secret")
    assert "secret" not in str(dict(started(demo, "fraud-service").env))


def test_the_fixed_release_is_a_matter_of_the_environment(demo, tmp_path):
    assert "TRADING_FIXED" not in started(demo, "trade-execution-service").env
    fixed = Demo(tmp_path, 8801, fixed=True)
    assert started(fixed, "trade-execution-service").env["TRADING_FIXED"] == "1"


def test_every_process_of_the_example_is_started(demo):
    named = [process["name"] for process in tomllib.loads((EXAMPLE / "services.toml").read_text())["process"]]
    assert [program.name for program in all_of(demo)] == named


def test_a_taken_port_is_one_sentence_that_names_who_needs_it(tmp_path):
    with socket.socket() as other:
        other.bind((HOST, free_port()))
        other.listen()
        demo = Demo(tmp_path, first_port=other.getsockname()[1])
        with pytest.raises(Unstartable, match="which payment-gateway needs, is taken"):
            demo.require_ports()


def test_the_watchers_configuration_is_filled_in_and_its_token_kept_private(demo, tmp_path):
    binaries = prometheus.Binaries("/usr/bin/prometheus", "/usr/bin/alertmanager")
    demo.state.mkdir()
    demo.watchers(binaries, "http://127.0.0.1:8800/api/v1/webhooks/src_1", "hidden")
    routes = demo.state / "alertmanager.yml"
    assert "http://127.0.0.1:8800/api/v1/webhooks/src_1" in routes.read_text()
    assert routes.stat().st_mode & 0o777 == 0o600
    assert f"127.0.0.1:{demo.ports['trade-execution-service']}" in (demo.state / "prometheus.yml").read_text()


def test_an_unpacked_alertmanager_runs_where_it_finds_its_templates(demo, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    unpacked = tmp_path / "unpacked"
    (unpacked / "usr" / "bin").mkdir(parents=True)
    for package in prometheus.PACKAGES:
        program = unpacked / "usr" / "bin" / package
        program.write_bytes(b"before/usr/share/prometheus/alertmanagerafter")
        program.chmod(0o755)
    prometheus.use_unpacked_templates(unpacked / "usr" / "bin" / "prometheus-alertmanager")
    found = prometheus.find(unpacked)
    assert found
    demo.state.mkdir()
    alertmanager, _ = demo.watchers(found, "http://127.0.0.1:1", "hidden")
    assert alertmanager.folder == unpacked
    text = Path(alertmanager.command[0]).read_bytes()
    assert text == b"beforeusr/share/prometheus/alertmanager/after"


def test_prometheus_is_taken_from_the_path_before_anything_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert prometheus.find(tmp_path / "unpacked") is None
    for name in ("prometheus", "alertmanager"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    assert prometheus.find(tmp_path / "unpacked") == prometheus.Binaries(
        str(tmp_path / "bin/prometheus"), str(tmp_path / "bin/alertmanager")
    )
