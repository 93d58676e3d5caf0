"""One REST list as the source of a stream.

`next` is followed to its end: a short page proves nothing. An object that is deleted
while the list is walked through shifts the others by one, so a walk in which the count
changed, or that brought fewer than were counted, is made again.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tap_posthog import raw_json, timestamps
from tap_posthog.api.transport import Request
from tap_posthog.declarations.declaration import Walk
from tap_posthog.errors import (
    AuditError,
    MissingEndpointError,
    ProjectError,
    QueryError,
    TooHeavyError,
)
from tap_posthog.lists.secrets import without_secrets
from tap_posthog.tables.position import Position
from tap_posthog.tables.source import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_posthog.api.client import Client
    from tap_posthog.api.transport import Response
    from tap_posthog.declarations.declaration import RestList
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings

    Object = dict[str, Any]

logger = logging.getLogger("tap-posthog")

WALKS = 3  # through a list that changes meanwhile
TRIES = 3  # of an answer that PostHog has no time for
EVERYTHING = Walk({}, {})
MARGIN = timedelta(minutes=2)  # of the clock, which comes with an answer


class ListSource:
    """Reads one list."""

    def __init__(  # noqa: PLR0913 - its parts arrive built
        self,
        rest_list: RestList,
        columns: Sequence[str],
        client: Client,
        settings: Settings,
        *,
        whole: bool,
        stats: Stats,
    ) -> None:
        """Take the columns to give, in order, and whether to read all in any case."""
        self._list = rest_list
        given = [rest_list.column(name) for name in columns]
        self._names = [column.source or column.name for column in given]
        self._client = client
        self._path = f"/api/projects/{settings.project_id}/{rest_list.path}/"
        self._whole = whole
        self._audit = settings.audit
        self._stats = stats

    def batches(self, position: Position) -> Iterator[Batch]:
        """Read the list, and of each object that changed what the list leaves out.

        Raises:
            AuditError: PostHog counts more objects than it gives.
            PostHogError: it refused the list.
        """
        since = None if self._whole or not position.value else str(position.value)
        begun = timestamps.before(self._client.server_now(), MARGIN)
        try:
            for walk in self._list.walks or (EVERYTHING,):
                for objects in self._walk(walk):
                    changed = [each for each in objects if self._moved(each, since)]
                    yield Batch([self._row(each, walk) for each in changed])
        except (MissingEndpointError, ProjectError) as error:
            if "project" in error.said.lower():
                raise
            logger.warning(
                "%s is skipped: this PostHog does not have that list (404)",
                self._list.name,
            )
            return
        position = Position(value=position.value).begin(begun, whole=since is None)
        yield Batch((), position.done())

    def _walk(self, walk: Walk) -> Iterator[list[Object]]:
        """Give each object once, in pages."""
        given: set[tuple[str, ...]] = set()
        for _ in range(WALKS):
            seen: set[tuple[str, ...]] = set()
            counts = set()
            for objects, count in self._pages(walk.asked):
                counts.add(count)
                keyed = {self._key(each): each for each in objects}
                self._stats.read += len(objects)
                seen |= keyed.keys()
                yield [each for key, each in keyed.items() if key not in given]
                given |= keyed.keys()
            most = max(count or 0 for count in counts)
            self._stats.planned += max(most, len(seen))
            if len(counts) == 1 and len(seen) >= most:
                return
        if self._audit:
            msg = (
                f"{self._list.name}: PostHog counts {most:,} objects and gives "
                f"{len(seen):,}, {WALKS} times in a row. Run again later, and tell "
                "PostHog's support if it stays so"
            )
            raise AuditError(msg)

    def _pages(
        self, asked: Mapping[str, str]
    ) -> Iterator[tuple[list[Object], int | None]]:
        params = dict(asked)
        if not self._list.bare:
            params["limit"] = str(self._list.limit)
        while True:
            answer = self._get(self._path, params)
            if isinstance(answer, list):
                yield answer, None
                return
            yield answer["results"], answer.get("count")
            following = answer.get("next")
            # Its host may be one that only the server's side of a proxy knows.
            then = dict(parse_qsl(urlsplit(str(following or "")).query))
            if not following or then == params:
                return
            params = then

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - a list, or its envelope
        request = Request(method="GET", path=path, params=params)
        for last_try in (False,) * (TRIES - 1) + (True,):
            try:
                return self._client.call(request, _read, alone=True)
            except TooHeavyError as error:
                if last_try:
                    msg = (
                        f"PostHog has no time to list {self._list.path}, {TRIES} "
                        f"times in a row: {error}"
                    )
                    raise QueryError(msg) from None
        raise AssertionError  # pragma: no cover - the last try returns or raises

    def _moved(self, each: Object, since: str | None) -> bool:
        key = self._list.replication_key
        at = each.get(key) if key else None
        if since is None or not isinstance(at, str):
            return True
        behind = timestamps.before(timestamps.read(since), self._list.overlap)
        try:
            return timestamps.read(at) >= behind
        except ValueError:
            return True

    def _row(self, each: Object, walk: Walk) -> list[msgspec.Raw]:
        if self._list.detail:
            with contextlib.suppress(ProjectError):  # deleted since it was listed
                each = each | self._get(f"{self._path}{each['id']}/")
        shown = without_secrets(each) | walk.added
        return [msgspec.Raw(raw_json.dumps(shown.get(name))) for name in self._names]

    def _key(self, each: Object) -> tuple[str, ...]:
        return tuple(str(each.get(name)) for name in self._list.key)


def _read(response: Response) -> Any:  # noqa: ANN401 - a list, or its envelope
    """Decode a page, or an object.

    Raises:
        ValueError: it is neither.
    """
    answer = response.json()
    pages = answer.get("results") if isinstance(answer, dict) else answer
    if isinstance(answer, dict) and "id" in answer:
        return answer
    if not isinstance(pages, list) or not all(isinstance(each, dict) for each in pages):
        msg = "the answer is no list"
        raise ValueError(msg)
    return answer
