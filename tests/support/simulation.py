"""A receiver and a crew in simulated time: hours of delivery in milliseconds.

Runs the target's own pure parts, all but threads and sockets, by events. It says what
was sent when; receivers are functions.
"""

from __future__ import annotations

import dataclasses
import heapq
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from target_patterns_webhook.delivery.outbox import Outbox
from target_patterns_webhook.http.outcome import Outcome, Verdict, from_response
from target_patterns_webhook.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_patterns_webhook.delivery.chunk import Chunk
    from target_patterns_webhook.delivery.circuit_breaker import Attempt

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def settings(**given: object) -> Settings:
    """Return settings with their defaults but for what is given."""
    config: dict[str, Any] = {"webhook_url": "http://127.0.0.1:9/hook", **given}
    return Settings.from_config(config)


def answer(status: int, seconds: float = 0.0, **headers: str) -> Outcome:
    """Return what the transport makes of a response; status 0: a broken connection."""
    if not status:
        return Outcome(Verdict.RETRY, "connection broken", seconds=seconds)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_response(status, "", named, "said", now=NOW, seconds=seconds)


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """One request."""

    at: float
    ids: list[int]
    id: str
    size: int
    in_flight: int  # with this one
    status: int


class Simulation:
    """Sends records 0, 1, 2... of one stream, each a number of ``width`` bytes."""

    def __init__(
        self,
        receiver: Callable[[Simulation, list[int], int], Outcome],
        *,
        seed: int = 1,
        **config: object,
    ) -> None:
        """``receiver`` sees the simulation, the records and the size of the body."""
        self.now = 0.0
        self.log: list[Sent] = []
        self.accepted: list[int] = []
        self.letters: list[int] = []
        self.states: list[int] = []
        self.in_flight = 0
        self.chance = random.Random(seed)  # noqa: S311 - jitter
        self.outbox = Outbox(
            settings(**config), clock=lambda: self.now, chance=self.chance.random
        )
        self._receiver = receiver
        self._sending: set[int] = set()
        self._events: list[tuple[float, int, Chunk, Attempt, Outcome]] = []

    @property
    def failure(self) -> BaseException | None:
        """What ended the delivery."""
        return self.outbox.failure

    def run(self, records: int, *, width: int = 8, until: float = 1e9) -> Simulation:
        """Deliver so many records, with a state after every hundred."""
        given = iter(range(records))
        held = 0
        while self.now < until and self.failure is None:
            while not self.outbox.full and held < records:
                number = next(given)
                held += 1
                record = b"%0*d" % (width, number + 10 ** (width - 1))
                self.outbox.add("s", [record])
                if number % 100 == 99:
                    self.outbox.mark(b"%d" % number)
            if held == records:
                self.outbox.seal()
            self._start()
            if not self._step():
                break
        while self._events:
            self._finish()
        if self.outbox.empty:
            self.outbox.finish()
        return self

    def _start(self) -> None:
        while (taken := self.outbox.next()) is not None:
            chunk, attempt = taken
            name, body = chunk.encode(self.outbox.payload, self.outbox.occurrences)
            ids = [int(r) - 10 ** (len(r) - 1) for r in chunk.records]
            assert self._sending.isdisjoint(ids)  # no record is in two requests
            self._sending.update(ids)
            self.in_flight += 1
            said = self._receiver(self, ids, len(body))
            sent = Sent(self.now, ids, name, len(body), self.in_flight, said.status)
            self.log.append(sent)
            if said.verdict is Verdict.ACCEPTED:
                self.accepted += ids
            event = (self.now + said.seconds, len(self.log), chunk, attempt, said)
            heapq.heappush(self._events, event)

    def _step(self) -> bool:
        """Go to the next moment at which something happens; False: nothing will."""
        wake_at = self.outbox.wake_at()
        if self._events and (wake_at is None or self._events[0][0] <= wake_at):
            self._finish()
        elif wake_at is not None:
            self.now = max(wake_at, self.now)
        else:
            return False
        return True

    def _finish(self) -> None:
        at, _, chunk, attempt, said = heapq.heappop(self._events)
        self.now = max(at, self.now)
        self.in_flight -= 1
        self._sending -= {int(r) - 10 ** (len(r) - 1) for r in chunk.records}
        letters = self.outbox.answered(chunk, attempt, said, 0)
        self.letters += [int(x.record) - 10 ** (len(x.record) - 1) for x in letters]
        self.outbox.bury(letters)
        while (state := self.outbox.watermark.take()) is not None:
            assert set(range(int(state) + 1)) <= {*self.accepted, *self.letters}
            self.states.append(int(state))
