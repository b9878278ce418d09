"""`bench.till`, noting which captures were acknowledged: each batch with its answer, into ACKNOWLEDGED/<pid>.

What the sensor believes to be stored is known only inside its process, so the note is taken there, on the sensor's own
thread, right before it forgets the batch. It is kept as it was sent: reading it here would be booked on the sensor's
budget, and is the walk's business (`tests.observed.notes`).
"""

import os

from bench.till import app  # noqa: F401
from sightline.transport import Transport
from tests.observed.notes import note

_acknowledged = Transport._acknowledged
_file = open(os.path.join(os.environ["ACKNOWLEDGED"], str(os.getpid())), "ab", buffering=0)


def noting(transport, ack):
    if batch := transport._deliveries._batches.get(ack.sequence):
        _file.write(note(batch.frame, ack))
    _acknowledged(transport, ack)


Transport._acknowledged = noting
