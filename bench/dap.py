"""A debugger's other end, for debugpy: `dap.py PORT FILE LINE MESSAGE [CONDITION [HIT_CONDITION]]` sets one breakpoint.

Speaks the Debug Adapter Protocol on the loopback interface. Prints `ready` when the program may go on, and each message
the breakpoint logs.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO


class Adapter:
    """A connection to the debug adapter."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.settimeout(None)
        self._file: BinaryIO = self._socket.makefile("rb")
        self._sent = 0

    def ask(self, command: str, **arguments: Any) -> None:
        self._sent += 1
        request = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def told(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every event and answer, by its name, until the adapter hangs up."""
        while header := self._file.readline():
            length = int(header.partition(b":")[2])
            self._file.readline()
            message = json.loads(self._file.read(length))
            yield message.get("event") or message["command"], message.get("body") or {}


def main(port: str, file: str, line: str, message: str, condition: str = "", hits: str = "") -> None:
    adapter = Adapter(int(port))
    asked = {"logMessage": message, "condition": condition, "hitCondition": hits}
    breakpoint_ = {"line": int(line), **{name: value for name, value in asked.items() if value}}
    adapter.ask(
        "initialize", adapterID="sightline", pathFormat="path", linesStartAt1=True, columnsStartAt1=True
    )
    adapter.ask("attach", justMyCode=False, subProcess=False, redirectOutput=False)
    for name, body in adapter.told():
        if name == "initialized":
            adapter.ask("setBreakpoints", source={"path": file}, breakpoints=[breakpoint_])
            adapter.ask("configurationDone")
        elif name == "configurationDone":
            print("ready", flush=True)
        elif name == "output" and body.get("category") != "telemetry":
            print(body["output"].strip(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
