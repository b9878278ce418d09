"""`bench.till`, noting which captures were acknowledged: one line each, capture id and slug, into ACKNOWLEDGED/<pid>.

What the sensor believes to be stored is known only inside its process, so the note is taken there, on the sensor's own
thread, right before it forgets the batch.
"""

import os

from bench.till import app  # noqa: F401
from sightline import wire
from sightline.transport import Transport

_acknowledged = Transport._acknowledged
_file = open(os.path.join(os.environ["ACKNOWLEDGED"], str(os.getpid())), "a", buffering=1)


def note(transport, ack):
    batch = transport._deliveries._batches.get(ack.sequence)
    message = wire.from_sensor.decode(batch.frame) if batch else None
    if isinstance(message, wire.Captures):
        refused = {each.index: each.slug for each in ack.refused}
        for index, body in enumerate(message.bodies):
            capture = wire.capture_body.decode(body)
            _file.write(f"{capture.id.hex()} {refused.get(index, 'stored')}\n")
    _acknowledged(transport, ack)


Transport._acknowledged = note
