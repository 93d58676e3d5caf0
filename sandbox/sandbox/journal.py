"""Which requests there were, as the server saw them. Control requests are not in it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTROL = "/sandbox/"


class Journal:
    """An ASGI layer that notes each request; endpoints add what they know."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way = 0
        self.entries: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry out a request, and note it when it is done."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._carry_out(scope, receive, send)
            return
        self._under_way += 1
        entry: dict[str, Any] = {
            "method": scope["method"],
            "path": scope["path"],
            "status": None,  # stays so when the connection breaks before an answer
            "hogql": None,
            "rows_read": None,
            "bytes_read": None,
            "rows": None,
            "in_flight": self._under_way,
        }
        scope["sandbox.entry"] = entry
        started = time.monotonic()
        self.entries.append(entry)

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
            entry["seconds"] = time.monotonic() - started
            await send(message)

        try:
            await self._carry_out(scope, receive, note)
        finally:
            entry["seconds"] = time.monotonic() - started
            self._under_way -= 1

    async def _carry_out(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep the connection where a defect of ours is answered by a 500.

        Starlette answers and raises all the same; uvicorn would then close the
        connection, and the client's next request on it would be reset.
        """
        try:
            await self._app(scope, receive, send)
        except Exception:
            path = scope.get("path", "")
            logging.getLogger("uvicorn.error").exception("A defect at %s", path)
