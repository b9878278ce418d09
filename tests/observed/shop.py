"""A small service whose values the tests ask about."""

import threading

RATE = 2


class Order:
    def __init__(self, amount, customer, flag="true"):
        self.amount = amount
        self.customer = customer
        self.high_value = flag
        self.password = "hunter2"

    @property
    def total(self):
        raise AssertionError("a property ran")


def check(order, limit):
    amount = order.amount
    accepted = amount <= limit
    return accepted  # P:check


def busy(n):
    total = 0
    for i in range(n):
        total += i  # P:busy
    return total


def uses_a_global(x):
    y = x * RATE
    return y  # P:global


def recursive(n):
    if n:
        return recursive(n - 1)
    return n  # P:deepest


def on_a_thread(function, name):
    thread = threading.Thread(target=function, name=name)
    thread.start()
    thread.join()


class Finalised:
    """Its finaliser runs a probed line, wherever the garbage collector strikes."""

    def __del__(self):
        finalise(self)


def finalise(thing):
    done = True
    return done  # P:finalise


def count(numbers):
    counted = len(numbers)
    return counted  # P:long
