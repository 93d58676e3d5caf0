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

from target_patterns_webhook.delivery.outbox import Holdings
from target_patterns_webhook.delivery.retry import Verdict
from target_patterns_webhook.http.outcome import Answer, from_response
from target_patterns_webhook.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_patterns_webhook.delivery.chunk import Parcel
    from target_patterns_webhook.delivery.circuit_breaker import Attempt

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def settings(**given: object) -> Settings:
    """Return settings with their defaults but for what is given."""
    config: dict[str, Any] = {"webhook_url": "http://127.0.0.1:9/hook", **given}
    return Settings.from_config(config)


def answer(status: int, seconds: float = 0.0, **headers: str) -> Answer:
    """Return what the transport makes of a response; status 0: a broken connection."""
    if not status:
        return Answer(Verdict.RETRY, "connection broken", seconds=seconds)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_response(status, "", named, "said", now=NOW, seconds=seconds)


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """One request."""

    at: float
    ids: list[int]
    id: str
    size: int
    under_way: int  # with this one
    status: int


class Simulation:
    """Sends records 0, 1, 2... of one stream, each a number of ``width`` bytes."""

    def __init__(
        self,
        receiver: Callable[[Simulation, list[int], int], Answer],
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
        self.under_way = 0
        self.chance = random.Random(seed)  # noqa: S311 - jitter
        self.holdings = Holdings(
            settings(**config), clock=lambda: self.now, chance=self.chance.random
        )
        self._receiver = receiver
        self._sending: set[int] = set()
        self._events: list[tuple[float, int, Parcel, Attempt, Answer]] = []

    @property
    def failure(self) -> Exception | None:
        """What ended the delivery."""
        return self.holdings.dispatch.failure

    def run(self, records: int, *, width: int = 8, until: float = 1e9) -> Simulation:
        """Deliver so many records, with a state after every hundred."""
        given = iter(range(records))
        held = 0
        while self.now < until and self.failure is None:
            while not self.holdings.full and held < records:
                number = next(given)
                held += 1
                record = b"%0*d" % (width, number + 10 ** (width - 1))
                self.holdings.add("s", [record])
                self.holdings.put()
                if number % 100 == 99:
                    self.holdings.mark(b"%d" % number)
            if held == records:
                self.holdings.seal()
            self._start()
            if not self._step():
                break
        while self._events:
            self._finish()
        if self.holdings.empty:
            self.holdings.dispatch.finish()
        return self

    def _start(self) -> None:
        while (taken := self.holdings.next()) is not None:
            parcel, attempt = taken
            name, body = self.holdings.encode(parcel)
            ids = [int(r) - 10 ** (len(r) - 1) for r in parcel.records]
            assert self._sending.isdisjoint(ids)  # no record is in two requests
            self._sending.update(ids)
            self.under_way += 1
            said = self._receiver(self, ids, len(body))
            sent = Sent(self.now, ids, name, len(body), self.under_way, said.status)
            self.log.append(sent)
            if said.verdict is Verdict.ACCEPTED:
                self.accepted += ids
            event = (self.now + said.seconds, len(self.log), parcel, attempt, said)
            heapq.heappush(self._events, event)

    def _step(self) -> bool:
        """Go to the next moment at which something happens; False: nothing will."""
        wake_at = self.holdings.dispatch.wake_at()
        if self._events and (wake_at is None or self._events[0][0] <= wake_at):
            self._finish()
        elif wake_at is not None:
            self.now = max(wake_at, self.now)
        else:
            return False
        return True

    def _finish(self) -> None:
        at, _, parcel, attempt, said = heapq.heappop(self._events)
        self.now = max(at, self.now)
        self.under_way -= 1
        self._sending -= {int(r) - 10 ** (len(r) - 1) for r in parcel.records}
        letters = self.holdings.answered(parcel, attempt, said, 0)
        self.letters += [int(x.record) - 10 ** (len(x.record) - 1) for x in letters]
        self.holdings.bury(letters)
        while (state := self.holdings.watermark.take()) is not None:
            assert set(range(int(state) + 1)) <= {*self.accepted, *self.letters}
            self.states.append(int(state))
