"""PostHog's query endpoint: HogQL in, an answer out. Makes no HogQL of its own.

Every query is computed anew (`force_blocking`: an answer may else be six hours old) and
in UTC (`convertToProjectTimezone`: times may else be the project's).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tap_posthog.api.answer_parts import ROW_ENDS, parts
from tap_posthog.api.transport import NoResponseError, Request
from tap_posthog.errors import QueryError, TooHeavyError

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator

    from tap_posthog.api.client import Client
    from tap_posthog.api.transport import Response

T = TypeVar("T")
# Of one answer, as it comes: most pages wait packed, so this bounds what is held.
MOST_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class Opened(Generic[T]):
    """A page of rows, in parts that are opened as they are taken; the first one is."""

    parts: Iterator[T]
    response: Response


class QueryEndpoint:
    """Puts queries to one project; may be used from several threads at once."""

    def __init__(self, client: Client, project_id: str) -> None:
        """Take who asks, and the project's number."""
        self.client = client
        self._path = f"/api/projects/{project_id}/query/"

    def post(
        self,
        hogql: str,
        parse: Callable[[Response], T],
        *,
        divisible: bool = True,
        most_bytes: int | None = None,
        alone: bool = False,
    ) -> T:
        """Return what `parse` makes of the answer; the rest is as `Client.call`."""
        query = {
            "kind": "HogQLQuery",
            "query": hogql,
            "modifiers": {"convertToProjectTimezone": False},
        }
        body = json.dumps({"query": query, "refresh": "force_blocking"}).encode()
        request = Request(
            method="POST", path=self._path, body=body, most_bytes=most_bytes
        )
        return self.client.call(request, parse, divisible=divisible, alone=alone)

    def page(  # noqa: PLR0913 - as `post`, and how rows are told apart
        self,
        hogql: str,
        read: Callable[[bytes], T],
        *,
        row: str,
        row_ends: re.Pattern[bytes] = ROW_ENDS,
        divisible: bool = True,
        alone: bool = False,
    ) -> Opened[T]:
        """Return what `read` makes of each part of a page; the first is read at once.

        What is wrong up to there is asked for again; what is wrong later ends the page.

        Args:
            hogql: Asks for rows.
            read: Raises ValueError for what is no part of such an answer.
            row: What a row is called, to a person.
            row_ends: What lies between two rows, as for `parts`.
            divisible: As for `Client.call`.
            alone: As for `Client.call`.

        Raises:
            TooHeavyError: it was too much at once, and is divisible.
        """

        def opened(response: Response) -> Opened[T]:
            rest = map(read, parts(response.pieces(), row_ends=row_ends))
            try:
                first = next(rest)
            except NoResponseError:
                if not response.cut:
                    raise
                msg = f"One {row} is larger than {MOST_BYTES:,} bytes"
                raise TooHeavyError(msg) from None
            return Opened(_until_wrong(first, rest), response)

        most = MOST_BYTES if divisible else None
        return self.post(
            hogql, opened, divisible=divisible, most_bytes=most, alone=alone
        )

    def answer(self, response: Response) -> dict[str, Any]:
        """Decode an answer whole; what it has of `results` are rows.

        Raises:
            ValueError: it is no such answer.
            QueryError: PostHog says in it that something went wrong.
        """
        decoded = response.json()
        if isinstance(decoded, dict):
            self.check(decoded.get("error"))
            if isinstance(decoded.get("results"), list):
                return decoded
        msg = "the answer has no results"
        raise ValueError(msg)

    def check(self, error: object) -> None:
        """Raise QueryError for what PostHog says with status 200 that went wrong."""
        if error:
            said = self.client.scrubbed(" ".join(str(error).split()))
            msg = f"PostHog could not answer the query: {said[:300]}"
            raise QueryError(msg)


def _until_wrong(first: T, rest: Iterator[T]) -> Iterator[T]:
    """Give a page's parts up to what is wrong; the reader goes on behind them."""
    yield first
    try:
        yield from rest
    except (NoResponseError, ValueError):
        return
