"""A sensor written from sensors/wire.md alone, with nothing of ours in it: it watches one imaginary line.

    small_sensor.py <url> <token>

It shakes hands, arms every logpoint it is sent and rejects every other kind, hits each armed one three times with the
value "true", answers one request, and prints one line of JSON for each thing that happens.
"""

import hashlib
import hmac
import json
import os
import sys
import time
import uuid

import msgpack
from websockets.sync.client import connect

MAX_MESSAGE = 524_288


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def sha256(data):
    return hashlib.sha256(data).digest()


def tell(what, **facts):
    sys.stdout.write(json.dumps({"what": what, **facts}) + "\n")
    sys.stdout.flush()


def uuid7():
    head = int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10)
    return head[:6] + bytes([head[6] & 0x0F | 0x70, head[7], head[8] & 0x3F | 0x80]) + head[9:]


class SmallSensor:
    def __init__(self, socket, token):
        self.socket = socket
        _, self.token_id, secret = token.split("_", 2)
        self.secret = secret.encode()
        self.armed = {}
        self.parts = []
        self.sequence = 0
        self.since = time.time_ns()
        self.unacknowledged = {}

    def send(self, **message):
        frame = msgpack.packb(message)
        assert len(frame) <= MAX_MESSAGE
        self.socket.send(frame)
        return frame

    def receive(self):
        frame = self.socket.recv(timeout=20)
        return msgpack.unpackb(frame, strict_map_key=False), frame

    def shake_hands(self):
        hello = self.send(
            type="hello", versions=[1], token_id=self.token_id, nonce=os.urandom(32), service="small-service",
            environment="production", instance_id=str(uuid.uuid4()), host="nowhere", pid=os.getpid(),
            started_at=time.time_ns(), runtime={"name": "small", "version": "1"}, sensor_version="0",
            engine={"name": "none", "reason": "it only imagines"}, roots=["/app"], added_by_a_later_version=True,
        )  # fmt: skip
        message, challenge = self.receive()
        if message["type"] == "refusal":
            tell("refused", slug=message["slug"])
            return False
        assert message["version"] == 1
        transcript = sha256(sha256(hello) + sha256(challenge))
        client_key = mac(self.secret, b"sightline client key")
        server_key = mac(self.secret, b"sightline server key")
        mask = mac(sha256(client_key), transcript)
        self.send(type="proof", proof=bytes(a ^ b for a, b in zip(client_key, mask, strict=True)))
        welcome, _ = self.receive()
        if welcome["type"] == "refusal":
            tell("refused", slug=welcome["slug"])
            return False
        assert hmac.compare_digest(welcome["proof"], mac(server_key, b"welcome" + transcript))
        self.signing_key = mac(server_key, b"probe sets" + transcript)
        tell(
            "welcome", heartbeat_s=welcome.get("heartbeat_s", 5.0), hash_key_id=welcome.get("hash_key_id", "")
        )
        return True

    def beat(self):
        counters = [
            {
                "probe_id": probe_id,
                "since": self.since,
                "endings": {"captured": hits, "condition_false": 4},
            }
            for probe_id, hits in self.armed.items()
        ]
        self.send(type="heartbeat", at=time.time_ns(), mono=time.monotonic_ns(), counters=counters)

    def run(self):
        self.beat()
        while True:
            message, _ = self.receive()
            handler = getattr(self, "on_" + message["type"])
            if handler(message):
                return

    def on_heartbeat_ack(self, message):
        tell("heartbeat_ack", sane=message["mono"] <= time.monotonic_ns())

    def on_probe_set(self, message):
        numbers = b"".join(message[name].to_bytes(8, "big") for name in ("revision", "part", "parts"))
        assert hmac.compare_digest(message["mac"], mac(self.signing_key, numbers + message["body"]))
        self.parts.append(message["body"])
        if message["part"] < message["parts"] - 1:
            return
        probes, self.parts = msgpack.unpackb(b"".join(self.parts)), []
        self.reconcile(message["revision"], probes)

    def reconcile(self, revision, probes):
        wanted = {probe["id"]: probe for probe in probes}
        statuses = [{"probe_id": gone, "state": "removed"} for gone in self.armed if gone not in wanted]
        self.armed = {id: hits for id, hits in self.armed.items() if id in wanted}
        for probe in probes:
            if probe["id"] in self.armed:
                continue
            if probe["kind"] != "logpoint":
                sentence = f"This sensor knows no {probe['kind']}."
                statuses.append(
                    {
                        "probe_id": probe["id"],
                        "state": "rejected",
                        "slug": "kind_unsupported",
                        "sentence": sentence,
                    }
                )
                continue
            self.armed[probe["id"]] = 0
            place = {
                "file": "/app/" + probe["location"]["file"],
                "line": probe["location"]["line"],
                "function": "f",
            }
            statuses.append({"probe_id": probe["id"], "state": "armed", "places": [place]})
        self.send(type="statuses", revision=revision, statuses=statuses)
        tell("probe_set", revision=revision, ids=sorted(wanted))
        for probe in probes:
            if self.armed.get(probe["id"]) == 0:
                self.hit(probe)

    def hit(self, probe):
        bodies = [self.capture(probe, number) for number in range(1, 4)]
        self.armed[probe["id"]] = 3
        self.sequence += 1
        message = {"type": "captures", "sequence": self.sequence, "bodies": bodies}
        self.unacknowledged[self.sequence] = message
        self.send(**message)
        self.send(**message)  # as after a lost acknowledgement: it must be kept once

    def capture(self, probe, number):
        value = {"t": "str", "v": "true", "n": 4}
        frame = {"function": "f", "file": "/app/a.py", "line": 9, "variables": {"high_value": value}}
        return msgpack.packb(
            {
                "id": uuid7(), "probe_id": probe["id"], "kind": "logpoint", "hit": number, "at": time.time_ns(),
                "mono": time.monotonic_ns(), "message": "high_value is 'true'", "frames": [frame],
                "execution_id": f"execution {number}",
            }
        )  # fmt: skip

    def on_ack(self, message):
        self.unacknowledged.pop(message["sequence"], None)
        tell("ack", sequence=message["sequence"], refused=message.get("refused", []))
        if message["sequence"] == 1:
            self.sequence = 2
            outcome = {
                "execution_id": "execution 1",
                "outcome": "fail",
                "at": time.time_ns(),
                "reason": "wrong",
            }
            self.send(type="outcomes", sequence=2, outcomes=[outcome])
            self.beat()

    def on_request(self, message):
        text = "".join(f"line_{number} = {number}\n" for number in range(30_000))
        body = {
            "type": "source", "path": message.get("path", ""), "text": text, "lines": [1, 2, 3],
            "hash": hashlib.sha256(text.encode()).hexdigest(),
        }  # fmt: skip
        if message["ask"] != "source":
            body = {"type": "doctor", "facts": {"sensor": "small"}}
        data = msgpack.packb(body)
        pieces = [data[at : at + 262_144] for at in range(0, len(data), 262_144)]
        for part, piece in enumerate(pieces):
            self.send(type="answer", id=message["id"], part=part, parts=len(pieces), data=piece)
        tell("answered", parts=len(pieces))

    def on_refusal(self, message):
        tell("refused", slug=message["slug"])
        return True


def main(url, token):
    with connect(url, proxy=None, max_size=1024 * 1024, compression=None) as socket:
        sensor = SmallSensor(socket, token)
        if sensor.shake_hands():
            sensor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
