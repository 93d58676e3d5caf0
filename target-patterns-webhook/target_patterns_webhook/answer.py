"""What came back for one request, and what it means. Pure: no I/O."""

from __future__ import annotations

import dataclasses
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from target_patterns_webhook.retry import Verdict, judge, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_MAY_ASK = frozenset({Verdict.RETRY, Verdict.HOLD, Verdict.CONFLICT})  # to wait
_NOT_FOLLOWED = (
    "Redirects are never followed: set webhook_url to the address that it leads to."
)
_HINTS = {
    401: "Check webhook_url, and headers if the receiver wants a token.",
    403: "Check webhook_url, and headers if the receiver wants a token.",
    404: "Check webhook_url: there is no webhook at this address.",
    405: "Check webhook_url: what is there takes no POST.",
    410: "The webhook was removed: make a new one and set webhook_url to it.",
    415: "Check payload_format and compression: the receiver cannot read them.",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one attempt. Neither text holds the URL or anything sent.

    ``cause`` names a failure in the figures, as "503" or "time-out"; ``message`` is
    one sentence for a person; ``status`` is 0 where no answer came.
    """

    verdict: Verdict
    cause: str
    message: str = ""
    hint: str = ""
    status: int = 0
    response: str = ""
    retry_after: float | None = None
    seconds: float = 0.0
    timed_out: bool = False
    stale: bool = False  # a kept connection had gone before anything came back
    note: str = ""  # what a person should know of an acceptance


def from_response(  # noqa: PLR0913 - a response is this wide
    status: int,
    reason: str,
    headers: Mapping[str, str],
    text: str,
    *,
    now: datetime,
    seconds: float,
) -> Answer:
    """Judge a complete response; ``text``: as much of its body as may be kept."""
    asked = retry_after(headers.get("Retry-After"), headers.get("Date"), now)
    verdict = judge(status, asked_to_wait=asked is not None)
    name = f"{status} {_reason(status, reason)}".rstrip()
    message, hint = f"The webhook answered {name}.", _HINTS.get(status, "")
    if verdict is Verdict.FATAL and 300 <= status < 400:  # noqa: PLR2004 - redirects
        hint = _NOT_FOLLOWED
        if to := _host(headers.get("Location", "")):
            message = f"The webhook answered {name}, which leads to {to}."
    elif verdict in {Verdict.FATAL, Verdict.CONFLICT} and not hint:
        hint = "Check webhook_url and headers."
    return Answer(
        verdict=verdict,
        cause=str(status),
        message=message,
        hint=hint,
        status=status,
        response=text,
        retry_after=asked if verdict in _MAY_ASK else None,
        seconds=seconds,
        timed_out=status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT},
        note=_note(name, headers) if verdict is Verdict.ACCEPTED else "",
    )


def _note(name: str, headers: Mapping[str, str]) -> str:
    """Say what is odd about an answer that accepts."""
    if headers.get("Content-Type", "").startswith("text/html"):
        return f"The webhook answered {name} with a web page: is webhook_url right?"
    return "" if name == "200 OK" else f"The webhook answers {name}: taken as accepted."


def _reason(status: int, said: str) -> str:
    """Prefer the standard's words: what a receiver says is not ours to print."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return said[:40] if said.isascii() and said.replace(" ", "").isalpha() else ""


def _host(location: str) -> str:
    """Return scheme and host of a Location; its path may hold a credential."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
