"""A WSGI application that says which process answered, and what the sensor is in it."""

import json
import os


def answer(pid, name):
    text = f"{name} from {pid}"
    return text  # P:answer


def app(environ, start_response):
    text = answer(os.getpid(), "hello")
    body = json.dumps({"pid": os.getpid(), "text": text, **sensor_facts()}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def sensor_facts():
    import threading

    from sightline.sensor import current

    sensor = current()
    if sensor is None:
        return {"instance": None}
    return {"instance": sensor.instance_id, "dormant": sensor.dormant, "threads": threading.active_count()}
