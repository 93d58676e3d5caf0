"""What broke a request, told from the exceptions of requests and urllib3. Pure.

Their texts hold URLs and headers, which may be secrets: only the kind goes on.

Both packages hold this file, byte for byte.
"""

from __future__ import annotations

import enum
import http.client
import re
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple

import requests
from urllib3 import exceptions as urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")  # http.client's words


class Failure(enum.Enum):
    """Kinds of failure."""

    UNTRUSTED = enum.auto()  # the server's certificate
    NO_TLS = enum.auto()  # at that port
    NOT_LET_THROUGH = enum.auto()  # the proxy answered, and refused
    PROXY = enum.auto()  # the proxy did not connect
    NO_CONNECTION = enum.auto()  # in time
    NAME = enum.auto()  # is not known
    REFUSED = enum.auto()  # nothing listens there
    TIMED_OUT = enum.auto()  # connected, but not answered in time
    CUT = enum.auto()  # the answer, before its end
    TLS = enum.auto()  # any other trouble with it
    BROKEN = enum.auto()  # the connection


class Cause(NamedTuple):
    """What broke a request."""

    kind: Failure
    status: int = 0  # that the proxy answered
    detail: str = ""  # OpenSSL's words on a certificate


def cause_of(error: BaseException) -> Cause:
    """Name what an exception of requests, urllib3 or a socket comes from."""
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return Cause(Failure.UNTRUSTED, detail=each.verify_message)
        if isinstance(each, ssl.SSLError) and each.reason in NOT_TLS:
            return Cause(Failure.NO_TLS)
        if isinstance(each, OSError) and (said := TUNNEL.match(str(each))):
            return Cause(Failure.NOT_LET_THROUGH, status=int(said[1]))
    for kinds, failure in FAILURES:
        if any(isinstance(each, kinds) for each in chain):
            return Cause(failure)
    return Cause(Failure.BROKEN)


FAILURES: list[tuple[tuple[type[BaseException], ...], Failure]] = [
    ((requests.exceptions.ProxyError, urllib3.ProxyError), Failure.PROXY),
    ((socket.gaierror, UnicodeError), Failure.NAME),
    ((ConnectionRefusedError,), Failure.REFUSED),
    # urllib3's own time-outs count a refused connection too, so it comes before.
    ((urllib3.ConnectTimeoutError,), Failure.NO_CONNECTION),
    ((TimeoutError, urllib3.ReadTimeoutError, requests.ReadTimeout), Failure.TIMED_OUT),
    ((urllib3.IncompleteRead, http.client.IncompleteRead), Failure.CUT),
    ((ConnectionError,), Failure.BROKEN),
    ((ssl.SSLError,), Failure.TLS),
]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it was made from, which urllib3 keeps in `args`."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        found = queue.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            queue += [*found.args, getattr(found, "reason", None)]
            queue += [found.__cause__, found.__context__]
