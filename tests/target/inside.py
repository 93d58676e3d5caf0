"""The target within this process, for tests of what it says and does, not how it ends.

Hundreds of starts of a real process would take minutes; see process.py for those.
"""

from __future__ import annotations

import io
import json
import logging
import signal
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from target_patterns_webhook.errors import TargetError
from target_patterns_webhook.target import TargetPatternsWebhook
from tests.support.receiver import Receiver
from tests.target.process import NAME, Ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Give what is logged at info level and above."""
    words = io.StringIO()
    handler = logging.StreamHandler(words)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield words
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@contextmanager
def own_handlers() -> Iterator[None]:
    """Give this process its signal handlers back: a run that was stopped keeps them."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_inside(config: Mapping[str, object], given: bytes) -> Ended:
    """Run a target over ``given``, from start to end."""
    code = 0
    with logged() as words, own_handlers(), redirect_stdout(io.StringIO()) as states:
        try:
            target = TargetPatternsWebhook(config=json.loads(json.dumps(config)))
            target.listen(io.BytesIO(given))  # type: ignore[arg-type]  # bytes do as well
        except TargetError as error:
            code = error.exit_code
            words.write(f"{NAME}{error}\n")
        return Ended(code, states.getvalue().encode(), words.getvalue())


def deliver(given: bytes, **config: object) -> tuple[Ended, list[Any]]:
    """Run a target over ``given``; return how it ended and which records arrived.

    The invariant of its stats holds, whatever happened.
    """
    with Receiver() as receiver:
        ended = run_inside({"webhook_url": receiver.url, **config}, given)
        arrived = [r for request in receiver.requests for r in request.records]
    stats = ended.summary
    parts = ("accepted", "dead_lettered", "filtered", "undelivered")
    assert stats["read"] == sum(stats[part] for part in parts)
    return ended, arrived
