"""One attempt at PostHog over HTTP. No retry, no meaning: an answer, or none.

The library's exceptions stop here: they print URLs and headers, and ours hold the key.
"""

from __future__ import annotations

import http.client
import logging
import queue
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from tap_posthog import raw_json
from tap_posthog.errors import ConfigError, LostAnswerError
from tap_posthog.http.connection import DeadlineAdapter
from tap_posthog.http.content_encoding import UndecodedError, pieces
from tap_posthog.http.deadline import Deadline
from tap_posthog.http.environment import UnusableError, environment
from tap_posthog.http.failures import Cause, Failure, cause_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_posthog.http.environment import Environment

CHUNK = 1 << 18  # bytes asked of the socket at once
CONNECT_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question: a path under `base_url`, and a JSON body or a query string."""

    method: str
    path: str
    body: bytes | None = None
    params: Mapping[str, str] | None = None
    most_bytes: int | None = None  # of the answer, as it comes; the rest is not read
    good: int = 200  # the status of an answer
    repeatable: bool = True  # whether carrying it out twice does no harm

    def check_repeatable(self, why: str) -> None:
        """Stop what may have been carried out from being sent again.

        Raises:
            LostAnswerError: it must not be.
        """
        if not self.repeatable:
            raise LostAnswerError(why)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, its body as it came: it is unpacked where it is read."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    cut: bool = False  # at the most bytes that were asked for

    @property
    def body(self) -> bytes:
        """The body, unpacked.

        Raises:
            NoResponseError: it is not what its header says, or not readable here.
        """
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Unpack the body a piece at a time.

        Raises:
            NoResponseError: as for `body`, after the good pieces before it.
        """
        try:
            yield from pieces(self.content, self._encodings)
        except UndecodedError as exc:
            raise NoResponseError(str(exc), Failure.CUT) from None

    def json(self) -> Any:  # noqa: ANN401 - whatever the body holds
        """Decode the body, no number rounded.

        Raises:
            ValueError: it is no JSON.
            NoResponseError: as for `body`.
        """
        return raw_json.loads(self.body.decode("utf-8", "replace"))

    @property
    def size(self) -> int:
        """Bytes of the body, as gzip says unpacked; of one that is cut, packed."""
        if not self.cut and "gzip" in self._encodings.lower():
            return int.from_bytes(self.content[-4:], "little")
        return len(self.content)

    @property
    def _encodings(self) -> str:
        return self.headers.get("Content-Encoding", "") if self.content else ""


class NoResponseError(Exception):
    """The connection failed, or ended or hung before the answer was whole."""

    def __init__(self, what: str, kind: Failure, *, final: bool = False) -> None:
        super().__init__(what)
        self.kind = kind
        self.final = final  # no waiting repairs it; `what` says what to do

    @property
    def connected(self) -> bool:
        """Whether somebody at that address took the request."""
        return self.kind in {Failure.TIMED_OUT, Failure.CUT, Failure.BROKEN}


class _Bearer(requests.auth.AuthBase):
    """Sets the key at the last moment: no name in `base_url` replaces it."""

    def __init__(self, key: str) -> None:
        self._header = f"Bearer {key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class _Connection:
    """One kept connection, for one request at a time."""

    def __init__(self, api_key: str, environment: Environment) -> None:
        self.deadline = Deadline()
        self.session = requests.Session()
        self.session.trust_env = False  # it is read already, and .netrc not at all
        self.session.proxies = environment.proxies
        self.session.verify = environment.verify
        self.session.auth = _Bearer(api_key)
        self.session.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "Content-Type": "application/json",
                "User-Agent": f"tap-posthog/{version('tap-posthog')}",
            }
        )
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, DeadlineAdapter(self.deadline))

    def send(self, base_url: str, request: Request, seconds: float) -> Response:
        """Make one attempt, which takes so many seconds at most."""
        self.deadline.start(seconds)
        with self.session.request(
            request.method,
            base_url + request.path,
            data=request.body,
            params=request.params,
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
            allow_redirects=False,
            stream=True,
        ) as response:
            content, most = bytearray(), request.most_bytes
            while part := response.raw.read1(CHUNK, decode_content=False):
                content += part
                if most and len(content) > most:
                    break
            else:
                most = None
            status, headers = response.status_code, response.headers
            return Response(status, headers, bytes(content), cut=most is not None)


