"""A small server for one page: the project's static files, the page itself, and the other end of its websocket."""

from __future__ import annotations

import json
import mimetypes
import queue
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any

import django_htmx
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from investigations import settings

PLACES = [Path(settings.ROOT) / "static", Path(django_htmx.__file__).parent / "static"]
POLICY = "; ".join(
    f"{name} {' '.join(values)}" for name, values in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"].items()
)
PATIENCE = 10


class Wire:
    """`heard` holds what the page said, `say` answers it, `drop` hangs up."""

    def __init__(self) -> None:
        self.page = ""
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self._line: ServerConnection | None = None
        self._server: Server = serve(
            self._talk, "127.0.0.1", 0, process_request=self._serve, compression=None
        )
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def next(self) -> dict[str, Any]:
        """The next thing the page says; beats are no news."""
        while True:
            message = self.heard.get(timeout=PATIENCE)
            if "beat" not in message:
                return message

    def say(self, html: str) -> None:
        assert self._line is not None
        self._line.send(html)

    def drop(self, code: int = 1011) -> None:
        assert self._line is not None
        self._line.close(code)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)

    def _talk(self, line: ServerConnection) -> None:
        self._line = line
        for message in line:
            self.heard.put(json.loads(message))

    def _serve(self, line: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/live/":
            return None
        if path == "/":
            return self._answer("text/html; charset=utf-8", self.page.encode())
        name = path.removeprefix("/static/")
        found = next((place / name for place in PLACES if (place / name).is_file()), None)
        if found is None:
            return Response(HTTPStatus.NOT_FOUND, "Not Found", Headers([("Content-Length", "0")]), b"")
        kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        return self._answer(kind, found.read_bytes())

    def _answer(self, kind: str, body: bytes) -> Response:
        headers = Headers(
            [("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY)]
        )
        return Response(HTTPStatus.OK, "OK", headers, body)
