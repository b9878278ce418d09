"""The request or task around a hit: its route, its name, its tenant, and which hits belong together."""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from sightline import context, expressions, frameworks, testing, wire
from tests.observed import shop
from tests.observed.shop import Order


def checks(amount: int = 1) -> None:
    """What every handler here does: reach the probed line."""
    shop.check(Order(amount, "ada"), 2)


@pytest.fixture
def logged(line_of) -> Any:
    """A logpoint in `shop.check`, once the framework of the test is loaded; its captures on being called."""
    with testing.gateway(tenant="X-Tenant") as gateway:

        def place(**asked: Any) -> Callable[[], list[wire.Capture]]:
            context.look_around()
            probe = gateway.place(
                "logpoint", file="observed/shop.py", line=line_of(shop, "check"),
                template="x", rate=1e6, **asked,
            )  # fmt: skip
            return lambda: gateway.captures(probe)

        yield place


class TestFlask:
    @pytest.fixture
    def app(self) -> Any:
        flask = pytest.importorskip("flask")
        app = flask.Flask("tested")

        @app.post("/trades/<int:number>")
        def trade(number: int) -> str:
            checks(number)
            checks(number)
            return "done"

        return app

    def test_route_method_and_tenant_are_told(self, app, logged):
        captures = logged()
        app.test_client().post("/trades/7", headers={"X-Tenant": "acme"})
        assert captures()[0].context == {
            "framework": "flask", "method": "POST", "route": "/trades/<int:number>", "tenant": "acme",
            "execution": "request",
        }  # fmt: skip

    def test_one_request_is_one_execution(self, app, logged):
        captures = logged()
        for number in (1, 2):
            app.test_client().post(f"/trades/{number}")
        first, again, second, _ = (capture.execution_id for capture in captures())
        assert first == again != second

    def test_a_condition_may_name_the_route(self, app, logged):
        captures = logged(condition='@route == "/trades/<int:number>" and @tenant == "acme"')
        app.test_client().post("/trades/1")
        app.test_client().post("/trades/2", headers={"X-Tenant": "acme"})
        checks()
        assert len(captures()) == 2


class TestDjango:
    @pytest.fixture
    def get(self) -> Any:
        """Answers a request as Django's handlers do, without a project around it."""
        pytest.importorskip("django")
        from django.conf import settings

        if not settings.configured:
            settings.configure(ALLOWED_HOSTS=["testserver"])
        from django.core.handlers.base import BaseHandler
        from django.http import HttpResponse
        from django.test import AsyncRequestFactory, RequestFactory
        from django.urls import path

        def view(request: Any, number: int) -> HttpResponse:
            checks(number)
            checks(number)
            return HttpResponse("done")

        urls = ModuleType("urls_of_the_test")
        urls.urlpatterns = [path("trades/<int:number>/", view)]  # type: ignore[attr-defined]

        def get(number: int, *, asynchronous: bool = False) -> None:
            factory = AsyncRequestFactory() if asynchronous else RequestFactory()
            request = factory.get(f"/trades/{number}/", headers={"X-Tenant": "acme"})
            request.urlconf = urls
            handler = BaseHandler()
            handler._view_middleware, handler._template_response_middleware = [], []
            if asynchronous:
                asyncio.run(handler._get_response_async(request))
            else:
                handler._get_response(request)

        return get

    def test_route_method_and_tenant_are_told(self, get, logged):
        captures = logged()
        get(3)
        assert captures()[0].context == {
            "framework": "django", "method": "GET", "route": "trades/<int:number>/", "tenant": "acme",
            "execution": "request",
        }  # fmt: skip

    def test_a_plain_view_under_asgi_runs_on_another_thread_and_is_told_too(self, get, logged):
        captures = logged()
        get(3, asynchronous=True)
        first, again = captures()
        assert first.context is not None
        assert first.context["route"] == "trades/<int:number>/"
        assert first.execution_id == again.execution_id

    def test_middleware_is_told_too_before_there_is_a_route(self, get, logged):
        from django.core.handlers.exception import convert_exception_to_response
        from django.test import RequestFactory

        captures = logged()
        convert_exception_to_response(lambda request: checks())(RequestFactory().get("/trades/1/"))
        (capture,) = captures()
        assert capture.context == {"framework": "django", "method": "GET", "execution": "request"}

    def test_one_request_is_one_execution(self, get, logged):
        captures = logged()
        get(1)
        get(2)
        first, again, second, _ = (capture.execution_id for capture in captures())
        assert first == again != second


