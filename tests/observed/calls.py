"""Functions that begin, end, fail and call in every way."""

import asyncio
import contextlib
import sys


class Thing:
    pass


CLOSED = []


def double(x):
    y = x * 2
    return y


LAMBDA = lambda x: x + 1  # noqa: E731


def make_adder(n):
    def add(x):
        return x + n

    return add


def factorial(n):
    if n == 0:
        return 1
    return n * factorial(n - 1)


def many_ways_out(n):
    if n == 0:
        return "zero"
    for i in range(3):
        if n == 1:
            return "one"
    try:
        if n == 2:
            return "two"
        if n == 3:
            return
    finally:
        if n == 4:
            return "finally"


def raises_deep(n):
    if n:
        return raises_deep(n - 1)
    raise KeyError("deep")


def swallows():
    try:
        raise ValueError("swallowed")
    except ValueError:
        result = "swallowed"
    return result


def reraises():
    try:
        try:
            raise ValueError("again")
        except KeyError:
            return "never"
    except ValueError:
        raise


def raises_from():
    try:
        raises_deep(1)
    except KeyError as error:
        raise RuntimeError("from") from error


def raises_in_handler():
    try:
        raises_deep(0)
    except KeyError:
        return undefined_name  # noqa: F821
    finally:
        len("x")


def raises_in_loop():
    for i in range(3):
        with contextlib.suppress(KeyError):
            raises_deep(0)
        for j in [1, 2]:
            print(1 / (i - 1), file=None) if i == 1 else None


def with_raises():
    with contextlib.ExitStack() as stack, contextlib.suppress(TypeError):
        stack.callback(len, "x")
        assert stack is None, "not this"


def looks_at_exc_info():
    try:
        raise ValueError("x")
    except ValueError:
        inside = sys.exc_info()[0].__name__
    return inside, sys.exc_info()[0]


def counts(n):
    for i in range(n):
        yield i
    return "end"


def echoes():
    received = yield "first"
    try:
        received = yield received
    except KeyError as error:
        received = yield ("caught", error.args)
    try:
        yield received
    finally:
        CLOSED.append("closed")
        del CLOSED[1:]


def delegates():
    yield from counts(2)
    yield 7


async def waits(n):
    for _ in range(n):
        await asyncio.sleep(0)
    return n


async def waits_for_ever():
    await asyncio.get_running_loop().create_future()


async def ticks(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


def holds(thing):
    kept = thing
    yield 1
    return kept


def branches(n):
    odd = n % 2
    if not odd:
        result = "even"
    else:
        result = "odd"
    return result


def loops(n):
    total = 0
    for i in range(n):
        total += i
    return total


def sets(thing):
    setattr(thing, "a", 1)  # noqa: B010
    object.__setattr__(thing, "b", 2)
    thing.__setattr__("c", 3)  # noqa: PLC2801
    dict()  # noqa: C408
    return thing


def calls_in_every_way():
    def inner(a, *args, b=2, **kwargs):
        return a, args, b, sorted(kwargs.items())

    @staticmethod
    def decorated(x):
        return x

    text = " a b "
    squares = [x * x for x in range(3)]
    return [
        inner(1),
        inner(1, 2, b=3, c=4),
        inner(*squares, **{"d": 5}),
        text.strip().split(),
        decorated.__func__(3) if squares else 0,
        max(squares, key=lambda x: -x),
        (inner if squares else len)(b=1, a=2),
        "{} {}".format(1, text.strip() if squares else text),
        super(Thing, Thing()).__init__(),
    ]
