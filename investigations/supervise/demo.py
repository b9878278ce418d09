"""The example as programs: its services with the sensor, their load, and the Prometheus that watches them."""

from __future__ import annotations

import os
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .parts import HOST, ROOT, require_free
from .programs import Program, answers, foreign_environment
from .prometheus import Binaries

EXAMPLE = ROOT / "examples" / "trading"
ENVIRONMENT = "demo"
RECORDED = "trades.*,fraud.*,pricing.*,settlement.*"
"""The services' own modules: their functions are counted and timed all the time."""
WATCHERS = ("prometheus", "alertmanager")


@dataclass(frozen=True)
class Demo:
    """The example's processes for one dashboard; `first_port` and those after it are theirs, in the file's order."""

    state: Path
    first_port: int
    fixed: bool = False
    example: Path = EXAMPLE

    @cached_property
    def processes(self) -> list[dict[str, Any]]:
        """What `services.toml` says, in its order."""
        return list(tomllib.loads((self.example / "services.toml").read_text())["process"])

    @cached_property
    def ports(self) -> dict[str, int]:
        names = [process["name"] for process in self.processes if "health" in process]
        return {name: self.first_port + place for place, name in enumerate([*names, *WATCHERS])}

    def require_ports(self) -> None:
        """Raise `Unstartable` when another process has one of them."""
        for name, port in self.ports.items():
            require_free(port, name)

    def programs(
        self, known: dict[str, Any], *, redis_url: str, sightline_url: str, sensor_url: str
    ) -> list[Program]:
        """Every process of the example; `known` are the data directory's credentials."""
        self.state.mkdir(parents=True, exist_ok=True)
        places = {
            "python": sys.executable,
            "ports": self.ports,
            "redis_url": redis_url,
            "state": str(self.state),
            "sightline_url": sightline_url,
            "sightline_token": known["program_token"],
        }
        sensor = {
            "SIGHTLINE_URL": sensor_url,
            "SIGHTLINE_TOKEN": known["sensor_token"],
            "SIGHTLINE_ENVIRONMENT": ENVIRONMENT,
            "SIGHTLINE_FUNCTIONS": RECORDED,
        }
        return [self._program(process, places, sensor) for process in self.processes]

    def _program(self, process: dict[str, Any], places: dict[str, Any], sensor: dict[str, str]) -> Program:
        port = self.ports.get(process["name"])
        filled = {name: text.format(port=port, **places) for name, text in process.get("env", {}).items()}
        command = [text.format(port=port, **places) for text in process["command"]]
        env = {**foreign_environment(), "PYTHONUNBUFFERED": "1", **filled}
        if process["sensor"]:
            env |= {**sensor, "SIGHTLINE_SERVICE": process["service"]}
            command = [str(Path(sys.executable).with_name("sightline-run")), *command]
        if self.fixed:
            env["TRADING_FIXED"] = "1"
        return Program(
            name=process["name"],
            command=command,
            folder=self.example,
            env=env,
            is_ready=answers(f"http://{HOST}:{port}{process['health']}") if port else None,
            essential=False,
        )

    def watchers(self, binaries: Binaries, webhook_url: str, webhook_token: str) -> list[Program]:
        """Alertmanager and Prometheus, with the example's configuration filled in."""
        prometheus, alertmanager = (self.ports[name] for name in WATCHERS)
        filled = {"example": self.example, "ports": self.ports}
        rules = self._fill("prometheus.yml", **filled)
        routes = self._fill("alertmanager.yml", webhook_url=webhook_url, webhook_token=webhook_token)
        return [
            Program(
                name="alertmanager",
                command=[
                    binaries.alertmanager,
                    f"--config.file={routes}",
                    f"--storage.path={self.state / 'alertmanager'}",
                    f"--web.listen-address={HOST}:{alertmanager}",
                    "--cluster.listen-address=",
                ],
                folder=binaries.folder,
                env=foreign_environment(),
                is_ready=answers(f"http://{HOST}:{alertmanager}/-/ready"),
                essential=False,
            ),
            Program(
                name="prometheus",
                command=[
                    binaries.prometheus,
                    f"--config.file={rules}",
                    f"--storage.tsdb.path={self.state / 'prometheus'}",
                    "--storage.tsdb.retention.time=2d",
                    f"--web.listen-address={HOST}:{prometheus}",
                ],
                folder=self.state,
                env=foreign_environment(),
                is_ready=answers(f"http://{HOST}:{prometheus}/-/ready"),
                essential=False,
            ),
        ]

    def _fill(self, name: str, **places: object) -> Path:
        """The example's template, filled in and written for its owner alone: a token may stand in it."""
        text = (self.example / "prometheus" / name).read_text().format(**places)
        file = self.state / name
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        return file
