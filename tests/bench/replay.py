"""The sandbox's own answers, kept: the second time a query costs its server nothing.

It stands before a sandbox whose clock is frozen, so that a program that runs again asks
the same. Then what is measured is the reader, not ClickHouse on the same two cores.
`python -m tests.bench.replay URL SECONDS` waits that long before the answer to a query.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import sys
from urllib.parse import urlsplit

import msgspec

from tests.bench.wire import Reply, Request, response, serve

GZIP = re.compile(rb"\r\naccept-encoding:[^\r]*gzip", re.IGNORECASE)
TOKEN = re.compile(rb"\r\nauthorization: *([^\r]*)", re.IGNORECASE)


class Stats(msgspec.Struct):
    """What was asked since somebody last looked."""

    requests: int = 0
    nbytes: int = 0


class Replay:
    """A cache with no end: (path, query, whether gzip is taken) -> the answer."""

    def __init__(self, upstream: str, latency: float) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._latency = latency
        self._kept: dict[tuple[bytes, str | None, bool], bytes] = {}
        self._stats = Stats()

    async def answer(self, request: Request) -> Reply:
        """Answer from memory, or ask the sandbox once and remember."""
        method, path, _ = request.head.split(b" ", 2)
        if path == b"/figures":
            told, self._stats = msgspec.json.encode(self._stats), Stats()
            return Reply(response(told))
        body = bytes(request.buffer[: request.length])
        asked = repr(msgspec.json.decode(body)["query"]) if body else None
        key = (path, asked, GZIP.search(request.head) is not None)
        if key not in self._kept:
            answer, keep = await asyncio.to_thread(
                self._ask, method, request.head, body, path
            )
            if not keep:
                return Reply(answer)
            self._kept[key] = answer
        self._stats.requests += 1
        self._stats.nbytes += len(self._kept[key])
        return Reply(self._kept[key], self._latency)

    def _ask(
        self, method: bytes, head: bytes, body: bytes, path: bytes
    ) -> tuple[bytes, bool]:
        token = TOKEN.search(head)
        headers = {
            "Authorization": token[1].decode() if token else "",
            "Accept-Encoding": "gzip" if GZIP.search(head) else "identity",
            "Content-Type": "application/json",
        }
        connection = http.client.HTTPConnection(self._upstream)
        connection.request(method.decode(), path.decode(), body, headers)
        answer = connection.getresponse()
        told = (
            f"{name}: {value}"
            for name, value in answer.getheaders()
            if name.lower() in {"content-type", "content-encoding", "retry-after"}
        )
        data = response(
            answer.read(), *told, status=f"{answer.status} {answer.reason or '-'}"
        )
        connection.close()
        return data, answer.status == http.HTTPStatus.OK


if __name__ == "__main__":
    asyncio.run(serve(Replay(sys.argv[1], float(sys.argv[2])).answer))
