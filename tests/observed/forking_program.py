"""A program that forks while its sensor runs and threads are busy; each process says what it is."""

import os
import sys
import threading
import time

import sightline
from sightline.sensor import current


def work(number):
    square = number * number
    return square  # P:work


def facts():
    sensor = current()
    return sensor.instance_id, sum(sum(each.endings.values()) for each in sensor.heartbeat().counters)


sensor = sightline.start()
while not any(entry.armed for entry in sensor.registry):
    time.sleep(0.01)
for number in range(3):
    work(number)
stop = threading.Event()
busy = threading.Thread(target=lambda: [work(1) for _ in iter(stop.is_set, True)], daemon=True)
if sys.argv[1:] == ["busy"]:
    busy.start()
pid = os.fork()
if pid == 0:
    before = facts()[1]
    work(9)
    print("child", facts()[0], before, facts()[1], flush=True)
    sightline.stop()
    os._exit(0)
_, status = os.waitpid(pid, 0)
stop.set()
work(4)
print("parent", facts()[0], status, flush=True)
sightline.stop()
print("threads", threading.active_count() - busy.is_alive(), flush=True)
