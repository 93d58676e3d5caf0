"""Send the model's events in with PostHog's own client, as an application would.

Which events those are is `people`'s. What was sent last is kept in `seed.json` in the
data folder, so that the next events go on from there.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import msgspec
from posthog import Posthog

from sandbox import people
from sandbox.remote import PROJECT_TOKEN, Remote, SandboxError
from sandbox.workspace import setting

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.browsing import Event

TWICE = 0.01  # the share of events that a client sends again: the answer was lost
LATE = 0.04  # the share that comes in after all others
ROOM = timedelta(hours=6)  # left between the history and now, for what `more` adds
SPAN = timedelta(hours=3)  # the most that one `more` takes of it
VISIBLE_WITHIN = 60  # seconds


class Sent(msgspec.Struct):
    """What `seed.json` holds: where the history ended, and where we are."""

    history_until: datetime
    until: datetime
    rounds: int = 0


def seed(remote: Remote, data: Path, until: datetime | None = None) -> str:
    """Send 20,000 events of 60 days, and set the project up; return what was done.

    The same `until` gives the same events. Without one they end some hours before now.
    """
    if until is None:
        now = datetime.now(UTC)
        until = now.replace(minute=0, second=0, microsecond=0) - ROOM
    events = people.history(until)
    rng = Random(people.SEED)  # noqa: S311 - no secret
    late = set(rng.sample(range(len(events)), round(LATE * len(events))))
    order = [event for n, event in enumerate(events) if n not in late]
    order += [events[n] for n in sorted(late)]
    again = rng.sample(events, round(TWICE * len(events)))
    _send(remote, order, again)
    setting.furnish(remote, until)
    _write(data, Sent(history_until=until, until=until))
    return f"Sent {len(events):,} events, {len(again)} of them twice."


def more(remote: Remote, data: Path) -> str:
    """Send 500 events more, 120 of them late; return what was done.

    Raises:
        SandboxError: nothing was seeded yet.
    """
    sent = _read(data)
    # Never reaches now, however often it is called: no event is of the future.
    left = datetime.now(UTC) - sent.until
    until = sent.until + min(SPAN, left / 2)
    rounds = sent.rounds + 1
    events = people.later(
        sent.until, until, round_=rounds, history_until=sent.history_until
    )
    late = sum(event.timestamp < sent.until for event in events)
    again = Random(rounds).sample(events, 5)  # noqa: S311 - no secret
    _send(remote, events, again)
    _write(data, Sent(history_until=sent.history_until, until=until, rounds=rounds))
    return (
        f"Sent {len(events):,} events more, {late} of them late by hours or days,"
        f" {len(again)} twice."
    )


def _send(remote: Remote, events: list[Event], again: list[Event]) -> None:
    """Return when PostHog's side has every one of them."""
    before = _count(remote)
    failures: list[Exception] = []
    # The client writes a traceback for what is reported here in one line.
    logging.getLogger("posthog").disabled = True
    client = Posthog(
        PROJECT_TOKEN,
        host=remote.url,
        flush_at=500,
        thread=2,
        max_queue_size=len(events) + len(again),  # what does not fit would be dropped
        on_error=lambda exc, _batch: failures.append(exc),
        is_server=False,
        disable_geoip=True,
        capture_mode="v0",
    )
    try:
        for event in [*events, *again]:
            client.capture(
                event.event,
                distinct_id=event.distinct_id,
                timestamp=event.timestamp,
                uuid=event.uuid,
                properties=event.properties,
            )
    finally:
        client.shutdown()  # waits until all is sent
    if failures:
        msg = f"the sandbox did not take {len(failures)} batches ({failures[0]})"
        raise SandboxError(msg)
    _wait(remote, before + len(events) + len(again))


def _wait(remote: Remote, count: int) -> None:
    deadline = time.monotonic() + VISIBLE_WITHIN
    while (there := _count(remote)) < count:
        if time.monotonic() > deadline:
            msg = f"only {there:,} of {count:,} events are in PostHog; see sandbox.log"
            raise SandboxError(msg)
        time.sleep(0.1)


def _count(remote: Remote) -> int:
    return int(remote.posthog("select count() from events where team_id = 1")[0][0])


def _read(data: Path) -> Sent:
    try:
        sent = msgspec.json.decode((data / "seed.json").read_bytes(), type=Sent)
    except (FileNotFoundError, msgspec.MsgspecError):
        msg = f"there is no history in {data} to go on from; first: sandbox seed"
        raise SandboxError(msg) from None
    return msgspec.structs.replace(
        sent,
        history_until=sent.history_until.astimezone(UTC),
        until=sent.until.astimezone(UTC),
    )


def _write(data: Path, sent: Sent) -> None:
    (data / "seed.json").write_bytes(msgspec.json.encode(sent))
