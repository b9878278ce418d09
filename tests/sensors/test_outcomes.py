"""How executions ended: failures alone are told, and only where something was captured."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import pytest

from sightline import context, testing, wire
from tests.observed import shop
from tests.observed.shop import Order
from tests.sensors.test_frameworks import _asgi


def checks() -> None:
    shop.check(Order(1, "ada"), 2)


@pytest.fixture
def ended(line_of) -> Any:
    """Place a logpoint in `shop.check`; on being called: what was captured, and the outcomes told since."""
    with testing.gateway() as gateway:
        context.look_around()
        gateway.place(
            "logpoint", file="observed/shop.py", line=line_of(shop, "check"), template="x", rate=1e6
        )
        gateway.tick()

        def answer() -> tuple[list[wire.Capture], list[wire.Outcome]]:
            captures = gateway.captures()
            return captures, gateway.sensor.outbox.take_outcomes(100)

        answer.gateway = gateway  # type: ignore[attr-defined]
        yield answer


class TestFlask:
    @pytest.fixture
    def ask(self) -> Any:
        flask = pytest.importorskip("flask")
        app = flask.Flask("tested")

        @app.get("/<what>")
        def answer(what: str) -> Any:
            if what != "unseen":
                checks()
            if what == "raises":
                raise KeyError("price")
            return ("gone", 503) if what in ("fails", "unseen") else "done"

        return lambda what: app.test_client().get(f"/{what}").status_code

    @pytest.mark.parametrize(("what", "reason"), [("fails", "answered 503"), ("raises", "answered 500")])
    def test_a_failed_request_is_told_by_the_execution_of_its_captures(self, what, reason, ask, ended):
        ended.gateway.tick()
        assert ask(what) >= 500
        ((capture,), (outcome,)) = ended()
        assert (outcome.outcome, outcome.reason) == ("fail", reason)
        assert outcome.execution_id == capture.execution_id

    def test_that_a_request_was_answered_does_not_make_it_right(self, ask, ended):
        ended.gateway.tick()
        assert ask("fine") == 200
        captures, outcomes = ended()
        assert (len(captures), outcomes) == (1, [])

    def test_nothing_is_told_of_what_nobody_captured(self, ask, ended):
        ended.gateway.tick()
        assert ask("unseen") == 503
        assert ended() == ([], [])

    def test_a_trace_names_the_execution_where_there_is_one(self, ask, ended):
        from opentelemetry.sdk.trace import TracerProvider

        ended.gateway.tick()
        with TracerProvider().get_tracer("test").start_as_current_span("request"):
            ask("fails")
        ((capture,), (outcome,)) = ended()
        assert outcome.execution_id == capture.trace_id != ""


class TestDjango:
    def test_a_failed_request_is_told(self, ended):
        pytest.importorskip("django")
        from django.conf import settings

        if not settings.configured:
            settings.configure(ALLOWED_HOSTS=["testserver"])
        from django.core.handlers.base import BaseHandler
        from django.http import HttpResponse
        from django.test import RequestFactory

        class Handler(BaseHandler):
            def _get_response(self, request: Any) -> Any:
                checks()
                return HttpResponse("gone", status=503)

        urls = ModuleType("urls_of_the_outcomes")
        urls.urlpatterns = []  # type: ignore[attr-defined]
        ended.gateway.sensor.outcomes._look_at = 0.0
        ended.gateway.tick()
        handler = Handler()
        handler._middleware_chain = _converted(handler)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(settings, "ROOT_URLCONF", urls, raising=False)
            assert handler.get_response(RequestFactory().get("/")).status_code == 503
        ((capture,), (outcome,)) = ended()
        assert (outcome.reason, outcome.execution_id) == ("answered 503", capture.execution_id)


def _converted(handler: Any) -> Any:
    from django.core.handlers.exception import convert_exception_to_response

    return convert_exception_to_response(handler._get_response)


class TestStarlette:
    def test_a_failed_request_is_told(self, ended):
        pytest.importorskip("starlette")
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        async def answer(request: Any) -> PlainTextResponse:
            checks()
            return PlainTextResponse("gone", status_code=503)

        ended.gateway.sensor.outcomes._look_at = 0.0
        ended.gateway.tick()
        with pytest.raises(AssertionError):  # the helper expects 200
            asyncio.run(_asgi(Starlette(routes=[Route("/x", answer)]), "/x"))
        ((capture,), (outcome,)) = ended()
        assert (outcome.reason, outcome.execution_id) == ("answered 503", capture.execution_id)


class TestCelery:
    def test_a_failed_task_is_told_with_what_it_raised(self, ended):
        celery = pytest.importorskip("celery")
        pytest.importorskip("celery.app.trace")  # a worker has it long before its first task
        app = celery.Celery("tested", set_as_current=False)

        @app.task(name="trades.settle")
        def settle(price: int) -> None:
            checks()
            if not price:
                raise KeyError("price")

        ended.gateway.sensor.outcomes._look_at = 0.0
        ended.gateway.tick()
        result = settle.apply((0,))
        settle.apply((1,))
        (_, (outcome,)) = ended()
        assert (outcome.execution_id, outcome.outcome, outcome.reason) == (
            result.id,
            "fail",
            "raised KeyError",
        )


def test_frameworks_are_left_alone_while_nothing_is_captured():
    flask_app = pytest.importorskip("flask.app")
    code = flask_app.Flask.finalize_request.__code__
    with testing.gateway() as gateway:
        gateway.tick()
        assert flask_app.Flask.finalize_request.__code__ is code
        assert not gateway.sensor.outcomes._watchings
        probe = gateway.place("logpoint", function="tests.observed.shop:check", template="x")
        gateway.sensor.outcomes._look_at = 0.0
        gateway.tick()
        assert gateway.sensor.outcomes._watchings
        gateway.remove(probe)
        gateway.tick()
        assert not gateway.sensor.outcomes._watchings
        assert flask_app.Flask.finalize_request.__code__ is code
