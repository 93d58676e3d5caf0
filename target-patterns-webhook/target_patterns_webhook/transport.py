"""One attempt over HTTP, judged. The exceptions of requests and urllib3 stop here.

They print the URL that they failed on, and our URL is the credential: nothing of them
goes on but what kind of failure it was. Tries nothing twice.
"""

from __future__ import annotations

import gzip
import http.client
import logging
import socket
import ssl
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import requests
import urllib3.exceptions

from target_patterns_webhook.answer import Answer, from_response
from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.line import Line, LineAdapter
from target_patterns_webhook.redaction import Redaction
from target_patterns_webhook.retry import Verdict
from target_patterns_webhook.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from target_patterns_webhook.batching import Payload
    from target_patterns_webhook.settings import Settings

_MOST_READ = 65_536  # bytes of an answer
_MOST_KEPT = 1_000  # characters of it
_CONNECT_SECONDS = 10.0
_GZIP_LEVEL = 5


class Transport:
    """One sender's way to the webhook, over one kept connection. Not for two threads.

    Only ``abort`` may be called from elsewhere.
    """

    def __init__(self, settings: Settings, payload: Payload) -> None:
        """Raise ConfigError for a URL or headers that cannot be sent."""
        # Both log URLs, at debug level and when headers cannot be parsed.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._line = Line()
        self._seconds = settings.timeout_seconds
        self._zip = settings.compression == "gzip"
        self._redact = Redaction(settings)
        self._signer = (
            Signer(settings.signing_secret) if settings.signing_secret else None
        )
        self._session = requests.Session()
        url = settings.webhook_url
        # Proxies and the CA bundle come from the environment, .netrc does not.
        self._options = self._session.merge_environment_settings(
            url, {}, stream=True, verify=None, cert=None
        )
        self._session.trust_env = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, LineAdapter(self._line))
        self._request = _request(url, settings.headers, payload)

    def post(self, name: str, body: bytes, wire: bytes) -> Answer:
        """Send a body once and say what came of it. Raises nothing for a failure.

        ``name`` is its id, ``wire`` the body as ``compress`` made it.
        """
        started = time.monotonic()
        self._line.start(self._seconds)
        request = self._request.copy()
        request.body = wire
        request.headers["Content-Length"] = str(len(wire))
        request.headers["Idempotency-Key"] = name
        if self._zip:
            request.headers["Content-Encoding"] = "gzip"
        if self._signer is not None:
            request.headers.update(self._signer.headers(name, body, time.time()))
        response: requests.Response | None = None
        try:
            response = self._session.send(
                request,
                timeout=(min(self._seconds, _CONNECT_SECONDS), self._seconds),
                allow_redirects=False,
                **self._options,
            )
            return self._read(response, started)
        except _FAILURES as error:
            silent = response is None and not self._line.fresh
            return self._failure(error, time.monotonic() - started, silent=silent)
        finally:
            if response is not None:
                response.close()

    def compress(self, body: bytes) -> bytes:
        """Return what goes over the wire: the same bytes for the same body."""
        return gzip.compress(body, _GZIP_LEVEL, mtime=0) if self._zip else body

    def abort(self) -> None:
        """Break off what is under way, from any thread."""
        self._line.start(0)
        self._line.abort()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _read(self, response: requests.Response, started: float) -> Answer:
        content = b""
        while len(content) < _MOST_READ:
            piece = response.raw.read(_MOST_READ - len(content), decode_content=False)
            if not piece:
                break
            content += piece
        else:
            self._line.abort()  # the rest is not for us: no use waiting for it
        zipped = response.headers.get("Content-Encoding", "identity") != "identity"
        text = "" if zipped else self._redact(content.decode("utf-8", "replace"))
        return from_response(
            response.status_code,
            str(response.reason or ""),
            response.headers,
            text[:_MOST_KEPT],
            now=datetime.now(UTC),
            seconds=time.monotonic() - started,
        )

    def _failure(self, error: Exception, seconds: float, *, silent: bool) -> Answer:
        """Name what went wrong, in words of our own."""
        kinds = list(_chain(error))
        for kind in kinds:
            if fatal := _fatal(kind):
                message, hint = fatal
                return Answer(Verdict.FATAL, "TLS", message, hint, seconds=seconds)
        if self._line.overdue or any(isinstance(k, _LATE) for k in kinds):
            message = f"The webhook did not answer within {seconds:.3g} s."
            return Answer(
                Verdict.RETRY, "time-out", message, seconds=seconds, timed_out=True
            )
        cause = next(
            (cause for kind, cause in _CAUSES for k in kinds if isinstance(k, kind)),
            "connection broken",
        )
        message = f"The connection to the webhook failed ({cause})."
        stale = silent and cause == "connection broken"
        return Answer(Verdict.RETRY, cause, message, seconds=seconds, stale=stale)


_FAILURES = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)
_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
# Not urllib3's TimeoutError: a refused connection is one of those too.
_LATE = (TimeoutError, urllib3.exceptions.ReadTimeoutError, requests.ReadTimeout)
_CAUSES: list[tuple[type[BaseException], str]] = [
    (requests.exceptions.ProxyError, "proxy"),
    (socket.gaierror, "name not found"),
    (ConnectionRefusedError, "connection refused"),
    (urllib3.exceptions.IncompleteRead, "answer cut off"),
    (ConnectionError, "connection broken"),
    (ssl.SSLError, "TLS"),
    (OSError, "connection broken"),
]


def _request(
    url: str, headers: dict[str, str], payload: Payload
) -> requests.PreparedRequest:
    ours = {
        "Content-Type": payload.content_type,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": f"target-patterns-webhook/{version('target-patterns-webhook')}",
    }
    given = {name.lower() for name in headers}
    merged = {n: v for n, v in ours.items() if n.lower() not in given} | headers
    try:
        return requests.Request("POST", url, headers=merged).prepare()
    except (requests.RequestException, ValueError):
        message = "webhook_url or headers cannot be sent."
        raise ConfigError(message, hint="Check both for stray characters.") from None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it was made from, which urllib3 keeps in ``args``."""
    seen: MutableMapping[int, BaseException] = {}
    queue: list[object] = [error]
    while queue:
        found = queue.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen[id(found)] = found
            yield found
            queue += [*found.args, getattr(found, "reason", None)]
            queue += [found.__cause__, found.__context__]


def _fatal(error: BaseException) -> tuple[str, str] | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The webhook's certificate is not to be trusted: {error.verify_message}.",
            "Check webhook_url; for a private authority set REQUESTS_CA_BUNDLE.",
        )
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return (
            "The webhook's host speaks no TLS at this port.",
            "Check webhook_url: http:// or https://, and the port.",
        )
    if isinstance(error, OSError) and "CA certificate bundle" in str(error):
        return (
            "The CA bundle that the environment names cannot be read.",
            "Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE.",
        )
    return None
