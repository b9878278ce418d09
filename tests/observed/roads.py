"""Functions with branches, for those who follow calls."""


class Closed(Exception):
    pass


def book(order, limit):
    total = 0
    if order["amount"] > limit:  # P:if
        total = 1  # P:large
    elif order["tested"]:  # P:elif
        total = 2
    for item in order["items"]:  # P:for
        total += item  # P:item
    try:
        settle(total)  # P:settle
    except Closed:  # P:except
        total = -1  # P:closed
    return total if total > 0 else None  # P:return


def settle(total):
    if total > 100:
        raise Closed(total)
    return total


def long(n):
    total = 0
    for number in range(n):
        total += number
    return total


def failing(order):
    if order is None:
        raise ValueError("no order", 7)
    return order


def steps(n):
    for number in range(n):
        if number % 2:
            yield number


async def awaited(future):
    value = await future
    if value:
        return 1
    return 2


def recursive(n):
    if n:
        return recursive(n - 1)
    return 0


def login(password):
    if password == "x":
        return True
    return False
