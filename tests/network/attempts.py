"""One attempt at a server by each program's transport, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from tap_posthog.api.transport import NoResponseError, Request
from tap_posthog.api.transport import Transport as TapTransport
from target_patterns_webhook.delivery.batching import Payload
from target_patterns_webhook.http.outcome import Verdict
from target_patterns_webhook.http.transport import Transport as TargetTransport
from tests.support.simulation import settings

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = b'[{"id":"1"}]'
SECRET = "canary"  # noqa: S105 - in every URL and header


class Came(NamedTuple):
    """What came of an attempt, in the target's words for both."""

    what: str  # a status, or what failed
    final: bool = False  # no waiting repairs it
    words: str = ""


class Attempt(Protocol):
    """A transport of either program, for several attempts."""

    def __call__(self) -> Came:
        """Make one attempt."""

    def abort(self) -> None:
        """Break it off, from another thread."""

    def close(self) -> None:
        """Let go of the connection."""


class Tap:
    """The tap's: a POST of a query."""

    def __init__(self, url: str, seconds: float = 30) -> None:
        key = f"phx_{SECRET}"
        self._transport = TapTransport(url, key, timeout=seconds, connections=1)
        self.abort, self.close = self._transport.abort, self._transport.close

    def __call__(self) -> Came:
        """Make one attempt."""
        request = Request(method="POST", path="/api/projects/1/query/", body=BODY)
        try:
            answer = self._transport.send(request)
            _ = answer.body
        except NoResponseError as error:
            what = {"TIMED_OUT": "time-out", "NO_CONNECTION": "time-out"}
            names = {"CUT": "answer cut off", "NAME": "name not found", "TLS": "TLS"}
            names |= {"REFUSED": "connection refused", "BROKEN": "connection broken"}
            names |= {"PROXY": "proxy", "NOT_LET_THROUGH": "proxy"} | what
            names |= {"UNTRUSTED": "TLS", "NO_TLS": "TLS"}
            return Came(names[error.kind.name], error.final, str(error))
        return Came(str(answer.status))


class Target:
    """The target's: a POST of a batch."""

    def __init__(self, url: str, seconds: float = 30) -> None:
        given = settings(
            webhook_url=f"{url}/api/app/webhooks/wh_{SECRET}", timeout_seconds=seconds
        )
        self._transport = TargetTransport(given, Payload(given.payload_format))
        self.abort, self.close = self._transport.abort, self._transport.close

    def __call__(self) -> Came:
        """Make one attempt."""
        answer = self._transport.post("events", "msg", BODY, BODY)
        return Came(
            answer.cause,
            answer.verdict is Verdict.FATAL and not answer.status,
            f"{answer.message} {answer.hint}".strip(),
        )


PROGRAMS: list[Callable[..., Attempt]] = [Tap, Target]
