"""A program that is watched by another tool and by the sensor at once: `beside.py TOOL [first]`, and says what each saw.

With `first` the probes are armed before the tool begins. Prints one JSON object.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time

from watched_by_both import TIMES, busy, total

WATCHED = total.__code__.co_filename
DAP = os.path.join(os.path.dirname(__file__), "..", "..", "bench", "dap.py")


class Tool:
    """Whoever else watches: nobody. ``begin`` and ``end`` enclose the work; ``saw`` is what it can tell of it."""

    traces = False

    def begin(self):
        pass

    def work(self):
        busy()

    def end(self):
        pass

    def saw(self):
        return {}


class Coverage(Tool):
    core = "ctrace"

    def begin(self):
        import coverage

        os.environ["COVERAGE_CORE"] = self.core
        self.coverage = coverage.Coverage(data_file=None, include=[WATCHED], config_file=False)
        self.coverage.start()

    def end(self):
        self.coverage.stop()

    def saw(self):
        lines = self.coverage.get_data().lines(WATCHED)
        first = total.__code__.co_firstlineno
        return {"lines": [line - first for line in sorted(lines) if first < line <= first + 4]}


class CoverageOfMonitoring(Coverage):
    core = "sysmon"


class Trace(Tool):
    """A trace function that notes every event in this file."""

    def begin(self):
        self.events = []
        sys.settrace(self.trace)

    def trace(self, frame, event, argument):
        if frame.f_code.co_filename == WATCHED and frame.f_code.co_name in ("total", "busy"):
            self.events.append([event, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno])
        return self.trace

    def end(self):
        sys.settrace(None)

    def saw(self):
        return {"events": self.events}


class Profile(Trace):
    def begin(self):
        self.events = []
        sys.setprofile(self.trace)

    def end(self):
        sys.setprofile(None)


class Gevent(Tool):
    def begin(self):
        import gevent.monkey

        gevent.monkey.patch_all()

    def work(self):
        import gevent

        gevent.joinall([gevent.spawn(total, [number, 2]) for number in range(TIMES)], raise_error=True)

    def saw(self):
        import gevent.monkey

        return {"patched": gevent.monkey.is_module_patched("threading")}


class Uvloop(Tool):
    def work(self):
        import uvloop

        async def one(number):
            await asyncio.sleep(0)
            total([number, 2])

        async def all_of_them():
            await asyncio.gather(*(one(number) for number in range(TIMES)))
            return type(asyncio.get_running_loop()).__module__

        self.loop = uvloop.run(all_of_them())

    def saw(self):
        return {"loop": self.loop}


class OpenTelemetry(Tool):
    """Every instrumentation that is installed, started as `opentelemetry-instrument` does it."""

    traces = True

    def begin(self):
        os.environ.update(
            OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none"
        )
        from opentelemetry.instrumentation.auto_instrumentation import initialize
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace import set_tracer_provider

        set_tracer_provider(TracerProvider())
        initialize()

    def work(self):
        import flask
        from opentelemetry.trace import get_current_span

        app = flask.Flask("shop")
        self.served = []

        @app.get("/")
        def page():
            self.served.append(format(get_current_span().get_span_context().trace_id, "032x"))
            busy()
            return "sold"

        assert app.test_client().get("/").status_code == 200

    def saw(self):
        return {"traces": self.served}


class Ddtrace(Tool):
    traces = True

    def begin(self):
        os.environ.update(
            DD_REMOTE_CONFIGURATION_ENABLED="false",
            DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
            DD_CRASHTRACKING_ENABLED="false",
            DD_TRACE_STARTUP_LOGS="false",
            DD_TRACE_API_VERSION="v0.4",
            DD_TRACE_AGENT_URL=f"unix://{tempfile.gettempdir()}/nobody-listens-here",
        )
        import logging

        logging.disable(logging.CRITICAL)  # it says at length that nobody listens
        import ddtrace.auto  # noqa: F401

    def work(self):
        from ddtrace.trace import tracer

        with tracer.trace("sale") as span:
            self.trace = format(span.trace_id, "032x")
            busy()

    def saw(self):
        return {"traces": [self.trace]}


class DdtraceDebugger(Ddtrace):
    """Its live debugger, with a log probe of its own on the same line."""

    def begin(self):
        super().begin()
        from ddtrace.debugging._debugger import Debugger
        from ddtrace.debugging._probe.remoteconfig import ProbePollerEvent, build_probe
        from ddtrace.internal.module import ModuleWatchdog

        if not ModuleWatchdog.is_installed():
            ModuleWatchdog.install()
        Debugger.enable()
        self.debugger = Debugger._instance
        probe = build_probe(
            {
                "id": "theirs",
                "version": 1,
                "type": "METRIC_PROBE",
                "metricName": "theirs",
                "kind": "COUNT",
                "where": {"sourceFile": WATCHED, "lines": [str(line_of("added"))]},
                "tags": [],
            }
        )
        self.debugger._on_configuration(ProbePollerEvent.NEW_PROBES, [probe])

    def saw(self):
        return {**super().saw(), "theirs": bool(self.debugger._probe_registry["theirs"].installed)}


class Debugpy(Tool):
    """A logpoint on the line that the sensor probes too, set by a debugger that attaches."""

    def begin(self):
        import debugpy

        _, port = debugpy.listen(("127.0.0.1", 0))
        command = [sys.executable, "-u", DAP, str(port), WATCHED, str(line_of("added")), "adding {price}"]
        self.debugger = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.debugger.stdout.readline() == "ready\n"

    def saw(self):
        lines = [self.debugger.stdout.readline().strip() for _ in range(2 * TIMES)]
        self.debugger.kill()
        return {"lines": lines}


TOOLS = {
    "nobody": Tool,
    "coverage": Coverage,
    "coverage-sysmon": CoverageOfMonitoring,
    "settrace": Trace,
    "setprofile": Profile,
    "gevent": Gevent,
    "uvloop": Uvloop,
    "opentelemetry": OpenTelemetry,
    "debugpy": Debugpy,
    "ddtrace": Ddtrace,
    "ddtrace-debugger": DdtraceDebugger,
}


def line_of(name):
    with open(WATCHED) as file:
        return next(number for number, text in enumerate(file, 1) if text.endswith(f"# P:{name}\n"))


def probes():
    from sightline import expressions, wire

    def at(name):
        return wire.Location(file=WATCHED, line=line_of(name))

    always = {"valid_for": 600.0, "hit_limit": 0, "rate": 1e6}
    return [
        wire.Probe(id="counted", kind="counter", location=at("added"), **always),
        wire.Probe(
            id="logged",
            kind="logpoint",
            location=at("totalled"),
            template=expressions.parse_template("{result}"),
            **always,
        ),
    ]


def watched(captures):
    import sightline
    from sightline import sensor

    sightline.start(service="beside", environment="test", file=captures, budget=1.0)
    running = sensor.current()
    running.on_probe_set(1, probes())
    return running


def follow(running, tool):
    """Give the sensor the time to notice a tracer, and that a function runs other code now, and to arm that."""
    until = time.monotonic() + 10
    while time.monotonic() < until and not noticed(running, tool):
        time.sleep(0.05)


def noticed(running, tool):
    from sightline import context

    return bool(context._tracers) >= tool.traces and all(
        follows(running, entry) for entry in running.registry
    )


def follows(running, entry):
    spots = [spot for spot, _ in entry.watchings]
    return bool(spots) and not any(running.registry._was_replaced(spot) for spot in spots)


def told(running, captures):
    import sightline

    states = [[entry.status.state, entry.status.slug, entry.status.sentence] for entry in running.registry]
    endings = {each.probe_id: each.endings for each in running.registry.counters()}
    neighbours = running.hello().neighbours
    sightline.stop()
    with open(captures) as file:
        captured = [line["capture"] for line in map(json.loads, file) if "capture" in line]
    return {
        "engine": [running.engine.name, running.engine.reason],
        "states": states,
        "endings": endings,
        "neighbours": neighbours,
        "messages": [capture["message"] for capture in captured],
        "traces": sorted({capture.get("trace_id", "") for capture in captured}),
    }


def main(name, first):
    tool = TOOLS[name]()
    with tempfile.TemporaryDirectory() as folder:
        captures = os.path.join(folder, "captures.jsonl")
        running = watched(captures) if first else None
        tool.begin()
        running = running or watched(captures)
        if first:
            follow(running, tool)
        tool.work()
        tool.end()
        ours = told(running, captures)
    saw = tool.saw()
    print(json.dumps({"ours": ours, "theirs": saw}))


if __name__ == "__main__":
    main(sys.argv[1], "first" in sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)
