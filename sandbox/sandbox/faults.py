"""Faults on purpose: an ASGI layer between the client and the true answer."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from typing import TYPE_CHECKING

import msgspec

from sandbox.journal import CONTROL

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GARBAGE = b"<!doctype html><title>Just a moment...</title><p>Checking your browser"
_WORDS = {"reset", "accept-reset", "cut", "hang", "slow", "garbage"}


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """Which requests meet a fault, and which faults.

    Attributes:
        path: A regular expression, searched for in the path.
        share: How many of the matching requests, 0 to 1.
        times: The most faults in all; None is no limit.
        skip: How many matching requests pass first.
        actions: One is drawn for each fault: a status (`503`), a status with
            Retry-After (`429:2`), `reset`, `accept-reset`, `cut`, `hang:5`,
            `slow:0.5` or `garbage`.
    """

    path: str = ""
    share: float = 1.0
    times: int | None = None
    skip: int = 0
    actions: tuple[str, ...] = ("503",)

    def __post_init__(self) -> None:
        """Refuse what is no expression or no fault, before it is in force."""
        try:
            re.compile(self.path)
        except re.error as exc:
            msg = f"no such expression: {self.path} ({exc})"
            raise ValueError(msg) from exc
        for action in self.actions:
            word, _, argument = action.partition(":")
            if word not in _WORDS and not re.fullmatch(r"[2-5]\d\d", word):
                msg = f"no such fault: {action}"
                raise ValueError(msg)
            if argument:
                float(argument)


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    """The rules in force, in order: the first one that draws a fault decides."""

    rules: tuple[Rule, ...] = ()
    seed: int = 1


class Faults:
    """The layer. Seed and order say which request meets which fault."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.set(Plan())

    def set(self, plan: Plan) -> None:
        """Put other rules in force; the draws start anew."""
        self._rules = plan.rules
        self._rng = random.Random(plan.seed)  # noqa: S311 - to be repeatable
        self._seen = [0] * len(plan.rules)
        self._met = [0] * len(plan.rules)

    def _draw(self, path: str) -> str | None:
        for number, rule in enumerate(self._rules):
            if not re.search(rule.path, path):
                continue
            self._seen[number] += 1
            if self._seen[number] <= rule.skip:
                continue
            if rule.times is not None and self._met[number] >= rule.times:
                continue
            if self._rng.random() < rule.share:
                self._met[number] += 1
                return self._rng.choice(rule.actions)
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry out a request, or not."""
        action = None
        if scope["type"] == "http" and not scope["path"].startswith(CONTROL):
            action = self._draw(scope["path"])
        word, _, argument = (action or "").partition(":")
        if word == "slow":
            await asyncio.sleep(float(argument or 1))
        if word in {"", "slow"}:
            await self._app(scope, receive, send)
        elif word == "cut":
            await self._app(scope, receive, _Cut(send, receive))
        elif word in {"reset", "hang"}:
            await _read(receive)  # or the reset may meet the client while it sends
            await asyncio.sleep(float(argument or 0))
            await _reset(receive)
        elif word == "accept-reset":
            await self._app(scope, receive, _nowhere)
            await _reset(receive)
        else:
            await _read(receive)
            status, body = (200, _GARBAGE) if word == "garbage" else (int(word), b"")
            await _answer(send, status, body, argument)


async def _answer(send: Send, status: int, body: bytes, retry_after: str) -> None:
    body = (
        body
        or b'{"type":"server_error","code":"error","detail":"A fault.","attr":null}'
    )
    kind = b"text/html" if body == _GARBAGE else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if retry_after:
        headers.append((b"retry-after", retry_after.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> None:
    """Take the request in, so that the client can finish sending it."""
    while (await receive()).get("more_body"):
        pass


async def _nowhere(_: Message) -> None:
    """Send an answer nowhere."""


async def _reset(receive: Receive) -> None:
    """Break the connection with a TCP RST: what is unsent is lost, at once.

    ASGI has no word for it; uvicorn's `receive` is a method of its request, which
    knows the transport.
    """
    transport: asyncio.Transport = receive.__self__.transport  # type: ignore[attr-defined]  # bound method
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Wait until uvicorn knows that nobody waits for an answer."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Cut:
    """Let half of the answer's body through, then break the connection."""

    def __init__(self, send: Send, receive: Receive) -> None:
        self._send = send
        self._receive = receive
        self._cut = False

    async def __call__(self, message: Message) -> None:
        if self._cut:
            return
        body = message.get("body", b"")
        if message["type"] == "http.response.body" and body:
            half = body[: len(body) // 2]
            await self._send({**message, "body": half, "more_body": True})
            self._cut = True
            transport = self._receive.__self__.transport  # type: ignore[attr-defined]  # see _reset
            transport.close()  # after what is written
            await _gone(self._receive)
        else:
            await self._send(message)