class TestStarlette:
    @pytest.fixture
    def app(self) -> Any:
        pytest.importorskip("starlette")
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        async def trade(request: Any) -> PlainTextResponse:
            checks()
            return PlainTextResponse("done")

        return Starlette(routes=[Route("/trades/{number:int}", trade)])

    def test_route_method_and_tenant_are_told(self, app, logged):
        captures = logged()
        asyncio.run(_asgi(app, "/trades/3"))
        told = captures()[0].context
        assert told is not None
        assert (told["method"], told["route"], told["tenant"]) == ("GET", "/trades/{number:int}", "acme")

    def test_fastapi_is_told_alike(self, logged):
        fastapi = pytest.importorskip("fastapi")
        app = fastapi.FastAPI()

        @app.get("/orders/{order_id}")
        async def order(order_id: int) -> str:
            checks()
            return "done"

        captures = logged(condition='@route == "/orders/{order_id}"')
        asyncio.run(_asgi(app, "/orders/3"))
        assert len(captures()) == 1

    def test_a_plain_endpoint_runs_on_a_thread_and_each_call_is_one_execution(self, logged):
        fastapi = pytest.importorskip("fastapi")
        app = fastapi.FastAPI()

        @app.get("/plain")
        def plain() -> str:
            checks()
            checks()
            return "done"

        captures = logged()

        async def twice() -> None:
            await _asgi(app, "/plain")
            await _asgi(app, "/plain")

        asyncio.run(twice())
        first, again, second, _ = (capture.execution_id for capture in captures())
        assert first == again != second
        assert captures()[0].context == {"execution": "work"}


async def _asgi(app: Any, path: str) -> None:
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"x-tenant", b"acme")], "asgi": {"version": "3.0"}, "http_version": "1.1",
        "scheme": "http", "server": ("testserver", 80), "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert message["type"] != "http.response.start" or message["status"] == 200, message

    await app(scope, receive, send)


class TestCelery:
    def test_a_tasks_name_and_id_are_told(self, logged):
        celery = pytest.importorskip("celery")
        app = celery.Celery("tested", set_as_current=False)

        @app.task(name="trades.settle")
        def settle() -> None:
            checks()

        captures = logged(condition='@task == "trades.settle"')
        result = settle.apply()
        (capture,) = captures()
        assert capture.execution_id == result.id
        assert capture.context == {"framework": "celery", "task": "trades.settle", "execution": "task"}


class TestWithoutAFramework:
    def test_the_main_thread_alone_is_no_execution(self, logged):
        captures = logged()
        checks()
        assert (captures()[0].execution_id, captures()[0].context) == ("", None)

    def test_a_thread_is_one(self, logged):
        captures = logged()
        for name in ("first", "second"):
            shop.on_a_thread(lambda: [checks(), checks()], name)
        first, again, second, _ = captures()
        assert first.execution_id == again.execution_id != second.execution_id
        assert first.context == {"execution": "thread"}

    def test_work_given_to_a_pool_is_one_each_though_its_thread_is_the_same(self, logged):
        captures = logged()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(checks).result()
            pool.submit(checks).result()
        first, second = captures()
        assert first.thread == second.thread
        assert first.execution_id != second.execution_id
        assert first.context == {"execution": "work"}

    def test_context_names_are_none_where_there_is_no_such_thing(self, logged):
        captures = logged(condition="is_none(@route) and @task is None and @trace_id is None")
        checks()
        assert len(captures()) == 1

    def test_the_thread_may_be_named_in_a_condition(self, logged):
        captures = logged(condition='startswith(@thread, "settler")')
        for name in ("settler-1", "pricer-1"):
            shop.on_a_thread(checks, name)
        assert [capture.thread for capture in captures()] == ["settler-1"]


