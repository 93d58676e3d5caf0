"""The crew: threads that send what is held, beside the one that writes states.

Owns every sender and every wait. What is sent, when, and what an answer means is
decided in outbox.py and below it, how one request goes in http/transport.py.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from target_patterns_webhook.dead_letters import DeadLetters
from target_patterns_webhook.delivery.outbox import Outbox
from target_patterns_webhook.delivery.state_writer import StateWriter
from target_patterns_webhook.http.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_patterns_webhook.delivery.chunk import Chunk
    from target_patterns_webhook.delivery.circuit_breaker import Attempt
    from target_patterns_webhook.http.outcome import Outcome
    from target_patterns_webhook.settings.settings import Settings

logger = logging.getLogger("target-patterns-webhook")

MIN_WAIT = 0.001  # seconds: a wait of 0 would spin
LAST_SECONDS = 5.0  # for all senders together, to end after their connections
LOG_WAITS_FROM = 1.0  # seconds of waiting that are worth a line in the log


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
        self._outbox = Outbox(settings, clock=clock, chance=chance, keys=keys)
        self.stats = self._outbox.stats
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # something to send, maybe
        self._room = threading.Condition(self._lock)  # something was settled, or failed
        self._burying = 0
        self._stopping = self._closing = False
        self._noted: set[str] = set()
        self._stack = ExitStack()
        self._dead_letters: DeadLetters | None = None
        self._transports: list[Transport] = []
        self._senders: list[threading.Thread] = []
        self._state_writer = StateWriter(
            self._outbox,
            self._lock,
            write_state=write_state,
            sealed=self._work.notify_all,
            failed=self._fail,
            clock=clock,
            wait=wait,
        )

    def __enter__(self) -> Self:
        """Open the dead-letter file and start; send nothing.

        Raises:
            ConfigError: a URL, a header or the file cannot be used.
        """
        with ExitStack() as stack:
            if self._settings.on_rejected == "dead_letter":
                letters = DeadLetters(self._settings.dead_letter_path)
                self._dead_letters = stack.enter_context(letters)
            for number in range(self._settings.max_parallel_requests):
                transport = Transport(self._settings, self._outbox.payload)
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
        self._state_writer.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Await what is in flight, for as long as a request may take; end all threads.

        After ``stop`` nothing is awaited: the grace was ``drain``'s. The last safe
        state is written in any case.
        """
        with self._stack:
            with self._lock:
                self._closing = True
                self._work.notify_all()
                until = self._clock() + self._settings.timeout_seconds
                while self._busy and not self._stopping and self._clock() < until:
                    self._wait(self._room, max(MIN_WAIT, until - self._clock()))
            for transport in self._transports:
                transport.abort()
            until = time.monotonic() + LAST_SECONDS
            for sender in self._senders:
                sender.join(max(0.0, until - time.monotonic()))
            self._state_writer.end(patient=lambda: not self._stopping)
        if kind is None:
            self._raise_failure()

    def add(self, stream: str, *records: bytes) -> None:
        """Take JSON objects of a stream, in order. Blocks while too much is held.

        Raises the first failure. After ``stop`` it does not block.
        """
        outbox = self._outbox
        with self._lock:
            opened = outbox.batcher.opened
            if outbox.add(stream, records):
                self._work.notify()
            if outbox.batcher.opened != opened:
                self._state_writer.nudge()  # it may be the first that is due
            if outbox.full or outbox.failure is not None:
                self._await_room()

    def mark(self, state: bytes) -> None:
        """Take the JSON of a STATE's value, written once all before it is delivered."""
        with self._lock:
            self._outbox.mark(state)
            self._state_writer.nudge()
            self._raise_failure()

    def drain(self, timeout: float | None = None) -> bool:
        """Seal what is open and await the answers. Return whether nothing is left.

        Without a ``timeout``, in seconds, it returns when ``stop`` is called; with one,
        after ``stop``, at once when nothing could be sent in time. Raises the first
        failure.
        """
        with self._lock:
            until = None if timeout is None else self._clock() + timeout
            while not (self._outbox.empty and not self._burying):
                self._raise_failure()
                if self._outbox.seal():
                    self._work.notify_all()
                left = None if until is None else until - self._clock()
                if left is None and self._stopping:
                    return False
                if left is not None and (left <= 0 or self._hopeless(until)):
                    return False
                self._wait(self._room, left)
            self._outbox.finish()
            self._raise_failure()
            return True

    def stop(self) -> None:
        """Wake every wait at once; what is held gets its last chance in ``drain``."""
        with self._lock:
            self._stopping = True
            self._outbox.hurry()
            self._work.notify_all()
            self._room.notify_all()

    @property
    def _busy(self) -> bool:
        return bool(self._outbox.breaker.in_flight or self._burying)

    def _raise_failure(self) -> None:
        if self._outbox.failure is not None:
            raise self._outbox.failure

    def _await_room(self) -> None:
        self._raise_failure()
        while self._outbox.full and not self._stopping:
            if not self._outbox.waiting and self._outbox.seal():
                self._work.notify()  # many streams, none of them with a full batch
            self._wait(self._room, None)
            self._raise_failure()

    def _hopeless(self, until: float | None) -> bool:
        """Whether, stopping, nothing can be sent any more before ``until``."""
        if not self._stopping or self._busy or until is None:
            return False
        at = self._outbox.wake_at()
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
            self._outbox.fail(error)
            self._work.notify_all()
            self._room.notify_all()

    def _take(self) -> tuple[Chunk, Attempt] | None:
        with self._lock:
            while not self._closing and self._outbox.failure is None:
                taken = self._outbox.next()
                now, at = self._clock(), self._outbox.wake_at()
                if taken is not None:
                    if at is not None:
                        self._work.notify()  # one more may go, now or at its time
                    self._room.notify()
                    return taken
                self._wait(self._work, None if at is None else max(MIN_WAIT, at - now))
        return None

    def _deliver(self, transport: Transport, chunk: Chunk, attempt: Attempt) -> None:
        try:
            outbox = self._outbox
            name, body = chunk.encode(outbox.payload, outbox.occurrences)
            wire = transport.compress(body)
            outcome = transport.post(chunk.stream, name, body, wire)
        except BaseException:  # a bug: no answer will come to wait for
            with self._lock:
                self._outbox.breaker.leave(attempt)
            raise
        with self._lock:
            letters = self._outbox.answered(chunk, attempt, outcome, len(wire))
            self._report(chunk, outcome)
            self._burying += bool(letters)
            self._announce()
        if letters and self._dead_letters is not None:
            try:
                self._dead_letters.write(letters)
                with self._lock:
                    self._outbox.bury(letters)
            finally:
                with self._lock:
                    self._burying -= 1
                    self._announce()

    def _announce(self) -> None:
        """Wake the threads that may go on, now that a response has come."""
        if self._outbox.waiting:
            self._work.notify()
        self._state_writer.nudge()
        self._room.notify()

    def _report(self, chunk: Chunk, outcome: Outcome) -> None:
        """Log what a person would want to know, once or seldom."""
        until = max(chunk.not_before, self._outbox.breaker.held_until)
        wait = until - self._clock()
        if outcome.note and outcome.note not in self._noted:
            self._noted.add(outcome.note)
            logger.warning("%s", outcome.note)
        elif chunk.failures and wait >= LOG_WAITS_FROM:
            logger.warning("%s Trying again in %.0f s.", outcome.message, wait)
