"""What came back for one request, and what it means. Pure: no I/O."""

from __future__ import annotations

import dataclasses
import enum
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from target_patterns_webhook.http.retry_after import retry_after
from target_patterns_webhook.settings.webhook import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

RETRIED_STATUSES = frozenset({408, 425, 429})
REJECTED_STATUSES = frozenset({400, 422})
HELD_STATUSES = frozenset({429, 503})
NOT_FOLLOWED = (
    "Redirects are never followed: set {setting} to the address that it leads to."
)
CHECK = "Check {setting} and headers."
PAGE = (
    "If they are right, a firewall, a proxy or a login page answers in the webhook's "
    "place: ask who runs it."
)
HINTS = {
    401: "Check {setting}, and headers if the receiver wants a token.",
    403: "Check {setting}, and headers if the receiver wants a token.",
    404: "Check {setting}: there is no webhook at this address.",
    405: "Check {setting}: what is there takes no POST.",
    410: "The webhook was removed: make a new one and set {setting} to it.",
    415: "Check payload_format and compression: the receiver cannot read them.",
}


class Verdict(enum.Enum):
    """What an answer means for the records that it answers."""

    ACCEPTED = enum.auto()
    RETRY = enum.auto()
    HOLD_ALL = enum.auto()  # retry, and hold every other sender too
    TOO_LARGE = enum.auto()
    REJECTED = enum.auto()
    CONFLICT = enum.auto()  # retry what was sent before, else fatal
    FATAL = enum.auto()


MAY_ASK = frozenset({Verdict.RETRY, Verdict.HOLD_ALL, Verdict.CONFLICT})  # to wait


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one attempt. Neither text holds the URL or anything sent.

    ``cause`` names a failure in the stats, as "503" or "time-out"; ``message`` is
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


def judge(status: int, *, asked_to_wait: bool = False) -> Verdict:
    """Say what a status code means. ``asked_to_wait``: it came with a Retry-After.

    A 413 that asks to wait is temporary (RFC 9110, 15.5.14). A 409 says that an earlier
    attempt under the same Idempotency-Key is still worked on (the IETF's draft on that
    header, 2.6). What is not named here is fatal: a wrong token or URL must never cost
    records.
    """
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        return Verdict.ACCEPTED
    if status in HELD_STATUSES:
        return Verdict.HOLD_ALL
    if status in RETRIED_STATUSES or 500 <= status < 600:  # noqa: PLR2004 - server errors
        return Verdict.RETRY
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict.RETRY if asked_to_wait else Verdict.TOO_LARGE
    if status == HTTPStatus.CONFLICT:
        return Verdict.CONFLICT
    return Verdict.REJECTED if status in REJECTED_STATUSES else Verdict.FATAL


def from_response(  # noqa: PLR0913 - a response is this wide
    status: int,
    reason: str,
    headers: Mapping[str, str],
    text: str,
    *,
    now: datetime,
    seconds: float,
    url: str = "",
    setting: str = "webhook_url",
) -> Outcome:
    """Judge a complete response; ``text``: as much of its body as may be kept.

    ``url`` is where the request went; its host alone is ever repeated. ``setting`` is
    where the user gave it.
    """
    asked = retry_after(headers.get("Retry-After"), headers.get("Date"), now)
    verdict = judge(status, asked_to_wait=asked is not None)
    name = f"{status} {_reason(status, reason)}".rstrip()
    page = _is_page(headers, text)
    hint = HINTS.get(status, "")
    if verdict is Verdict.FATAL and 300 <= status < 400:  # noqa: PLR2004 - redirects
        hint = NOT_FOLLOWED
        leads = _leads(url, headers.get("Location", ""))
        message = f"The webhook answered {name}{leads}."
    elif page and verdict is not Verdict.ACCEPTED:
        message = f"The webhook's host{_at(url)} answered {name} with a web page."
        if verdict is Verdict.FATAL:
            hint = f"{hint or CHECK} {PAGE}"
    else:
        message = f"The webhook answered {name}."
        if verdict in {Verdict.FATAL, Verdict.CONFLICT}:
            hint = hint or CHECK
    return Outcome(
        verdict=verdict,
        cause=str(status),
        message=message,
        hint=hint.format(setting=setting),
        status=status,
        response=text,
        retry_after=asked if verdict in MAY_ASK else None,
        seconds=seconds,
        timed_out=status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT},
        note=_note(name, setting, page=page) if verdict is Verdict.ACCEPTED else "",
    )


def readable(content: bytes, encodings: str, most: int) -> str:
    """Return the text of a body, unpacked to ``most`` bytes at most; it may be cut.

    ``encodings`` is its Content-Encoding. What cannot be read is empty: we asked for
    no encoding, and only look for the receiver's reasons.
    """
    for name in reversed([name.strip().lower() for name in encodings.split(",")]):
        if name in {"gzip", "x-gzip"}:
            windows = [zlib.MAX_WBITS | 16]  # zlib's sign for gzip
        elif name == "deflate":  # as RFC 9110 has it, and as some servers do
            windows = [zlib.MAX_WBITS, -zlib.MAX_WBITS]
        elif name in {"", "identity"}:
            continue
        else:
            return ""
        content = next(
            filter(None, (_unpacked(content, w, most) for w in windows)), b""
        )
    return content[:most].decode("utf-8", "replace")


def _unpacked(content: bytes, window: int, most: int) -> bytes:
    try:
        return zlib.decompressobj(window).decompress(content, most)
    except zlib.error:
        return b""


def _is_page(headers: Mapping[str, str], text: str) -> bool:
    if headers.get("Content-Type", "").lower().startswith("text/html"):
        return True
    return text[:200].lstrip().lower().startswith(("<!doctype html", "<html"))


def _note(name: str, setting: str, *, page: bool) -> str:
    """Say what is odd about an answer that accepts."""
    if page:
        return f"The webhook answered {name} with a web page: is {setting} right?"
    return "" if name == "200 OK" else f"The webhook answers {name}: taken as accepted."


def _reason(status: int, said: str) -> str:
    """Prefer the standard's words: what a receiver says is not ours to print."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return said[:40] if said.isascii() and said.replace(" ", "").isalpha() else ""


def _leads(url: str, location: str) -> str:  # noqa: PLR0911 - a table
    """Say where a Location leads: a host, never a path, which may be a credential."""
    try:
        asked, to = urlsplit(url), urlsplit(urljoin(url, location))
        _ = to.port  # raises where it is no number
    except ValueError:
        return ""
    if not location or not to.hostname:
        return ""
    if (to.scheme, to.netloc) != (asked.scheme, asked.netloc):
        return f", which leads to {shown(to)}"
    if to.path == f"{asked.path}/":
        return ", which leads to the same path with a slash at its end"
    if f"{to.path}/" == asked.path:
        return ", which leads to the same path without the slash at its end"
    if to.path == asked.path:
        return ", which leads back to itself"
    return ", which leads to another path of the same host"


def _at(url: str) -> str:
    parts = urlsplit(url)
    return f", {shown(parts)}," if parts.hostname else ""
