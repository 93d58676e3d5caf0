"""The crew: threads that send what is held, and the keeper beside them.

Owns every sender and every wait. What is sent, when, and what an answer means is
decided in holdings.py and below it; how one request goes is transport.py's.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from target_patterns_webhook.dead_letters import DeadLetters
from target_patterns_webhook.delivery.outbox import Holdings
from target_patterns_webhook.delivery.state_writer import Keeper
from target_patterns_webhook.delivery.stats import Figures
from target_patterns_webhook.http.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from target_patterns_webhook.delivery.chunk import Parcel
    from target_patterns_webhook.delivery.circuit_breaker import Attempt
    from target_patterns_webhook.http.outcome import Answer
    from target_patterns_webhook.settings.settings import Settings

__all__ = ["Delivery", "Figures"]

logger = logging.getLogger("target-patterns-webhook")

_LEAST = 0.001  # seconds: a wait of 0 would spin
_LAST_SECONDS = 5.0  # for all senders together, to end after their connections
_NEWS = 1.0  # seconds of waiting that are worth a line in the log


class Delivery:
    """At-least-once delivery of records, and of states behind them, in a ``with``.

    ``add``, ``mark`` and ``drain`` are for one thread, ``stop`` for any. The first
    failure comes out of whichever of them is called next.
    """

    def __init__(  # noqa: PLR0913 - its surroundings, all by name
        self,
        settings: Settings,
        *,
        write_state: Callable[[bytes], object],
        keys: Callable[[str], Sequence[str]] = lambda _: (),
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float | None], object] = (
            threading.Condition.wait
        ),
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``write_state`` is called by one thread; what it raises ends the delivery.

        ``keys`` names the key properties of a stream, from any thread.
        """
        self._settings = settings
        self._clock = clock
        self._wait = wait
        self._holdings = Holdings(settings, clock=clock, chance=chance, keys=keys)
        self.figures = self._holdings.figures
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # something to send, maybe
        self._room = threading.Condition(self._lock)  # something was settled, or failed
        self._opened = 0  # batches
        self._burying = 0
        self._stopping = self._closing = False
        self._failure: BaseException | None = None
        self._noted: set[str] = set()
        self._stack = ExitStack()
        self._dead_letters: DeadLetters | None = None
        self._transports: list[Transport] = []
        self._senders: list[threading.Thread] = []
        self._keeper = Keeper(
            self._holdings,
            self._lock,
            write_state=write_state,
            sealed=self._work.notify_all,
            failed=self._fail,
            clock=clock,
            wait=wait,
        )

    def __enter__(self) -> Self:
        """Open the dead-letter file and start. Raises ConfigError; sends nothing."""
        with ExitStack() as stack:
            if self._settings.on_rejected == "dead_letter":
                letters = DeadLetters(self._settings.dead_letter_path)
                self._dead_letters = stack.enter_context(letters)
            for number in range(self._settings.max_parallel_requests):
                transport = Transport(self._settings, self._holdings.payload)
                stack.callback(transport.close)
                self._transports.append(transport)
                sender = threading.Thread(
                    target=self._send, args=(transport,), name=f"sender-{number}"
                )
                sender.daemon = True
                self._senders.append(sender)
            self._stack = stack.pop_all()
        for sender in self._senders:
            sender.start()
        self._keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Await what is under way, for as long as a request may take; end all threads.

        After ``stop`` nothing is awaited: the grace was ``drain``'s. The last safe
        state is written in any case.
        """
        with self._stack:
            with self._lock:
                self._closing = True
                self._work.notify_all()
                until = self._clock() + self._settings.timeout_seconds
                while self._busy and not self._stopping and self._clock() < until:
                    self._wait(self._room, max(_LEAST, until - self._clock()))
            for transport in self._transports:
                transport.abort()
            until = time.monotonic() + _LAST_SECONDS
            for sender in self._senders:
                sender.join(max(0.0, until - time.monotonic()))
            self._keeper.end(patient=lambda: not self._stopping)
        if kind is None and self._problem is not None:
            raise self._problem

    def add(self, stream: str, *records: bytes) -> None:
        """Take JSON objects of a stream, in order. Blocks while too much is held.

        Raises the first failure. After ``stop`` it does not block.
        """
        holdings = self._holdings
        with self._lock:
            if holdings.add(stream, records):
                holdings.put()
                self._work.notify()
            if holdings.batcher.opened != self._opened:
                self._note_opened()
            if holdings.full or self._problem is not None:
                self._await_room()

    def mark(self, state: bytes) -> None:
        """Take the JSON of a STATE's value, written once all before it is delivered."""
        with self._lock:
            self._holdings.mark(state)
            self._keeper.nudge()
            self._raise_problem()

    def drain(self, timeout: float | None = None) -> bool:
        """Seal what is open and await the answers. Return whether nothing is left.

        ``timeout`` in seconds. After ``stop`` it returns at once when nothing could be
        sent before that. Raises the first failure.
        """
        with self._lock:
            until = None if timeout is None else self._clock() + timeout
            while not (self._holdings.empty and not self._burying):
                self._raise_problem()
                if self._holdings.seal():
                    self._work.notify_all()
                left = None if until is None else until - self._clock()
                if left is not None and (left <= 0 or self._hopeless(until)):
                    return False
                self._wait(self._room, left)
            self._holdings.dispatch.finish()
            self._raise_problem()
            return True

    def stop(self) -> None:
        """Wake every wait at once; what is held gets its last chance in ``drain``."""
        with self._lock:
            self._stopping = True
            self._holdings.dispatch.hurry(self._clock())
            self._work.notify_all()
            self._room.notify_all()

    @property
    def _problem(self) -> BaseException | None:
        return self._failure or self._holdings.dispatch.failure

    @property
    def _busy(self) -> bool:
        return bool(self._holdings.gate.under_way or self._burying)

    def _raise_problem(self) -> None:
        if self._problem is not None:
            raise self._problem

    def _await_room(self) -> None:
        self._raise_problem()
        while self._holdings.full and not self._stopping:
            if not self._holdings.dispatch.waiting and self._holdings.seal():
                self._work.notify()  # many streams, none of them with a full batch
            self._wait(self._room, None)
            self._raise_problem()

    def _note_opened(self) -> None:
        """Make the keeper look up in time for a batch that was just opened."""
        self._opened = self._holdings.batcher.opened
        self._holdings.note_oldest()
        self._keeper.nudge()

    def _hopeless(self, until: float | None) -> bool:
        """Whether, stopping, nothing can be sent any more before ``until``."""
        if not self._stopping or self._busy or until is None:
            return False
        at = self._holdings.dispatch.wake_at()
        return at is None or at > until

    def _send(self, transport: Transport) -> None:
        """Be one sender: take, send, take in the answer; until the end."""
        try:
            while (taken := self._take()) is not None:
                self._deliver(transport, *taken)
        except BaseException as error:  # noqa: BLE001 - it comes out of add or drain
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error
            self._work.notify_all()
            self._room.notify_all()

    def _take(self) -> tuple[Parcel, Attempt] | None:
        dispatch = self._holdings.dispatch
        with self._lock:
            while not self._closing and self._failure is None:
                taken = self._holdings.next()
                now, at = self._clock(), dispatch.wake_at()
                if taken is not None:
                    if at is not None and at <= now:
                        self._work.notify()  # one more may go
                    self._room.notify()
                    return taken
                self._wait(self._work, None if at is None else max(_LEAST, at - now))
        return None

    def _deliver(self, transport: Transport, parcel: Parcel, attempt: Attempt) -> None:
        try:
            name, body = self._holdings.encode(parcel)
            wire = transport.compress(body)
            answer = transport.post(name, body, wire)
        except BaseException:  # a bug: nobody is to await what will not be answered
            with self._lock:
                self._holdings.gate.leave(attempt)
            raise
        with self._lock:
            letters = self._holdings.answered(parcel, attempt, answer, len(wire))
            self._report(parcel, answer)
            self._burying += bool(letters)
            self._announce()
        if letters and self._dead_letters is not None:
            try:
                self._dead_letters.write(letters)
                with self._lock:
                    self._holdings.bury(letters)
            finally:
                with self._lock:
                    self._burying -= 1
                    self._announce()

    def _announce(self) -> None:
        """Tell whoever waits for what an answer may have changed."""
        if self._holdings.dispatch.waiting:
            self._work.notify()
        self._keeper.nudge()
        self._room.notify()

    def _report(self, parcel: Parcel, answer: Answer) -> None:
        """Log what a person would want to know, once or seldom."""
        until = max(parcel.not_before, self._holdings.gate.held_until)
        wait = until - self._clock()
        if answer.note and answer.note not in self._noted:
            self._noted.add(answer.note)
            logger.warning("%s", answer.note)
        elif parcel.failures and wait >= _NEWS:
            logger.warning("%s Trying again in %.0f s.", answer.message, wait)
