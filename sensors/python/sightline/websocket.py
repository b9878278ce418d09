"""A websocket as a non-blocking socket: proxy, TLS, upgrade, then frames, and where a thread waits for them.

`websockets` speaks the protocol without I/O; this adds the socket. One real thread and no event loop, so that nothing
here meets the application's own asyncio, its uvloop or its gevent: sockets, TLS and polling are the interpreter's own.
"""

from __future__ import annotations

import base64
import encodings.idna  # noqa: F401 (resolving a name imports it, and that thread should import nothing)
import io
import ipaddress
import logging
import os
import select
import socket
import ssl
import time
import urllib.parse
import urllib.request
from contextlib import suppress

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from . import native
from .errors import SightlineError

RECEIVE_BYTES = 64 * 1024
MAX_INCOMING = 1024 * 1024
"""Bytes of one incoming message; the gateway sends half of it at most."""
OPEN_WITHIN_S = 15.0
MAX_PROXY_ANSWER = 8 * 1024
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_quiet = logging.getLogger("sightline.websocket")
_quiet.setLevel(logging.WARNING)  # the application's root logger at DEBUG must not get a line for every frame


class ConnectionFailed(SightlineError):
    """No connection, or not any more; worth trying again."""


class WebSocket:
    """One open connection. Every method returns at once except `open`; failures are `ConnectionFailed`."""

    def __init__(self, raw: socket.socket, protocol: ClientProtocol) -> None:
        self._socket = raw
        self._protocol = protocol
        self._unsent = bytearray()
        self._fragments: list[bytes] = []

    @classmethod
    def open(
        cls, url: str, *, tls: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
    ) -> WebSocket:
        """Connect, through the proxy that the environment names, and upgrade to a websocket.

        TLS certificates and names are verified always; ``tls`` may name other authorities. Takes 15 seconds at most.
        """
        deadline = time.monotonic() + OPEN_WITHIN_S
        try:
            address = parse_uri(url)
            raw = _connect(address, tls, deadline)
        except (OSError, InvalidURI, ValueError) as problem:
            raise ConnectionFailed("unreachable", f"The gateway cannot be reached: {problem}.") from None
        try:
            opened = cls(raw, ClientProtocol(address, max_size=MAX_INCOMING, logger=_quiet))
            opened._upgrade(headers or {}, deadline)
        except BaseException:
            raw.close()
            raise
        return opened

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Whether bytes wait for the socket to become writable."""
        return bool(self._unsent)

    @property
    def is_open(self) -> bool:
        return self._protocol.state is State.OPEN

    def send(self, message: bytes) -> None:
        """Queue one binary message and write what the socket takes now."""
        self._protocol.send_binary(message)
        self.flush()

    def close(self, code: int = 1000) -> None:
        """Say goodbye if the peer still listens, and close the socket."""
        if self.is_open:
            self._protocol.send_close(code)
            with suppress(ConnectionFailed):
                self.flush()
        self._socket.close()

    def abandon(self) -> None:
        """Let go of the socket without a word: in a forked child it is the parent's."""
        self._socket.close()

    def flush(self) -> None:
        """Write what the socket takes now."""
        self._unsent += b"".join(self._protocol.data_to_send())
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except _NOT_NOW:
            return
        except OSError as problem:
            raise ConnectionFailed("lost", f"The connection was lost: {problem}.") from None

    def receive(self) -> list[bytes]:
        """The whole messages that have arrived. Raises `ConnectionFailed` once the peer has closed."""
        messages = [message for frame in self._read() if (message := self._assemble(frame)) is not None]
        if not messages and not self.is_open:
            raise ConnectionFailed(
                "lost", f"The gateway closed the connection ({self._protocol.close_code})."
            )
        return messages

    def _read(self) -> list[Frame]:
        while self._receive_once():
            pass
        self.flush()  # pongs, and the answer to a close
        return [event for event in self._protocol.events_received() if isinstance(event, Frame)]

    def _assemble(self, frame: Frame) -> bytes | None:
        """A message once its last fragment is there; the library has checked their order and total size."""
        if frame.opcode not in (Opcode.BINARY, Opcode.TEXT, Opcode.CONT):
            return None
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return None
        whole, self._fragments = b"".join(self._fragments), []
        return whole

    def _upgrade(self, headers: dict[str, str], deadline: float) -> None:
        request = self._protocol.connect()
        request.headers.update(headers)
        self._protocol.send_request(request)
        self._socket.setblocking(False)
        self.flush()
        poll = native.original("select", "poll")()
        poll.register(self._socket, select.POLLIN)
        while not self.is_open:
            if not poll.poll(_left(deadline) * 1000):
                raise ConnectionFailed("unreachable", f"No answer within {OPEN_WITHIN_S:.0f} s.")
            self._receive_once()
            if self._protocol.handshake_exc is not None:
                raise _not_upgraded(self._protocol.handshake_exc)

    def _receive_once(self) -> bool:
        """Feed what has arrived to the protocol; whether there may be more right now."""
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except _NOT_NOW:
            return False
        except OSError as problem:
            raise ConnectionFailed("lost", f"The connection was lost: {problem}.") from None
        if not data:
            self._protocol.receive_eof()
            return False
        self._protocol.receive_data(data)
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0


