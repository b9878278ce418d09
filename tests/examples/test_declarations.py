"""The process list, the alert rules and the configuration templates fit the code they speak of."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
import tomllib

import pytest
import yaml

FIRING = 'ALERTS{alertname="SettlementRejectionsHigh",alertstate="firing"}'
STANDING_FOR = {
    "python": "python",
    "port": "1",
    "redis_url": "redis://127.0.0.1:1",
    "state": "state",
    "sightline_url": "http://127.0.0.1:1",
    "sightline_token": "token",
    "example": "example",
    "webhook_url": "http://127.0.0.1:1/hook",
    "webhook_token": "token",
}


@pytest.fixture(scope="module")
def processes(example) -> list[dict]:
    return tomllib.loads((example / "services.toml").read_text())["process"]


@pytest.fixture(scope="module")
def filled_in(example, processes):
    """A template of the example with something in every place."""
    ports = {process["name"]: "1" for process in processes} | {"alertmanager": "1"}

    def fill(name: str) -> dict:
        return yaml.safe_load((example / "prometheus" / name).read_text().format(ports=ports, **STANDING_FOR))

    return fill


@pytest.fixture(scope="module")
def rules(example) -> list[dict]:
    return yaml.safe_load((example / "prometheus" / "rules.yml").read_text())["groups"][0]["rules"]


def placeholders(process: dict) -> set[str]:
    texts = [*process["command"], *process.get("env", {}).values()]
    return {field for text in texts for _, field, _, _ in string.Formatter().parse(text) if field}


def test_every_placeholder_is_one_that_the_file_explains(processes):
    names = {process["name"] for process in processes}
    for process in processes:
        for field in placeholders(process):
            named = re.fullmatch(r"ports\[(.+)\]", field)
            assert named[1] in names if named else field in STANDING_FOR


def test_every_process_waits_for_processes_that_exist_and_can_tell(processes):
    can_tell = {process["name"] for process in processes if "health" in process}
    for process in processes:
        assert set(process.get("after", [])) <= can_tell


def test_what_has_a_sensor_is_a_service_and_the_other_way_round(processes):
    for process in processes:
        assert process["sensor"] == ("service" in process)


def test_every_environment_variable_is_read_by_the_code(processes, example):
    code = "".join(file.read_text() for file in example.rglob("*.py"))
    for process in processes:
        for name in process.get("env", {}):
            assert name.startswith("OTEL_") or re.search(rf"""["']{name}["']""", code)


def test_no_service_holds_a_line_of_sightline(example):
    own = {"outcomes.py", "variant.py"}
    for file in example.rglob("*.py"):
        assert file.name in own or "sightline" not in file.read_text().lower()


def test_every_metric_in_the_rules_is_one_that_a_service_counts(rules, example):
    code = "".join(file.read_text() for file in example.rglob("*.py"))
    recorded = {rule["record"] for rule in rules if "record" in rule}
    used = {name for rule in rules for name in re.findall(r"\btrade_[a-z_:]+", rule["expr"])}
    for name in used - recorded:
        assert f'"{name.removesuffix("_total")}"' in code


def test_prometheus_scrapes_every_service(filled_in, processes):
    scraped = {job["job_name"] for job in filled_in("prometheus.yml")["scrape_configs"]}
    assert scraped == {process["service"] for process in processes if process["sensor"]}


def test_alertmanager_tells_the_dashboard_and_says_who_it_is(filled_in):
    webhook = filled_in("alertmanager.yml")["receivers"][0]["webhook_configs"][0]
    assert webhook["url"] == STANDING_FOR["webhook_url"]
    assert webhook["send_resolved"] is True
    assert webhook["http_config"]["authorization"]["credentials"] == STANDING_FOR["webhook_token"]


@pytest.mark.parametrize(
    ("rejected", "fires"),
    [
        pytest.param("0+1x60", True, id="five in a hundred are rejected"),
        pytest.param("0x60", False, id="none is rejected"),
    ],
)
def test_the_alert_fires_when_settlements_are_rejected(example, tmp_path, rejected, fires):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not on the PATH")
    case = {
        "rule_files": [str(example / "prometheus" / "rules.yml")],
        "evaluation_interval": "2s",
        "tests": [
            {
                "interval": "2s",
                "input_series": [
                    {"series": 'trade_settlements_total{outcome="rejected"}', "values": rejected},
                    {"series": 'trade_settlements_total{outcome="settled"}', "values": "0+19x60"},
                ],
                "promql_expr_test": [
                    {
                        "expr": f"count({FIRING}) or vector(0)",
                        "eval_time": "20s",
                        "exp_samples": [{"labels": "{}", "value": int(fires)}],
                    }
                ],
            }
        ],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump(case))
    told = subprocess.run([promtool, "test", "rules", tmp_path / "case.yml"], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
