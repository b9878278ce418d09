"""A few functions that call each other, for the function record."""

import functools


class NoSuchTrade(Exception):
    """What `find` raises."""


def find(number):
    if number < 0:
        raise NoSuchTrade(number)
    return price(number)


def price(number):
    return number * 2


def traced(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)

    return inner


@traced
def report(numbers):
    return [find(number) for number in numbers]


class Desk:
    def trade(self, number):
        return find(number)


async def settle(number):
    await nap()
    return find(number)


async def nap():
    return None


def numbers(count):
    for number in range(count):
        yield number


def prices(count):
    return [price(number) for number in range(count)]
