"""A webhook that is never the bottleneck: it counts, waits and answers 200.

It owns no truth about delivery under faults; `tests/support/receiver.py` does.
`python -m tests.bench.receiver SECONDS` waits that long before each answer; `GET` gives
the figures, and starts them again.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from tests.bench.wire import Reply, Request, response, serve

MARK = b'"distinct_id"'  # once in each record; inside `properties` it has no quotes


class Stats(msgspec.Struct):
    """What was accepted since somebody last looked. Gzip bodies are not opened."""

    requests: int = 0
    records: int = 0
    nbytes: int = 0


class Receiver:
    """The webhook's one decision: count it, then answer."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._stats = Stats()
        self._accepted = response(b"ok")

    async def answer(self, request: Request) -> Reply:
        """Accept a POST; tell the figures to a GET."""
        if request.head.startswith(b"GET"):
            told, self._stats = msgspec.json.encode(self._stats), Stats()
            return Reply(response(told))
        self._stats.requests += 1
        self._stats.nbytes += request.length
        self._stats.records += request.buffer.count(MARK, 0, request.length)
        return Reply(self._accepted, self._latency)


if __name__ == "__main__":
    asyncio.run(serve(Receiver(float(sys.argv[1])).answer))
