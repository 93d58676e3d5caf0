"""One attempt at PostHog over HTTP. No retry, no meaning: an answer, or none.

The library's exceptions stop here: they print URLs and headers, and ours hold the key.
"""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
import zlib
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHUNK = 1 << 18  # bytes asked of the socket at once
CONNECT_SECONDS = 15.0
GZIP = zlib.MAX_WBITS | 16  # zlib's sign for the format
MOST_BYTES = 1 << 30  # that are taken on an answer's word


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question: a path under `base_url`, and a JSON body or a query string."""

    method: str
    path: str
    body: bytes | None = None
    params: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, its body as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def unpacked(self) -> Answer:
        """Decompress the body, once nobody waits for the connection any more.

        Raises:
            NoAnswerError: it is not what its header says.

        """
        if self.headers.get("Content-Encoding", "").lower() != "gzip" or not self.body:
            return self
        try:
            # Its last bytes say its size: memory taken once halves the time.
            size = int.from_bytes(self.body[-4:], "little")
            body = zlib.decompress(self.body, GZIP, min(size, MOST_BYTES))
            if len(body) != size:  # more than one member, or more than 4 GiB
                body = gzip.decompress(self.body)
            return replace(self, body=body)
        except (OSError, EOFError, zlib.error):
            what = "the answer cannot be decompressed"
            raise NoAnswerError(what, connected=True) from None


class NoAnswerError(Exception):
    """The connection failed, or ended or hung before the answer was whole."""

    def __init__(
        self, what: str, *, connected: bool, certificate: bool = False
    ) -> None:
        super().__init__(what)
        self.connected = connected  # somebody at that address took the request
        self.certificate = certificate  # who it is could not be verified


class _Bearer(requests.auth.AuthBase):
    """Sets the key at the last moment, which also keeps `.netrc` from replacing it."""

    def __init__(self, key: str) -> None:
        self._header = f"Bearer {key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class Transport:
    """Keep-alive connections to one server, one session for each thread."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take `timeout` as seconds for a whole request, its answer included."""
        self._base_url = base_url
        self._api_key = api_key
        self._timeout = timeout
        self._clock = clock
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def send(self, request: Request) -> Answer:
        """Make one attempt; redirects are not followed: they would carry the key.

        Raises:
            NoAnswerError: nothing, or not all, came back in time.

        """
        deadline = self._clock() + self._timeout
        connected = False
        try:
            with self._session().request(
                request.method,
                self._base_url + request.path,
                data=request.body,
                params=request.params,
                timeout=(min(CONNECT_SECONDS, self._timeout), self._timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                connected = True
                body = self._read(response, deadline)
                return Answer(response.status_code, response.headers, body)
        except requests.exceptions.SSLError:
            what = "the server's certificate is not trusted"
            raise NoAnswerError(what, connected=False, certificate=True) from None
        except requests.exceptions.ProxyError:
            what = "the proxy did not connect"
            raise NoAnswerError(what, connected=False) from None
        except requests.exceptions.ConnectTimeout:
            what = "no connection in time"
            raise NoAnswerError(what, connected=False) from None
        except (requests.exceptions.Timeout, TimeoutError):
            what = f"no answer within {self._timeout:g} s"
            raise NoAnswerError(what, connected=True) from None
        except (requests.RequestException, HTTPError, OSError) as exc:
            what, reached = _explain(exc, connected=connected)
            raise NoAnswerError(what, connected=reached) from None

    def close(self) -> None:
        """Let go of the connections."""
        for session in self._sessions:
            session.close()

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """Read the body as it comes, but never past the deadline."""
        parts: list[bytes] = []
        while True:
            left = deadline - self._clock()
            if left <= 0:
                raise TimeoutError
            # A time-out counts from the last byte; ours is for the whole answer.
            sock = getattr(response.raw.connection, "sock", None)
            if sock is not None:
                sock.settimeout(left)
            part = response.raw.read1(CHUNK, decode_content=False)
            if not part:
                return b"".join(parts)
            parts.append(part)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = _Bearer(self._api_key)
            session.headers.update(
                {
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip",
                    "Content-Type": "application/json",
                    "User-Agent": f"tap-posthog/{version('tap-posthog')}",
                }
            )
            self._local.session = session
            self._sessions.append(session)
        return session


def _explain(exc: BaseException, *, connected: bool) -> tuple[str, bool]:
    """Say in words what broke, and whether a server had been reached."""
    seen: list[str] = []
    cause: Any = exc
    while cause is not None and len(seen) < 8:  # noqa: PLR2004 - deep enough
        seen.append(type(cause).__name__)
        inner = next((a for a in cause.args if isinstance(a, BaseException)), None)
        cause = getattr(cause, "reason", None) or inner
        if not isinstance(cause, BaseException):
            break
    if "NameResolutionError" in seen:
        return "the server's name cannot be resolved", False
    if "NewConnectionError" in seen or "ConnectionRefusedError" in seen:
        return "the server refuses connections", False
    with contextlib.suppress(IndexError):
        return f"the connection broke ({seen[-1]})", connected or (
            "ProtocolError" in seen
        )
    return "the connection broke", connected