def test_every_context_name_of_the_language_can_be_read():
    assert set(context.NAMES) == expressions.CONTEXT_NAMES


def test_a_request_in_disguise_runs_no_code(logged):
    class Trap:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was read")

    def handle(self: Any, scope: Any) -> None:
        checks()

    captures = logged()
    lying = "starlette/routing.py"
    code = handle.__code__.replace(co_filename=lying)
    handler = type(handle)(code, {**globals()}, closure=handle.__closure__)
    for scope in (Trap(), {"type": "http", "route": Trap(), "headers": [Trap()]}):
        handler(Trap(), scope)
    assert [(capture.context or {}).get("route") for capture in captures()] == [None, None]


def test_executions_are_forgotten_with_what_they_name():
    class Anchor:
        """Something that can be held weakly."""

    for _ in range(frameworks.MOST_EXECUTIONS + 10):
        frameworks.execution_of(Anchor(), "request")
    assert len(frameworks._executions) <= frameworks.MOST_EXECUTIONS


def test_a_module_is_never_asked_for_what_it_holds(monkeypatch):
    class Lazy(ModuleType):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"{name} would load it")

    for name in ("flask.globals", "django.http.request", "celery"):
        monkeypatch.setitem(sys.modules, name, Lazy(name))
    context.look_around()
    assert frameworks._flask("") is None
    assert not frameworks._is(object(), "django.http.request", "HttpRequest")


def test_a_thread_that_python_does_not_know_has_no_name_and_no_execution():
    found: list[Any] = []
    import _thread

    done = threading.Event()
    _thread.start_new_thread(lambda: (found.append(context.current()), done.set()), ())
    assert done.wait(10)
    assert found[0][0] == found[0][3] == ""


@pytest.mark.slow
class TestTracers:
    """Trace ids of ddtrace and Sentry, in a process of their own: both change the one they are loaded into."""

    def traced(self, module: str, source: str) -> list[str]:
        """What ``source`` prints, run with one line of `shop.check` probed."""
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed here")
        quiet = {
            "DD_REMOTE_CONFIGURATION_ENABLED": "false", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
            "DD_TRACE_STARTUP_LOGS": "false", "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", AROUND + source],
            capture_output=True, text=True, timeout=55, check=True,
            env={**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        return done.stdout.split()

    def test_ddtrace(self):
        ours, theirs = self.traced(
            "ddtrace",
            "from ddtrace.trace import tracer\n"
            "context.look_around()\n"
            "with tracer.trace('request') as span: check()\n"
            "print(seen().trace_id, format(span.trace_id, '032x'))\n",
        )
        assert ours == theirs

    def test_sentry(self):
        ours, theirs = self.traced(
            "sentry_sdk",
            "import sentry_sdk\n"
            "sentry_sdk.init(traces_sample_rate=1.0)\n"
            "context.look_around()\n"
            "with sentry_sdk.start_transaction(name='request') as span: check()\n"
            "print(seen().trace_id, span.trace_id)\n",
        )
        assert ours == theirs


AROUND = """
from pathlib import Path
from sightline import context, testing
from tests.observed import shop

held = testing.gateway()
gateway = held.__enter__()
line = next(n for n, text in enumerate(Path(shop.__file__).read_text().splitlines(), 1) if text.endswith("# P:check"))
probe = gateway.place("logpoint", file="observed/shop.py", line=line, template="x")

def check():
    shop.check(shop.Order(1, "ada"), 2)

def seen():
    return gateway.captures(probe)[0]

"""
