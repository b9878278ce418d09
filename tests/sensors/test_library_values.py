"""Values of well-known libraries: read without running their code, loaded fields only, never a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import django
import flask
import httpx
import numpy
import pandas
import pydantic
import pytest
import sqlalchemy
from django.conf import settings
from django.db import models
from django.utils.functional import SimpleLazyObject
from sqlalchemy import orm
from werkzeug.local import LocalProxy

from sightline import expressions, snapshots, wire
from sightline.errors import WouldRunCode
from sightline.redaction import Redactor

current_user = LocalProxy(lambda: 1 / 0)
REDACTOR = Redactor(hash_key=b"a key for tests")
UNHURRIED = wire.Limits(deadline_ms=10_000)

if not settings.configured:
    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    django.setup()


def capture(value: Any) -> wire.Value:
    written, _ = snapshots.write_value(snapshots.copy_value(value, UNHURRIED), REDACTOR)
    wire.encode(written)
    return written


def fields(value: Any) -> dict[str, Any]:
    return {name: each.value for name, each in (capture(value).fields or {}).items()}


def ask(text: str, **scope: Any) -> Any:
    return expressions.compile(expressions.parse(text)).evaluate(scope)


class Trade(models.Model):
    amount = models.IntegerField()
    desk = models.ForeignKey("self", null=True, on_delete=models.CASCADE)
    text = models.TextField()

    class Meta:
        app_label = "hostile"

    def __str__(self) -> str:
        raise AssertionError("__str__ ran")

    @property
    def total(self) -> int:
        raise AssertionError("a property ran")


def test_a_django_model_shows_its_loaded_fields_and_no_book_keeping() -> None:
    trade = Trade.from_db("default", ["id", "amount", "desk_id"], [1, 5, 7])
    assert fields(trade) == {"id": 1, "amount": 5, "desk_id": 7}
    assert ask("t.amount > 3 and t.desk_id == 7", t=trade)
    for text in ("t.text", "t.desk", "t.total", "t.objects"):
        with pytest.raises(WouldRunCode):
            ask(text, t=trade)
    assert trade.get_deferred_fields() == {"text"}


def test_a_lazy_object_is_not_set_up() -> None:
    def set_up() -> Trade:
        raise AssertionError("it was set up")

    user = SimpleLazyObject(set_up)
    assert capture({"user": user}).size == 1
    for text in ("user.amount", "not user", "len(user)", "user == 1", "1 in user", "user[0]", "f'{user}'"):
        with pytest.raises(WouldRunCode):
            ask(text, user=user)


def test_a_local_proxy_outside_of_its_context_is_not_asked() -> None:
    assert capture({"request": flask.request, "g": flask.g, "user": current_user}).size == 3
    for text in ("r.path", "not r", "r == 1", "'a' in r", "f'{r}'"):
        for proxy in (flask.request, flask.g, current_user):
            with pytest.raises(WouldRunCode):
                ask(text, r=proxy)


def test_a_django_query_set_is_not_run() -> None:
    queries = Trade.objects.filter(amount=1)
    assert capture(queries).type == "django.db.models.query.QuerySet"
    for text in ("len(q)", "not q", "any(t for t in q)", "1 in q", "q[0]"):
        with pytest.raises(WouldRunCode):
            ask(text, q=queries)
    assert queries._result_cache is None


class Row(orm.DeclarativeBase):
    pass


class Order(Row):
    __tablename__ = "orders"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    amount: orm.Mapped[int]


@pytest.fixture
def expired() -> Iterator[Order]:
    engine = sqlalchemy.create_engine("sqlite://")
    Row.metadata.create_all(engine)
    with orm.Session(engine) as session:
        order = Order(id=1, amount=5)
        session.add(order)
        session.commit()
        sqlalchemy.event.listen(engine, "before_cursor_execute", _no_query)
        yield order
        sqlalchemy.event.remove(engine, "before_cursor_execute", _no_query)


def _no_query(*args: object) -> None:
    raise AssertionError("a query ran")


def test_an_expired_sqlalchemy_instance_is_not_refreshed(expired: Order) -> None:
    assert fields(expired) == {}
    with pytest.raises(WouldRunCode, match="not loaded"):
        ask("o.amount > 1", o=expired)


def test_a_loaded_sqlalchemy_instance_shows_its_columns() -> None:
    order = Order(id=1, amount=5)
    assert fields(order) == {"id": 1, "amount": 5}
    assert ask("o.amount", o=order) == 5


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    amount: int
    name: str = "n"
    _private: int = pydantic.PrivateAttr(3)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        raise AssertionError("a property ran")


def test_a_pydantic_model_shows_fields_extras_and_private_ones() -> None:
    model = Model(amount=1, more=2)  # type: ignore[call-arg]
    shown = capture(model).fields or {}
    assert {
        name: each.value for name, each in shown.items() if each.fields is None and each.entries is None
    } == {
        "amount": 1,
        "name": "n",
    }
    assert set(shown) == {"amount", "name", "__pydantic_extra__", "__pydantic_private__"}
    assert ask("m.amount + 1", m=model) == 2
    with pytest.raises(WouldRunCode):
        ask("m.total", m=model)


@attrs.define
class Slotted:
    a: int
    b: str = "b"


@attrs.define(slots=False)
class Plain:
    a: int


def test_attrs_classes_with_and_without_slots() -> None:
    assert fields(Slotted(1)) == {"a": 1, "b": "b"}
    assert fields(Plain(1)) == {"a": 1}
    assert ask("s.a == 1 and s.b == 'b'", s=Slotted(1))


def test_an_array_shows_type_shape_and_a_few_numbers() -> None:
    written = capture(numpy.arange(12, dtype="int64").reshape(3, 4))
    assert written.type == "numpy.ndarray"
    assert written.note == "int64 (3, 4)"
    assert [each.value for each in written.items or ()] == list(range(12))
    vast = capture(numpy.broadcast_to(numpy.float64(1), (10**5, 10**5)))
    assert vast.cut == f"items 50 of {10**10}"
    assert len(vast.items or ()) == 50


def test_arrays_of_objects_and_subclasses_show_no_elements() -> None:
    class Finalised(numpy.ndarray):
        def __array_finalize__(self, other: object) -> None:
            finalised.append(other)

    finalised: list[object] = []
    made = numpy.zeros(3).view(Finalised)
    finalised.clear()
    assert capture(made).cut == "opaque"
    assert finalised == []
    assert capture(numpy.array([object()], dtype=object)).items is None


def test_numpy_numbers_are_numbers() -> None:
    assert (capture(numpy.float64(1.5)).type, capture(numpy.float64(1.5)).value) == ("numpy.float64", 1.5)
    assert capture(numpy.int64(3)).value == 3
    assert ask("x > 2 and x == 3 and y < 2", x=numpy.int64(3), y=numpy.float64(1.5))
    with pytest.raises(WouldRunCode):
        ask("a == 1", a=numpy.zeros(3))


def test_a_data_frame_shows_its_shape() -> None:
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    assert capture(frame).note == "shape (3, 2)"
    assert capture(frame["a"]).note == "shape (3,)"
    for text in ("not f", "f == 1", "len(f)", "f['a']", "1 in f"):
        with pytest.raises(WouldRunCode):
            ask(text, f=frame)


def test_a_vast_frame_is_not_made_real() -> None:
    vast = pandas.Series(
        numpy.broadcast_to(numpy.float64(1), 10**9), index=pandas.RangeIndex(10**9), copy=False
    )
    assert capture(vast).note == f"shape ({10**9},)"
    assert capture({"index": vast.index, "frame": vast}).size == 2
    with pytest.raises(WouldRunCode):
        ask("any(x > 2 for x in v)", v=vast)


def test_a_request_does_not_tell_its_secrets() -> None:
    request = httpx.Request(
        "POST",
        "https://ada:hunter2@example.org/pay?token=hunter2",
        headers={"Authorization": "Bearer hunter2hunter2", b"Cookie": b"session=hunter2"},
        json={"password": "hunter2"},
    )
    written = wire.encode(capture({"request": request, "headers": request.headers, "url": str(request.url)}))
    assert b"hunter2" not in written
    assert b"example.org" not in written or b"ada" not in written
