"""UUIDs of version 7: ordered by time, so that tables and indexes that hold them grow at their end."""

from __future__ import annotations

import os
import uuid


def uuid7(at: int) -> uuid.UUID:
    """A new one for the moment ``at``, in ns since 1970."""
    random = bytearray(os.urandom(10))
    random[0] = random[0] & 0x0F | 0x70
    random[2] = random[2] & 0x3F | 0x80
    return uuid.UUID(bytes=(at // 1_000_000).to_bytes(6, "big") + bytes(random))
