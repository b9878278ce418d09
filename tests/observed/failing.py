"""Functions in which exceptions come up, are swallowed, and leave."""

import contextlib


class Refused(ValueError):
    def __init__(self, code, *, reason):
        super().__init__(code)
        self.reason = reason


def leaves(order):
    raise Refused(7, reason=order)  # P:leaves


def swallows(value):
    try:
        number = int(value)  # P:int
    except ValueError:  # P:except
        number = -1
    return number


def swallows_many(values):
    total = 0
    for value in values:
        try:
            total += int(value)
        except ValueError:
            continue
    return total


def passes_on(value):
    try:
        return int(value)
    except TypeError:
        return None
    finally:
        value = None


def reraises(value):
    try:
        return int(value)
    except ValueError:
        raise


def raises_again(value):
    try:
        return int(value)
    except ValueError as error:
        raise error


def translates(value):
    try:
        return int(value)
    except ValueError as error:
        raise KeyError(value) from error


def inner_swallowed(value):
    try:
        return int(value)
    except ValueError:
        try:
            return {}[value]
        except KeyError:
            return None


def suppressed(value):
    with contextlib.suppress(ValueError):
        return int(value)


def within(lock, value):
    with lock:
        return int(value)


def yields(values):
    for value in values:
        try:
            number = int(value)
        except ValueError:
            number = -1
        yield number


async def awaits(future):
    try:
        return await future
    except ValueError:
        return -1


def calls(value):
    return leaves(value)


def cyclic():
    one, other = ValueError(1), KeyError(2)
    one.__cause__, other.__cause__ = other, one
    raise one


def grouped():
    raise ExceptionGroup("several", [ValueError(1), Refused(2, reason="r")])
