"""A program that forks in every way the standard library has, with a function that each child calls."""

import multiprocessing
import os
import sys
import time


def work(number):
    square = number * number
    return square  # P:work


def report(number, path):
    from sightline.sensor import current

    work(number)
    time.sleep(0.6)
    sensor = current()
    line = f"{os.getpid()} {sensor.instance_id if sensor else None} {int(bool(sensor and sensor.dormant))}\n"
    with open(path, "a") as file:
        file.write(line)


if __name__ == "__main__":
    method, path = sys.argv[1:]
    context = multiprocessing.get_context(method)
    children = [context.Process(target=report, args=(number, path)) for number in (2, 3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    report(1, path)