class Transport:
    """A fixed number of kept connections to one server, for any number of threads."""

    def __init__(
        self, base_url: str, api_key: str, *, timeout: float, connections: int
    ) -> None:
        """Take `timeout` as seconds for a whole request, its answer included.

        Raises:
            ConfigError: the environment names a proxy or a file that cannot be used.
        """
        # It logs URLs, and a traceback where a header cannot be parsed.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._base_url = base_url
        self._timeout = timeout
        try:
            self._environment = environment(base_url)
        except UnusableError as exc:
            raise ConfigError(str(exc)) from None
        self._connections = [
            _Connection(api_key, self._environment) for _ in range(connections)
        ]
        # The one that was used last comes first: the others may have gone stale.
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()
        for connection in self._connections:
            self._idle.put(connection)

    def send(self, request: Request, most: float | None = None) -> Response:
        """Make one attempt; redirects are not followed: they would carry the key.

        It waits for a connection where all are in use. `most`: seconds, where fewer are
        left than a request may take.

        Raises:
            NoResponseError: nothing, or not all, came back in time.
        """
        seconds = self._timeout if most is None else min(self._timeout, most)
        connection = self._idle.get()
        try:
            response = connection.send(self._base_url, request, seconds)
        except FAILURES as exc:
            raise self._no_response(cause_of(exc), seconds) from None
        finally:
            self._idle.put(connection)
        if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            cause = Cause(Failure.NOT_LET_THROUGH, status=response.status)
            raise self._no_response(cause, seconds)
        return response

    def abort(self) -> None:
        """End all requests in flight, and those that follow, from any thread."""
        for connection in self._connections:
            connection.deadline.abort()

    def close(self) -> None:
        """Let go of the connections."""
        for connection in self._connections:
            connection.session.close()

    def _no_response(self, cause: Cause, seconds: float) -> NoResponseError:
        """Name what went wrong, in words of our own."""
        if final := self._final(cause):
            return NoResponseError(final, cause.kind, final=True)
        if cause.kind is Failure.TIMED_OUT:
            return NoResponseError(f"no answer within {seconds:.3g} s", cause.kind)
        if cause.kind in {Failure.PROXY, Failure.NOT_LET_THROUGH}:
            through = self._environment.variable
            return NoResponseError(
                f"the proxy that {through} names did not connect", cause.kind
            )
        return NoResponseError(WORDS[cause.kind], cause.kind)

    def _final(self, cause: Cause) -> str:
        """Say what no waiting repairs, and what to do."""
        if cause.kind is Failure.UNTRUSTED:
            return (
                f"{self._base_url}: the server's certificate is not trusted. Check "
                "base_url; for a certificate of your own set REQUESTS_CA_BUNDLE to its "
                "file"
            )
        if cause.kind is Failure.NO_TLS:
            return (
                f"{self._base_url}: the server does not speak TLS on this port. Check "
                "base_url: http or https, and the port"
            )
        if cause.kind is Failure.NOT_LET_THROUGH and cause.status < 500:  # noqa: PLR2004 - the proxy's own fault
            host = urlsplit(self._base_url).hostname or ""
            return self._environment.refused(cause.status, host)
        return ""


FAILURES = (requests.RequestException, HTTPError, http.client.HTTPException, OSError)
WORDS = {
    Failure.NO_CONNECTION: "no connection in time",
    Failure.NAME: "the server's name cannot be resolved",
    Failure.REFUSED: "the server refuses connections",
    Failure.CUT: "the answer was cut off",
    Failure.TLS: "the TLS connection failed",
    Failure.BROKEN: "the connection broke",
}
