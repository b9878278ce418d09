"""The libraries whose calls a dependency probe tells: which functions of theirs, and how request and answer are read.

Everything is read by the rules of `foreign` and from fields that are filled already: no body is read that the
application has not read, no stream is consumed, no property runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from sightline import foreign, snapshots, wire

MOST_BODY: Final = 64 * 1024
"""Bytes of an answer's body that are looked at."""
_LONGEST: Final = 8_192


class Told(NamedTuple):
    """What was read of one call in the application's thread: immutable leaves and copies only."""

    operation: str = ""
    target: str = ""
    status: int | None = None
    size: int | None = None
    body: bytes | None = None
    answer: Any = foreign.MISSING
    statement: bool = False
    """Whether the target is a statement, whose literals are to be masked."""


Reader = Callable[[Mapping[str, Any], Any, wire.Limits], Told]
"""From the locals of the library's function and what it returned, `foreign.MISSING` where it raised."""


class Entry(NamedTuple):
    """One function of a library, by the module and path it is found under."""

    library: str
    module: str
    path: str
    read: Reader

    def function(self) -> FunctionType | None:
        """The function, if the library is loaded and has it."""
        module = sys.modules.get(self.module)
        if module is None or not issubclass(type(module), ModuleType):
            return None
        found: Any = module
        for part in self.path.split("."):
            if issubclass(type(found), type):
                found = foreign.namespace_of(found).get(part)
            else:
                found = foreign.field(_namespace_of(found), part)
            if found is foreign.MISSING or found is None:
                return None
        while type(found) is FunctionType:  # a decorator's function runs for everything it decorates
            within = found.__dict__.get("__wrapped__")
            if type(within) is not FunctionType:
                return found
            found = within
        return None


_namespace_of: Final[Callable[[ModuleType], dict[str, Any]]] = vars(ModuleType)["__dict__"].__get__


# ---------------------------------------------------------------- reading


def read(value: Any, *path: str) -> Any:
    """A field of a field, or None where there is none that can be read without running code."""
    for name in path:
        if value is None:
            return None
        try:
            value = foreign.read_attribute(value, name)
        except foreign.Unreadable:
            return None
        if value is foreign.MISSING:
            return None
    return value


def text(value: Any) -> str:
    """A text or bytes as a short text; empty for anything else."""
    if type(value) is bytes:
        return value[:_LONGEST].decode("utf-8", "replace")
    return foreign.plain_str(value)[:_LONGEST]


def _number(value: Any) -> int | None:
    return int.__int__(value) if foreign.is_one_of(int, foreign.mro_of(type(value))) else None


def _body(value: Any) -> tuple[bytes | None, int | None]:
    return (value[:MOST_BODY], len(value)) if type(value) is bytes else (None, None)


def _url(url: str) -> str:
    """Host and path: what stands in a query or before an @ is nobody's business."""
    try:
        parts = urlsplit(url)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return ""


def _of_requests(names: Mapping[str, Any], answer: Any, limits: wire.Limits) -> Told:
    request = names.get("request")
    body, size = _body(read(answer, "_content"))
    status = _number(read(answer, "status_code"))
    return Told(text(read(request, "method")), _url(text(read(request, "url"))), status, size, body)


def _of_httpx(names: Mapping[str, Any], answer: Any, limits: wire.Limits) -> Told:
    request = names.get("request")
    parts = read(request, "url", "_uri_reference")
    host, port, path = (read(parts, name) for name in ("host", "port", "path"))
    port_text = f":{port}" if type(port) is int else ""
    body, size = _body(read(answer, "_content"))
    status = _number(read(answer, "status_code"))
    return Told(text(read(request, "method")), f"{text(host)}{port_text}{text(path)}", status, size, body)


def _of_urllib3(names: Mapping[str, Any], answer: Any, limits: wire.Limits) -> Told:
    pool = names.get("self")
    port = _number(read(pool, "port"))
    path = _url(text(names.get("url")))
    host = (
        "" if "://" in text(names.get("url")) else f"{text(read(pool, 'host'))}{f':{port}' if port else ''}"
    )
    body, size = _body(read(answer, "_body"))
    return Told(text(names.get("method")), f"{host}{path}", _number(read(answer, "status")), size, body)


def _of_aiohttp(names: Mapping[str, Any], answer: Any, limits: wire.Limits) -> Told:
    url = names.get("str_or_url")
    netloc, path = text(read(url, "_netloc")), text(read(url, "_path"))
    target = _url(text(url)) if type(url) is str else f"{netloc.rpartition('@')[2]}{path}"
    body, size = _body(read(answer, "_body"))
    return Told(text(names.get("method")).upper(), target, _number(read(answer, "status")), size, body)