class Waiter:
    """Where the sensor's thread sleeps: until the socket is ready, somebody wakes it, or the time is over.

    A pipe and not a lock, so that one call waits for both; file objects and not numbers, so that a late `wake` cannot
    write to a file of the application's that has got the number since.
    """

    def __init__(self) -> None:
        woken, waking = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(waking, False)
        self._woken = io.FileIO(woken, "r")
        self._waking = io.FileIO(waking, "w")

    def wake(self) -> None:
        """End the sleep now, from any thread. Never blocks: a full pipe wakes as well, a closed one has nobody."""
        with suppress(OSError, ValueError):
            self._waking.write(b"\0")

    def wait(self, websocket: WebSocket | None, timeout: float) -> bool:
        """Sleep at most ``timeout`` seconds; whether the websocket has something to read."""
        poll = native.original("select", "poll")()
        poll.register(self._woken, select.POLLIN)
        if websocket is not None:
            poll.register(websocket, select.POLLIN | (select.POLLOUT if websocket.wants_to_write else 0))
        ready = dict(poll.poll(max(0.0, timeout) * 1000))
        if self._woken.fileno() in ready:
            self._woken.read(64 * 1024)
        return websocket is not None and bool(ready.get(websocket.fileno(), 0) & _READABLE)

    def close(self) -> None:
        self._woken.close()
        self._waking.close()


# ---------------------------------------------------------------- connecting


def _connect(address: WebSocketURI, tls: ssl.SSLContext | None, deadline: float) -> socket.socket:
    proxy = _proxy_for(address)
    if proxy is None:
        raw = _connected(address.host, address.port, deadline)
    else:
        raw = _through_proxy(proxy, address, deadline)
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.secure:
            raw.settimeout(_left(deadline))
            raw = (tls or _verifying()).wrap_socket(raw, server_hostname=address.host)
    except BaseException:
        raw.close()
        raise
    return raw


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    """A TCP connection to the first of the host's addresses that takes one."""
    problem: OSError | None = None
    resolve = native.original("socket", "getaddrinfo")
    for family, kind, protocol, _, address in resolve(host, port, 0, socket.SOCK_STREAM):
        raw: socket.socket = native.original("socket", "socket")(family, kind, protocol)
        try:
            raw.settimeout(_left(deadline))
            raw.connect(address)
        except OSError as failure:
            raw.close()
            problem = failure
        else:
            return raw
    raise problem or OSError(f"{host} has no address")


def _verifying() -> ssl.SSLContext:
    """TLS that checks the certificate and its name against the system's authorities (or SSL_CERT_FILE)."""
    context: ssl.SSLContext = native.original("ssl", "SSLContext")(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return context


def _proxy_for(address: WebSocketURI) -> str | None:
    """What the environment names for this address: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY."""
    if _is_loopback(address.host) or urllib.request.proxy_bypass(f"{address.host}:{address.port}"):
        return None
    proxies = urllib.request.getproxies_environment()
    return proxies.get("https" if address.secure else "http") or proxies.get("all")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _through_proxy(proxy: str, address: WebSocketURI, deadline: float) -> socket.socket:
    """A tunnel by HTTP CONNECT."""
    parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme != "http" or not parts.hostname:
        raise ConnectionFailed("proxy_unsupported", "Only proxies of the form http://host:port can be used.")
    raw = _connected(parts.hostname, parts.port or 80, deadline)
    try:
        raw.sendall(_connect_request(address, parts))
        answer = b""
        while b"\r\n\r\n" not in answer and len(answer) < MAX_PROXY_ANSWER:
            raw.settimeout(_left(deadline))
            if not (byte := raw.recv(1)):  # not one byte more: what follows belongs to the tunnel
                break
            answer += byte
        if answer[9:12] != b"200":
            refused = answer.split(b"\r\n")[0].decode("latin-1")[:100]
            raise ConnectionFailed("proxy_refused", f"The proxy {parts.hostname} refused: {refused}")
    except BaseException:
        raw.close()
        raise
    return raw


def _connect_request(address: WebSocketURI, proxy: urllib.parse.SplitResult) -> bytes:
    host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [f"CONNECT {host}:{address.port} HTTP/1.1", f"Host: {host}:{address.port}"]
    if proxy.username:
        credentials = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(credentials.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def _not_upgraded(problem: Exception) -> ConnectionFailed:
    if isinstance(problem, InvalidStatus):
        return ConnectionFailed("not_upgraded", f"The gateway answered HTTP {problem.response.status_code}.")
    return ConnectionFailed("not_upgraded", f"There is no websocket at this address: {problem}.")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(f"no answer within {OPEN_WITHIN_S:.0f} s")
    return left
