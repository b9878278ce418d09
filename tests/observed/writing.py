"""Everyone who writes Order.high_value, each in a way of their own."""

import copy
import dataclasses
import functools
from typing import Any, NamedTuple

import attrs
import pydantic


class Order:
    def __init__(self, amount, flag=None):
        self.amount = amount
        self.high_value = flag  # P:init

    @property
    def total(self):
        return self.amount * 2


class Rush(Order):
    pass


class Slotted:
    __slots__ = ("high_value",)

    def fill(self, value):
        self.high_value = value


class Elsewhere:
    def __init__(self, flag):
        self.high_value = flag


@dataclasses.dataclass
class Data:
    high_value: Any
    amount: int = 1


@dataclasses.dataclass(frozen=True)
class Frozen:
    high_value: Any


@attrs.define
class Defined:
    high_value: Any = attrs.field(
        validator=attrs.validators.optional(attrs.validators.instance_of((bool, str)))
    )


@attrs.frozen(slots=False)
class Iced:
    high_value: Any


class Model(pydantic.BaseModel):
    high_value: Any = None


class Row(NamedTuple):
    high_value: bool


class Guarded:
    """Passes every assignment on, as many a base class does."""

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


class Picky:
    def __setattr__(self, name, value):
        raise AttributeError(name)


def plainly(order, value):
    order.high_value = value  # P:plainly


def adding(order, value):
    order.high_value += value  # P:adding


def by_setattr(order, name, value):
    setattr(order, name, value)  # P:by_setattr


def by_object(order, value):
    object.__setattr__(order, "high_value", value)  # P:by_object


def by_dict(order, values):
    order.__dict__.update(values)  # P:by_dict


def by_vars(order, value):
    vars(order)["high_value"] = value  # P:by_vars


def deleting(order):
    del order.high_value  # P:deleting


def found(orders, index, value):
    orders[index].high_value = value  # P:found


def made(make, value):
    make().high_value = value  # P:made


def looping(orders):
    for order in orders:
        order.high_value = order.amount > 10  # noqa: E701  # P:looping


def aliased(order, values):
    put = setattr
    for name, value in values.items():
        put(order, name, value)  # P:aliased


def unseen(order, value):
    list(map(functools.partial(setattr, order, "high_value"), [value]))


def trying(order, value):
    try:
        order.high_value = value  # P:trying
    except AttributeError:
        return False
    return True


def copied(order):
    return copy.copy(order)


async def awaiting(order, value):
    order.high_value = await value  # P:awaiting


def unrelated(order, times):
    for number in range(times):
        order.amount = number
    return order


def by_setattr_of_made(make, name, value):
    setattr(make(), name, value)


def secretly(order, value):
    order.password = value


def both(order, value):
    order.high_value = order.amount = value
