"""The one HTTP client that asks backends: it owns time-outs, retries, TLS, rates, sizes and where it may go.

Every request is a reading one, so every request may be repeated. Redirects are not followed: they are how a
guarded address is reached after all.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from json import JSONDecodeError, loads
from types import TracebackType
from typing import Any, Literal

import httpx
import tenacity

from investigations import __version__
from investigations.lib.addresses import RefusedAddress, check_url, resolve

TIMEOUT_S = 10.0
"""For one attempt, its last byte included."""
DEADLINE_S = 25.0
"""For all attempts together."""
ATTEMPTS = 3
MAX_BYTES = 32 * 1024 * 1024
REQUESTS_A_SECOND = 20.0
"""To one host, from one process."""
_RETRIED = frozenset({429, 502, 503, 504})

Failing = Literal["error", "timeout", "denied"]


class RequestFailed(Exception):
    """No usable answer came: ``status`` and a sentence for people, and the answer's own text when there was one."""

    def __init__(
        self,
        status: Failing,
        sentence: str,
        *,
        code: int | None = None,
        body: bytes = b"",
        retryable: bool = False,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(sentence)
        self.status: Failing = status
        self.sentence = sentence
        self.code = code
        self.body = body
        self.retryable = retryable
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer, read to its end."""

    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises `RequestFailed` when it is none."""
        try:
            return loads(self.body)
        except (JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RequestFailed("error", f"The answer is not JSON: {error}.", body=self.body) from error


class Client:
    """Asks one base URL. Use it as a context manager; safe from several threads."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        ca_file: str | None = None,
        timeout_s: float = TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
        max_bytes: int = MAX_BYTES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        check_url(base_url)
        self.base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes
        inner = transport or httpx.HTTPTransport(verify=ssl.create_default_context(cafile=ca_file))
        self._http = httpx.Client(
            transport=_Guarded(inner),
            headers={"User-Agent": f"sightline/{__version__}", **(headers or {})},
            auth=basic,
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply:
        """GET ``path`` below the base URL. Raises `RequestFailed`."""
        return self._patiently(lambda: self._http.build_request("GET", self.base_url + path, params=params))

    def post_form(self, path: str, form: Mapping[str, Any]) -> Reply:
        """POST a form that only asks (a query too long for a URL). Raises `RequestFailed`."""
        return self._patiently(
            lambda: self._http.build_request("POST", self.base_url + path, data=dict(form))
        )

    def _patiently(self, build: Any) -> Reply:
        """Ask again after what may pass, within the deadline; at least as late as the server asks for."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(self._deadline_s),
            wait=_wait,
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, RequestFailed) and error.retryable
            ),
            reraise=True,
        )
        return retrying(lambda: self._once(build()))

    def _once(self, request: httpx.Request) -> Reply:
        _bucket(request.url.host).take()
        try:
            response = self._http.send(request, stream=True)
            try:
                body = self._read(response)
            finally:
                response.close()
        except RefusedAddress as error:
            raise RequestFailed("denied", str(error)) from error
        except httpx.TimeoutException as error:
            sentence = f"{request.url.host} did not answer within {self._timeout_s:g} s."
            raise RequestFailed("timeout", sentence, retryable=True) from error
        except (httpx.TransportError, OSError) as error:
            sentence = f"{request.url.host} cannot be reached: {error}."
            raise RequestFailed("error", sentence, retryable=True) from error
        except httpx.DecodingError as error:
            raise RequestFailed(
                "error", f"The answer of {request.url.host} cannot be decoded: {error}."
            ) from error
        if response.is_success:
            return Reply(body)
        raise _refusal(response, body)

    def _read(self, response: httpx.Response) -> bytes:
        """The whole body, unless it is too long, or drips so slowly that the attempt's time is over."""
        until = time.monotonic() + self._timeout_s
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._max_bytes:
                raise RequestFailed("error", f"The answer is longer than {self._max_bytes:,} bytes.")
            if time.monotonic() > until:
                raise httpx.ReadTimeout("the body did not end in time", request=response.request)
        return bytes(body)


class _Guarded(httpx.BaseTransport):
    """Resolves the name once, checks the address, and connects to exactly that: no second look-up can change it."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        address = resolve(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=str(address))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class _Bucket:
    """Lets ``rate`` callers a second through, each in turn; the others sleep."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._next = 0.0
        self._lock = threading.Lock()

    def take(self) -> None:
        with self._lock:
            now = time.monotonic()
            mine = max(self._next, now - self._gap * 5)  # five may come at once after a pause
            self._next = mine + self._gap
        if mine > now:
            time.sleep(mine - now)


_buckets: dict[str, _Bucket] = {}
_buckets_lock = threading.Lock()


def _bucket(host: str) -> _Bucket:
    with _buckets_lock:
        return _buckets.setdefault(host, _Bucket(REQUESTS_A_SECOND))


_BACK_OFF = tenacity.wait_exponential_jitter(multiplier=0.2, max=3.0, jitter=0.2)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_for = error.retry_after_s if isinstance(error, RequestFailed) else 0.0
    return max(_BACK_OFF(state), asked_for)


def _refusal(response: httpx.Response, body: bytes) -> RequestFailed:
    code, host = response.status_code, response.request.headers.get("Host", response.request.url.host)
    said = body[:300].decode(errors="replace").strip()
    if code in (401, 403):
        return RequestFailed(
            "denied", f"{host} refused the credentials ({code}): {said}", code=code, body=body
        )
    if response.is_redirect:
        where = response.headers.get("Location", "elsewhere")[:200]
        return RequestFailed("error", f"{host} redirects to {where}; give that address itself.", code=code)
    return RequestFailed(
        "error",
        f"{host} answered {code}: {said}",
        code=code,
        body=body,
        retryable=code in _RETRIED,
        retry_after_s=_retry_after(response.headers.get("Retry-After", "")),
    )


def _retry_after(header: str) -> float:
    """Seconds to wait, from either form of the header; 0 without one that can be read."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0
