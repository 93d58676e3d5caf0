"""One attempt over HTTP, judged. The exceptions of requests and urllib3 stop here.

They print the URL that they failed on, and our URL is the credential: nothing of them
goes on but what kind of failure it was. Tries nothing twice.
"""

from __future__ import annotations

import gzip
import http.client
import logging
import time
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

import requests
import urllib3.exceptions

from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.http.connection import DeadlineAdapter
from target_patterns_webhook.http.deadline import Deadline
from target_patterns_webhook.http.environment import UnusableError, environment
from target_patterns_webhook.http.failures import Cause, Failure, cause_of
from target_patterns_webhook.http.outcome import (
    Outcome,
    Verdict,
    from_response,
    readable,
)
from target_patterns_webhook.http.signing import Signer
from target_patterns_webhook.settings.redaction import Redaction

if TYPE_CHECKING:
    from target_patterns_webhook.delivery.batching import Payload
    from target_patterns_webhook.settings.settings import Settings

MOST_READ = 65_536  # bytes of an answer
MOST_KEPT = 1_000  # characters of it
CONNECT_SECONDS = 10.0
GZIP_LEVEL = 5


class Transport:
    """One sender's way to the webhook, over one kept connection. Not for two threads.

    Only ``abort`` may be called from elsewhere.
    """

    def __init__(self, settings: Settings, payload: Payload) -> None:
        """Take where to send, and how.

        Raises:
            ConfigError: the URL or a header cannot be sent.
        """
        # Both log URLs, at debug level and when headers cannot be parsed.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._deadline = Deadline()
        self._seconds = settings.timeout_seconds
        self._webhook = settings.webhook
        self._zip = settings.compression == "gzip"
        self._redact = Redaction(settings)
        self._signer = (
            Signer(settings.signing_secret) if settings.signing_secret else None
        )
        self._session = requests.Session()
        # Proxies and the CA bundle come from the environment, .netrc does not.
        self._session.trust_env = False
        try:
            self._environment = environment(settings.webhook.url)
        except UnusableError as error:
            msg = f"{error}."
            raise ConfigError(msg) from None
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, DeadlineAdapter(self._deadline))
        self._request = _request(settings, payload)

    def post(self, name: str, body: bytes, wire: bytes) -> Outcome:
        """Send a body once and say what came of it. Raises nothing for a failure.

        ``name`` is its id, ``wire`` the body as ``compress`` made it.
        """
        started = time.monotonic()
        self._deadline.start(self._seconds)
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
                timeout=(min(self._seconds, CONNECT_SECONDS), self._seconds),
                allow_redirects=False,
                stream=True,
                verify=self._environment.verify,
                proxies=self._environment.proxies,
            )
            return self._read(response, started)
        except FAILURES as error:
            silent = response is None and not self._deadline.fresh
            seconds = time.monotonic() - started
            return self._failure(cause_of(error), seconds, silent=silent)
        finally:
            if response is not None:
                response.close()

    def compress(self, body: bytes) -> bytes:
        """Return what goes over the wire: the same bytes for the same body."""
        return gzip.compress(body, GZIP_LEVEL, mtime=0) if self._zip else body

    def abort(self) -> None:
        """Break off what is in flight, from any thread."""
        self._deadline.abort()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _read(self, response: requests.Response, started: float) -> Outcome:
        content = b""
        while len(content) < MOST_READ:
            piece = response.raw.read(MOST_READ - len(content), decode_content=False)
            if not piece:
                break
            content += piece
        else:
            self._deadline.drop()  # the rest is not for us: no use waiting for it
        if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            cause = Cause(Failure.NOT_LET_THROUGH, status=response.status_code)
            return self._failure(cause, time.monotonic() - started, silent=False)
        encodings = response.headers.get("Content-Encoding", "")
        text = self._redact(readable(content, encodings, MOST_READ))
        return from_response(
            response.status_code,
            str(response.reason or ""),
            response.headers,
            text[:MOST_KEPT],
            now=datetime.now(UTC),
            seconds=time.monotonic() - started,
            url=self._webhook.url,
        )

    def _failure(self, cause: Cause, seconds: float, *, silent: bool) -> Outcome:
        """Name what went wrong, in words of our own."""
        if fatal := self._fatal(cause):
            return Outcome(Verdict.FATAL, *fatal, seconds=seconds)
        late = {Failure.TIMED_OUT, Failure.NO_CONNECTION}
        if self._deadline.overdue or cause.kind in late:
            message = f"The webhook did not answer within {seconds:.3g} s."
            return Outcome(
                Verdict.RETRY, "time-out", message, seconds=seconds, timed_out=True
            )
        name = NAMES.get(cause.kind, "connection broken")
        message = f"The connection to the webhook failed ({name})."
        stale = silent and cause.kind is Failure.BROKEN
        return Outcome(Verdict.RETRY, name, message, seconds=seconds, stale=stale)

    def _fatal(self, cause: Cause) -> tuple[str, str, str] | None:
        """Say what no waiting repairs: its name, what happened, what to do."""
        if cause.kind is Failure.UNTRUSTED:
            return (
                "TLS",
                f"The webhook's certificate is not trusted: {cause.detail}.",
                "Check webhook_url; for a private authority set REQUESTS_CA_BUNDLE.",
            )
        if cause.kind is Failure.NO_TLS:
            return (
                "TLS",
                "The webhook's host does not speak TLS on this port.",
                "Check webhook_url: http:// or https://, and the port.",
            )
        if cause.kind is Failure.NOT_LET_THROUGH and cause.status < 500:  # noqa: PLR2004 - the proxy's own fault
            words = self._environment.refused(cause.status, self._webhook.host)
            return "proxy", f"{words}.", ""
        return None


FAILURES = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)
NAMES = {
    Failure.PROXY: "proxy",
    Failure.NOT_LET_THROUGH: "proxy",
    Failure.NAME: "name not found",
    Failure.REFUSED: "connection refused",
    Failure.CUT: "answer cut off",
    Failure.TLS: "TLS",
}


def _request(settings: Settings, payload: Payload) -> requests.PreparedRequest:
    ours = {
        "Content-Type": payload.content_type,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": f"target-patterns-webhook/{version('target-patterns-webhook')}",
    }
    given = {name.lower() for name in settings.headers}
    merged = {n: v for n, v in ours.items() if n.lower() not in given}
    url = settings.webhook.url
    try:
        return requests.Request(
            "POST", url, headers=merged | settings.headers
        ).prepare()
    except (requests.RequestException, ValueError):
        message = "webhook_url or headers cannot be sent."
        raise ConfigError(message, hint="Check both for stray characters.") from None
