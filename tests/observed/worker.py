"""Work with a beginning and an end: calls that repeat, wait, fail and vanish."""

import asyncio
import contextlib
import time


class Job:
    def __init__(self, name, size):
        self.name = name
        self.size = size
        self.password = "hunter2"


def handle(job, factor=2, *extra, loud=False, **options):
    result = job.size * factor
    job.size = -1
    factor = None
    return result  # P:handle


def fails(job):
    if job.size > 10:
        raise ValueError("too large", job.size)
    return job.size


def get_password(job):
    return job.password


def measured(values):
    for value in values:
        shown = value  # P:measured
    return shown


def steps(n, pause=0.0):
    began = True  # P:steps_first
    for _ in range(n):
        time.sleep(pause)  # P:steps_each
    return began  # P:steps_last


def early(n):
    first = n  # P:early_first
    if n < 0:
        raise ValueError(n)
    if n == 0:
        return None
    return first  # P:early_last


def nested(n):
    depth = n  # P:nested_first
    if n:
        nested(n - 1)
    return depth  # P:nested_last


async def waits(n):
    first = n  # P:waits_first
    await asyncio.sleep(0.001 * n)
    return first  # P:waits_last


def yields(n):
    for i in range(n):
        first = i  # P:yields_first
        yield first
        del first  # P:yields_last
    return "done"


def swallows_all():
    with contextlib.suppress(ValueError):
        fails(Job("x", 11))
    return "fine"


def elsewhere():
    return 1  # P:elsewhere


MODULE_LINE = 1  # P:module_line
