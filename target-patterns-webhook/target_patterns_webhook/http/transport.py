"""One attempt over HTTP, judged. The exceptions of urllib3 stop here.

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
from typing import TYPE_CHECKING

import urllib3

from target_patterns_webhook.http.connection import DeadlineAdapter
from target_patterns_webhook.http.deadline import Deadline
from target_patterns_webhook.http.failures import Cause, Failure, cause_of
from target_patterns_webhook.http.outcome import (
    Outcome,
    Verdict,
    from_response,
    readable,
)
from target_patterns_webhook.http.route import Route
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
    """One sender's way to the webhooks, over kept connections. Not for two threads.

    Only ``abort`` may be called from elsewhere.
    """

    def __init__(self, settings: Settings, payload: Payload) -> None:
        """Take where to send, and how.

        Raises:
            ConfigError: a URL or a header cannot be sent.
        """
        # Both log URLs, at debug level and when headers cannot be parsed.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._deadline = Deadline()
        self._seconds = settings.timeout_seconds
        self._webhooks = settings.webhooks
        self._zip = settings.compression == "gzip"
        self._redact = Redaction(settings)
        self._signer = (
            Signer(settings.signing_secret) if settings.signing_secret else None
        )
        webhooks = [*settings.webhooks]
        self._adapter = DeadlineAdapter(self._deadline, hosts=len(webhooks))
        self._routes = {
            each: Route.to(each, self._adapter, payload.content_type, settings.headers)
            for each in webhooks
        }
        self._timeout = urllib3.Timeout(
            connect=min(self._seconds, CONNECT_SECONDS), read=self._seconds
        )

    def post(self, stream: str, name: str, body: bytes, wire: bytes) -> Outcome:
        """Send a body once and say what came of it. Raises nothing for a failure.

        ``stream`` is whose records it holds, ``name`` its id, ``wire`` the body as
        ``compress`` made it.
        """
        webhook = self._webhooks.of(stream)
        assert webhook is not None  # noqa: S101 - the intake refuses such a stream
        route = self._routes[webhook]
        started = time.monotonic()
        self._deadline.start(self._seconds)
        headers = {"Idempotency-Key": name}
        if self._zip:
            headers["Content-Encoding"] = "gzip"
        if self._signer is not None:
            headers |= self._signer.headers(name, body, time.time())
        response: urllib3.BaseHTTPResponse | None = None
        try:
            response = route.send(wire, headers, self._timeout)
            return self._read(route, response, started)
        except FAILURES as error:
            silent = response is None and not self._deadline.fresh
            seconds = time.monotonic() - started
            return self._failure(route, cause_of(error), seconds, silent=silent)
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    def compress(self, body: bytes) -> bytes:
        """Return what goes over the wire: the same bytes for the same body."""
        return gzip.compress(body, GZIP_LEVEL, mtime=0) if self._zip else body

    def abort(self) -> None:
        """Break off what is in flight, from any thread."""
        self._deadline.abort()

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def _read(
        self, route: Route, response: urllib3.BaseHTTPResponse, started: float
    ) -> Outcome:
        content = b""
        while len(content) < MOST_READ:
            piece = response.read(MOST_READ - len(content), decode_content=False)
            if not piece:
                break
            content += piece
        else:
            self._deadline.drop()  # the rest is not for us: no use waiting for it
        if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            cause = Cause(Failure.NOT_LET_THROUGH, status=response.status)
            seconds = time.monotonic() - started
            return self._failure(route, cause, seconds, silent=False)
        encodings = response.headers.get("Content-Encoding", "")
        text = self._redact(readable(content, encodings, MOST_READ))
        return from_response(
            response.status,
            str(response.reason or ""),
            response.headers,
            text[:MOST_KEPT],
            now=datetime.now(UTC),
            seconds=time.monotonic() - started,
            url=route.webhook.url,
            setting=route.webhook.setting,
        )

    def _failure(
        self, route: Route, cause: Cause, seconds: float, *, silent: bool
    ) -> Outcome:
        """Name what went wrong, in words of our own."""
        if fatal := _fatal(route, cause):
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


FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
NAMES = {
    Failure.PROXY: "proxy",
    Failure.NOT_LET_THROUGH: "proxy",
    Failure.NAME: "name not found",
    Failure.REFUSED: "connection refused",
    Failure.CUT: "answer cut off",
    Failure.TLS: "TLS",
}


def _fatal(route: Route, cause: Cause) -> tuple[str, str, str] | None:
    """Say what no waiting repairs: its name, what happened, what to do."""
    setting = route.webhook.setting
    if cause.kind is Failure.UNTRUSTED:
        return (
            "TLS",
            f"The webhook's certificate is not trusted: {cause.detail}.",
            f"Check {setting}; for a private authority set REQUESTS_CA_BUNDLE.",
        )
    if cause.kind is Failure.NO_TLS:
        return (
            "TLS",
            "The webhook's host does not speak TLS on this port.",
            f"Check {setting}: http:// or https://, and the port.",
        )
    if cause.kind is Failure.NOT_LET_THROUGH and cause.status < 500:  # noqa: PLR2004 - the proxy's own fault
        words = route.environment.refused(cause.status, route.webhook.host)
        return "proxy", f"{words}.", ""
    return None
