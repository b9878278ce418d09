"""A program that gevent has patched, with its own sensor started before or after, as argv says."""

import sys

import sightline

if sys.argv[1] == "before":
    sensor = sightline.start()

from gevent import monkey

monkey.patch_all()

import threading
import time

import gevent

if sys.argv[1] == "after":
    sensor = sightline.start()


def greet(name):
    text = "hello " + name
    return text  # P:greet


def never_yields(seconds):
    """Holds the hub: a sensor that were a greenlet could not work now."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


while not any(entry.armed for entry in sensor.registry):
    gevent.sleep(0.01)
gevent.joinall([gevent.spawn(greet, name) for name in ("ada", "grace")])
threading.Thread(target=greet, args=("joan",), name="patched").start()
gevent.sleep(0.01)
until = time.perf_counter() + 10
while len(sensor.outbox) and time.perf_counter() < until:
    never_yields(0.05)
print(len(sensor.outbox), flush=True)
