"""The events list of old self-hosted servers as a source: one run's rows, in order.

That API is deprecated for what it does to those who trust it: `next` loses events that
share a timestamp with a page's last one, the default order ends early, `limit` is
clamped silently, naive times are the project's. So: ascending, own cursor one
microsecond back, ids that were seen left out, every time in UTC, `next` unread.
It shows no `created_at`: late arrivals are found only inside the lookback.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tap_posthog import raw_json, timestamps
from tap_posthog.api.transport import Request
from tap_posthog.errors import AuditError
from tap_posthog.events.batch import Batch
from tap_posthog.events.bookmark import Bookmark
from tap_posthog.events.event_names import EVERY, Names
from tap_posthog.events.region import Key
from tap_posthog.events.rows import normalized
from tap_posthog.events.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_posthog.api.client import Client
    from tap_posthog.api.transport import Response
    from tap_posthog.events.batch import Row
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings

LIMIT = 1000  # the list's own ceiling since May 2026
TICK = timedelta(microseconds=1)
SPAN = timedelta(days=360)  # newer servers refuse more than 366 days at once
FIRST = datetime(1970, 1, 1, tzinfo=UTC)  # where PostHog puts what has no good time
AHEAD = timedelta(seconds=5)  # as the list's own default bound
FEW = 10_000  # keys that are sent; fewer are not worth pruning
NULL = msgspec.Raw(b"null")
logger = logging.getLogger("tap-posthog")


class RestRow(msgspec.Struct, gc=False):
    """An event in the shape that the other source's rows have."""

    uuid: str
    timestamp: str
    created_at: str | None
    event: msgspec.Raw
    distinct_id: msgspec.Raw
    properties: msgspec.Raw
    elements_chain: msgspec.Raw
    person_id: msgspec.Raw
    session_id: msgspec.Raw
    window_id: msgspec.Raw
    person_properties: msgspec.Raw


Identity = tuple[str, str, bytes, bytes]
_Cells = dict[str, msgspec.Raw]
_answer = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_results = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode


class RestReader:
    """Reads what happened from the lookback's start on, a page at a time."""

    def __init__(self, client: Client, settings: Settings, stats: Stats) -> None:
        """Take who asks; a follower's cycles share what was sent."""
        self._stats = stats
        self._client = client
        self._settings = settings
        self._path = f"/api/projects/{settings.project_id}/events/"
        self._scope = Scope.of(settings)
        self._bookmark = Bookmark()
        self._said = False
        self._largest = 0  # page yet seen
        self._sent: set[Identity] = set()  # by a follower, and may come once more
        self._prune_at = FEW

    def probe(self) -> None:
        """Ask for one page, which also tells what time it is at the server.

        Raises:
            TapError: the list cannot be read.
        """
        self._page(FIRST, FIRST + TICK)

    def batches(self, bookmark: Bookmark) -> Iterator[Batch]:
        """Give a batch for each page, in the order of time, behind a bookmark.

        Without one it begins at `start_at` or with the first event.

        Raises:
            AuditError: more events share a timestamp than one page holds.
        """
        self._bookmark = Bookmark(  # of one clock: the other is not shown here
            at=bookmark.at, scope=bookmark.scope, widening=bookmark.widening
        )
        self.probe()  # the list knows no now(); its answers say when they were written
        end = self._end()
        self._stats.until = timestamps.spell(end)
        if not self._said:  # of a follower's cycles the first one says so
            self._said = True
            until = f"up to {timestamps.spell(end)}"
            logger.info("%s", self._scope.reading(self._at, until))
        yield from self._change_scope()
        for rows, key in self._pages(self._start(), end, self._scope.names):
            # Within the lookback the bookmark stays: those were sent before.
            if self._at is None or key.timestamp > self._at.timestamp:
                self._bookmark = self._bookmark.forward_to(key)
            yield Batch(rows, self._bookmark)

    def _change_scope(self) -> Iterator[Batch]:
        """Read what the settings ask for beyond the state's scope, up to the lookback.

        From there on everything is read again in any case.
        """
        if self._bookmark.scope != self._scope:
            narrowed = self._bookmark.narrowed(self._scope)
            self._bookmark = narrowed.widen(self._scope)
        for region in self._bookmark.widening_regions():
            start = max(timestamps.at(region.first_tick), FIRST)
            end = min(timestamps.at(region.end_tick), self._start())
            for rows, key in self._pages(start, end, region.names):
                self._bookmark = self._bookmark.widened_to(key)
                yield Batch(rows, self._bookmark)
        if self._bookmark.widening:
            self._bookmark = self._bookmark.widened()
            yield Batch([], self._bookmark)

    @property
    def _at(self) -> Key | None:
        return self._bookmark.at

    def _pages(
        self, start: datetime, end: datetime, names: Names
    ) -> Iterator[tuple[list[Row], Key]]:
        """Give the rows of each page, and the key that it ends with."""
        while start < end:
            stop = min(start + SPAN, end)
            yield from self._window(start, stop, names)
            start = stop

    def _window(
        self, start: datetime, end: datetime, names: Names
    ) -> Iterator[tuple[list[Row], Key]]:
        cursor, seen = start, set[Identity]()
        while True:
            page = self._page(cursor - TICK, end)
            rows = [row for row in page if _identity(row) not in seen]
            if not rows:
                self._check_ties(cursor, end, len(page))
                return
            last = rows[-1].timestamp
            if timestamps.read(last) != cursor:
                cursor, seen = timestamps.read(last), set()
            seen |= {_identity(row) for row in rows if row.timestamp == last}
            self._stats.read += len(rows)
            yield self._unsent(rows, names), Key(last, rows[-1].uuid)

    def _check_ties(self, cursor: datetime, end: datetime, count: int) -> None:
        """Stop where one timestamp has more events than a page shows.

        Then every page from here on looks the same, and the rest cannot be reached.
        """
        if count < min(self._largest, 100):
            return  # servers clamp to 100 or more: it was the end
        if count and self._page(cursor - TICK, end, offset=count):
            at = timestamps.spell(cursor)
            msg = (
                f"More than {count} events have the timestamp {at}, which the events "
                "list cannot show; read them through the query endpoint of a newer "
                "server (events_source: query)"
            )
            raise AuditError(msg)

    def _page(
        self, after: datetime, before: datetime, offset: int = 0
    ) -> list[RestRow]:
        params = {
            "orderBy": json.dumps(["timestamp"]),
            "after": timestamps.spell(after),
            "before": timestamps.spell(before),
            "limit": str(LIMIT),
        }
        if offset:
            params["offset"] = str(offset)
        if self._settings.include_person_properties:
            params["include_person"] = "true"
        request = Request(method="GET", path=self._path, params=params)
        rows = self._client.call(request, _rows, divisible=False)
        self._largest = max(self._largest, len(rows))
        return rows

    def _unsent(self, rows: list[RestRow], names: Names) -> list[Row]:
        """Keep what is asked for; a follower's cycles overlap, and send once."""
        wanted = [row for row in rows if _is_named(row, names)]
        if self._settings.follow_seconds:
            wanted = [row for row in wanted if _identity(row) not in self._sent]
            self._sent.update(map(_identity, wanted))
            self._prune()
        return cast("list[Row]", wanted)  # whose created_at may be None here

    def _prune(self) -> None:
        """Forget what the next cycle will not read again: all before its lookback.

        A backfill would keep its every key else. The set at most doubles in between.
        """
        if len(self._sent) < self._prune_at:
            return
        first = timestamps.spell(self._start())
        self._sent = {each for each in self._sent if each[0] >= first}
        self._prune_at = max(FEW, 2 * len(self._sent))

    def _start(self) -> datetime:
        start = self._settings.start_at or FIRST
        if self._at is None:
            return start
        at = timestamps.read(self._at.timestamp)
        return max(start, at - self._settings.rest_lookback)

    def _end(self) -> datetime:
        now = self._client.server_now() + AHEAD
        end = self._settings.end_at
        return min(now, end) if end else now


