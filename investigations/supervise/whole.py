"""The whole, from an empty folder to a usable dashboard: what is started in which order, and what is said of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import prometheus
from .demo import ENVIRONMENT, WATCHERS, Demo
from .errors import Unstartable
from .home import Home
from .parts import HOST, ROOT, Parts, require_free
from .programs import Program, foreign_environment
from .supervisor import Supervisor


@dataclass(frozen=True)
class Whole:
    """One run of `manage.py up`. `say` is told, line by line, what a person needs to know."""

    home: Home
    port: int
    web: int
    say: Callable[[str], None]
    demo: Demo | None = None

    @cached_property
    def parts(self) -> Parts:
        return Parts(self.home, self.port)

    async def run(self) -> None:
        """Start everything and keep it running until SIGINT, SIGTERM or SIGHUP. Raises `Unstartable`."""
        require_free(self.port, "the dashboard")
        if self.demo:
            self.demo.require_ports()
        stop = asyncio.Event()
        async with Supervisor(self.home, self.say, HOST, self.port) as supervisor:
            for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(name, stop.set)
            await _start_then_wait(self._start(supervisor), stop)
            self.say("Stopping ...")

    async def _start(self, supervisor: Supervisor) -> None:
        urls, watchers = await asyncio.gather(self._databases(supervisor), self._watchers(supervisor))
        env = self.parts.environment(*urls)
        await supervisor.run(self.parts.prepare_program(env, *self._seeds(watchers)))
        await asyncio.gather(*map(supervisor.start, self.parts.web_programs(env, self.web)))
        self._announce()
        programs = self.parts.clock_programs(env)
        if self.demo:
            programs += self._demo_programs(self.demo, redis_url=urls[1], watchers=watchers)
        await asyncio.gather(*map(supervisor.start, programs))
        if self.demo:
            self._announce_demo(self.demo, watchers)

    async def _databases(self, supervisor: Supervisor) -> tuple[str, str]:
        """The addresses of PostgreSQL and Redis, which answer: given ones, or our own, started here."""
        database_url, redis_url = await asyncio.gather(self._postgres(supervisor), self._valkey(supervisor))
        return database_url, redis_url

    async def _postgres(self, supervisor: Supervisor) -> str:
        cluster = self.parts.cluster
        if cluster is None:
            return os.environ["DATABASE_URL"]
        for folder in await asyncio.to_thread(cluster.prepare):
            self.say(
                f"PostgreSQL refuses to run as root, so it runs as nobody, who may now pass through {folder}."
            )
        await supervisor.start(self.parts.postgres_program(cluster))
        return cluster.url

    async def _valkey(self, supervisor: Supervisor) -> str:
        valkey = self.parts.valkey
        if valkey is None:
            return os.environ["REDIS_URL"]
        valkey.prepare()
        await supervisor.start(self.parts.valkey_program(valkey))
        return valkey.url

    async def _watchers(self, supervisor: Supervisor) -> prometheus.Binaries | None:
        """The demo's Prometheus and Alertmanager, unpacked first if they have to be; None where there are none."""
        if not self.demo:
            return None
        unpacked = self.home.folder / "programs"
        if found := prometheus.find(unpacked):
            return found
        self.say("Unpacking Prometheus and Alertmanager from the distribution's packages ...")
        command = [sys.executable, "-m", f"{__package__}.prometheus", str(unpacked)]
        try:
            await supervisor.run(Program("unpack", command, folder=ROOT, env=foreign_environment()))
        except Unstartable:
            self.say(
                "Prometheus and Alertmanager are neither on the PATH nor among the distribution's packages, "
                "so no alert can fire: the demo begins with a session that has none."
            )
        return prometheus.find(unpacked)

    def _seeds(self, watchers: prometheus.Binaries | None) -> list[str]:
        """What `manage.py prepare` is to make beside the sign-in and the tokens."""
        if not self.demo:
            return []
        if watchers is None:
            return ["--environment", ENVIRONMENT, "--open-session"]
        addresses = [f"http://{HOST}:{self.demo.ports[name]}" for name in WATCHERS]
        return ["--environment", ENVIRONMENT, "--watch", *addresses]

    def _demo_programs(
        self, demo: Demo, *, redis_url: str, watchers: prometheus.Binaries | None
    ) -> list[Program]:
        known = self.home.credentials()
        programs = demo.programs(
            known, redis_url=redis_url, sightline_url=self.parts.url, sensor_url=self.parts.sensor_url
        )
        if watchers:
            webhook = f"{self.parts.url}{known['webhook_path']}"
            programs += demo.watchers(watchers, webhook, known["webhook_token"])
        return programs

    def _announce(self) -> None:
        known, url = self.home.credentials(), self.parts.url
        bearer = f'--header "Authorization: Bearer {known["agent_token"]}"'
        self.say(
            f"\nSightline is ready: {url}\n\n"
            f"  Sign in       {known['username']} / {known['password']}\n"
            f"  Agent token   {known['agent_token']}\n"
            f"  Add to agent  claude mcp add --transport http sightline {url}/mcp {bearer}\n"
        )
        if not self.demo:
            self.say(
                "  Into a service of yours (pip install ./sensors/python):\n"
                f"    SIGHTLINE_URL={self.parts.sensor_url} SIGHTLINE_TOKEN={known['sensor_token']} \\\n"
                "    SIGHTLINE_SERVICE=my-service SIGHTLINE_ENVIRONMENT=production sightline-run python app.py\n"
            )
        self.say(f"Logs are in {self.home.logs}. Ctrl-C stops everything; `make clean-data` forgets it.")

    def _announce_demo(self, demo: Demo, watchers: prometheus.Binaries | None) -> None:
        ports: dict[str, Any] = {
            name: port for name, port in demo.ports.items() if watchers or name not in WATCHERS
        }
        places = "\n".join(f"  {name:<26}http://{HOST}:{port}" for name, port in ports.items())
        self.say(f"\nThe trading desk is running, under load:\n\n{places}\n")
        if watchers:
            self.say("SettlementRejectionsHigh fires within a minute.")


async def _start_then_wait(start: Coroutine[None, None, None], stop: asyncio.Event) -> None:
    """Run `start`, then wait for `stop`; a stop that comes earlier cuts the start short."""
    starting, stopping = asyncio.create_task(start), asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        try:
            await starting
        except BaseException:
            stopping.cancel()
            raise
        await stopping
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