def _of_psycopg(names: Mapping[str, Any], answer: Any, limits: wire.Limits) -> Told:
    query = names.get("query")
    statement = text(query) or text(read(query, "_obj"))
    rows = None if answer is foreign.MISSING else _number(read(names.get("self"), "_rowcount"))
    return Told(
        operation_of(statement),
        statement,
        size=rows if rows is not None and rows >= 0 else None,
        statement=True,
    )


def _of_redis(names: Mapping[str, Any], answer: Any, limits: wire.Limits) -> Told:
    args = names.get("args")
    args = args if type(args) is tuple else ()
    operation = text(args[0]) if args else ""
    target = text(args[1]) if len(args) > 1 else ""
    return Told(operation.upper(), target, size=_length(answer), answer=_copied(answer, limits))


def _of_pipeline(names: Mapping[str, Any], answer: Any, limits: wire.Limits) -> Told:
    return Told("PIPELINE", "", size=_length(answer), answer=_copied(answer, limits))


def _of_boto3(names: Mapping[str, Any], answer: Any, limits: wire.Limits) -> Told:
    service = text(read(names.get("self"), "meta", "_service_model", "_service_name"))
    asked = names.get("api_params")
    named = [text(value) for value in asked.values() if type(value) is str][:1] if type(asked) is dict else []
    status = None
    if type(answer) is dict:
        metadata = answer.get("ResponseMetadata")
        status = _number(metadata.get("HTTPStatusCode")) if type(metadata) is dict else None
        answer = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    target = "/".join(each for each in (service, *named) if each)
    return Told(text(names.get("operation_name")), target, status, answer=_copied(answer, limits))


def _copied(answer: Any, limits: wire.Limits) -> Any:
    return answer if answer is foreign.MISSING else snapshots.copy_value(answer, limits)


def _length(value: Any) -> int | None:
    return len(value) if type(value) in (str, bytes, list, tuple, dict, set) else None


def operation_of(statement: str) -> str:
    """The first word of a statement."""
    return statement.lstrip().partition(" ")[0].partition("\n")[0].upper()[:20]


ENTRIES: Final = (
    Entry("requests", "requests.sessions", "Session.send", _of_requests),
    Entry("httpx", "httpx._client", "Client.send", _of_httpx),
    Entry("httpx", "httpx._client", "AsyncClient.send", _of_httpx),
    Entry("urllib3", "urllib3.connectionpool", "HTTPConnectionPool.urlopen", _of_urllib3),
    Entry("aiohttp", "aiohttp.client", "ClientSession._request", _of_aiohttp),
    Entry("psycopg", "psycopg.cursor", "Cursor.execute", _of_psycopg),
    Entry("psycopg", "psycopg.cursor", "Cursor.executemany", _of_psycopg),
    Entry("psycopg", "psycopg.cursor_async", "AsyncCursor.execute", _of_psycopg),
    Entry("psycopg", "psycopg.cursor_async", "AsyncCursor.executemany", _of_psycopg),
    Entry("redis", "redis.client", "Redis.execute_command", _of_redis),
    Entry("redis", "redis.client", "Pipeline.execute", _of_pipeline),
    Entry("redis", "redis.asyncio.client", "Redis.execute_command", _of_redis),
    Entry("redis", "redis.asyncio.client", "Pipeline.execute", _of_pipeline),
    Entry("boto3", "botocore.client", "BaseClient._make_api_call", _of_boto3),
)
SQLITE: Final = "sqlite3"
LIBRARIES: Final = ("requests", "httpx", "urllib3", "aiohttp", "psycopg", SQLITE, "redis", "boto3")
SQLITE_METHODS: Final = frozenset({"execute", "executemany", "executescript"})


def loaded() -> frozenset[str]:
    """The modules of these libraries that are loaded now."""
    names = {entry.module for entry in ENTRIES} | {SQLITE}
    return frozenset(name for name in names if name in sys.modules)


def sqlite_class(value: Any) -> bool:
    """Whether this is a cursor or connection of sqlite3, or of a class derived from one."""
    known = [foreign.known_class(SQLITE, name) for name in ("Cursor", "Connection")]
    return any(
        foreign.is_one_of(each, foreign.mro_of(type(value))) for each in known if each is not foreign.MISSING
    )


def sqlite_rows(owner: Any) -> int | None:
    """The rows that a cursor's last statement changed, if it counts them."""
    cursor = foreign.known_class(SQLITE, "Cursor")
    if cursor is foreign.MISSING or not foreign.is_one_of(cursor, foreign.mro_of(type(owner))):
        return None
    rows = foreign.read_member(foreign.namespace_of(cursor)["rowcount"], owner)
    return rows if rows >= 0 else None


Key = tuple[str, str]


def key_of(code: CodeType) -> Key:
    """What a code object is known by, also when an engine has replaced it."""
    return code.co_qualname, code.co_filename