def _identity(row: RestRow) -> Identity:
    """Return what PostHog's table tells rows apart by."""
    return row.timestamp, row.uuid, bytes(row.event), bytes(row.distinct_id)


def _is_named(row: RestRow, names: Names) -> bool:
    """Filter by name here: the list itself takes one name at most."""
    return names == EVERY or raw_json.loads(bytes(row.event).decode()) in names


def _rows(response: Response) -> list[RestRow]:
    body = response.body
    try:
        return [_row(cells) for cells in _results(_answer(body)["results"])]
    except KeyError:
        msg = "the answer has no results"
        raise ValueError(msg) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Lone surrogates, which the fast decoder refuses, and broken UTF-8.
        decoded = raw_json.loads(body.decode("utf-8", "replace"))
        if not isinstance(decoded, dict) or not isinstance(
            decoded.get("results"), list
        ):
            msg = "the answer has no results"
            raise ValueError(msg) from None  # noqa: TRY004 - as above
        return [_row(_encoded(entry)) for entry in decoded["results"]]


def _encoded(entry: dict[str, Any]) -> _Cells:
    return {name: msgspec.Raw(raw_json.dumps(each)) for name, each in entry.items()}


def _row(cells: _Cells) -> RestRow:
    """Lay out one entry; what this version of the list does not have is null."""
    person, held = _inner(cells, "person"), _inner(cells, "properties")
    created_at = raw_json.loads(_text(cells, "created_at"))
    return RestRow(
        uuid=str(raw_json.loads(_text(cells, "id"))),
        timestamp=normalized(str(raw_json.loads(_text(cells, "timestamp")))),
        created_at=normalized(created_at) if isinstance(created_at, str) else None,
        event=cells.get("event", NULL),
        distinct_id=cells.get("distinct_id", NULL),
        properties=cells.get("properties", NULL),
        elements_chain=cells.get("elements_chain", NULL),
        person_id=person.get("uuid", NULL),
        session_id=held.get("$session_id", NULL),
        window_id=held.get("$window_id", NULL),
        person_properties=person.get("properties", NULL),
    )


def _inner(cells: _Cells, name: str) -> _Cells:
    try:
        return _object(cells.get(name, NULL)) or {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = raw_json.loads(_text(cells, name))
        return _encoded(value) if isinstance(value, dict) else {}


def _text(cells: _Cells, name: str) -> str:
    return bytes(cells.get(name, NULL)).decode()
