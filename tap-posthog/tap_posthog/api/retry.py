"""What an answer means, and how long to wait before the next try. No I/O, no clock."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_WAIT = 1.0  # seconds
LONGEST_WAIT = 60.0
# PostHog: time limit, estimated too slow, memory limit. Cloudflare: 524, connected to
# PostHog and waited 100 s for the answer; 522 is no connection at all, and a fault.
TOO_MUCH = {504, 512, 513, 524}


class Verdict(enum.Enum):
    """What to do about one answer."""

    READ = enum.auto()
    WAIT = enum.auto()  # a limit: come back when it says so
    RETRY = enum.auto()  # a fault: come back soon
    SHRINK = enum.auto()  # too much for the server at once: ask for less
    STOP = enum.auto()  # the same request would get the same answer


def judge(status: int, code: str = "", *, divisible: bool = True) -> Verdict:
    """Say what an answer asks for, by its status and the `code` of an error.

    What is too much at once is a fault like others where less cannot be asked for.
    """
    if status == 200:  # noqa: PLR2004 - a status is clearer than its name
        return Verdict.READ
    if status == 429:  # noqa: PLR2004 - as above
        return Verdict.WAIT
    if divisible and (status in TOO_MUCH or code == "too_many_bytes"):
        return Verdict.SHRINK
    if status == 408 or status in range(500, 600):  # noqa: PLR2004 - as above
        return Verdict.RETRY
    return Verdict.STOP


def backoff(attempt: int, rng: Callable[[], float]) -> float:
    """Wait before try number `attempt` (from 1) is repeated: full jitter.

    `rng` gives 0..1. The bound doubles from one second up to a minute.
    """
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 10)) * rng()
