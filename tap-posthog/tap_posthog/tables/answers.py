"""What one table's questions are answered with: rows in parts, counts, the columns.

Knows how PostHog says that it has no such table or column, and what it left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tap_posthog import raw_json, timestamps
from tap_posthog.tables.questions import ROW_ENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_posthog.api.query import QueryEndpoint
    from tap_posthog.api.transport import Response
    from tap_posthog.errors import PostHogError

    Row = list[msgspec.Raw]

T = TypeVar("T")

UNKNOWN_TABLE = re.compile(r"unknown table", re.IGNORECASE)
UNKNOWN_FIELD = re.compile(r"unable to resolve field: `?([\w$]+)", re.IGNORECASE)


class _Answer(msgspec.Struct):
    results: list[list[msgspec.Raw]]
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


@dataclass(slots=True)
class Page:
    """What one query gave: rows, in parts that are opened as they are taken."""

    parts: Iterator[list[Row]]
    nbytes: int  # unpacked


class Answers:
    """Asks PostHog about tables; a refusal ends one stream and no other."""

    def __init__(self, endpoint: QueryEndpoint) -> None:
        """Take who asks."""
        self.endpoint = endpoint
        self.withheld: set[str] = set()  # what PostHog says that it left out

    def ask(self, hogql: str, read: Callable[[list[list[Any]]], T]) -> T:
        """Return what `read` makes of the rows of a small answer.

        `read` raises ValueError, TypeError or IndexError for what is no answer, which
        is then asked for again.

        Raises:
            TooHeavyError: it was too much for the server at once.
            PostHogError: PostHog refused it.
        """

        def parse(response: Response) -> T:
            answer = self.endpoint.answer(response)
            for warning in answer.get("warnings") or ():
                if isinstance(warning, dict) and warning.get("message"):
                    self.withheld.add(str(warning["message"]))
            try:
                return read(answer["results"])
            except (IndexError, TypeError) as exc:
                msg = "the answer is of another shape than the question"
                raise ValueError(msg) from exc

        return self.endpoint.post(hogql, parse, alone=True)

    def types(self, hogql: str) -> list[tuple[str, str]]:
        """Return the names and ClickHouse's types of a query's columns."""

        def named(response: Response) -> list[tuple[str, str]]:
            answer = self.endpoint.answer(response)
            try:
                return [(str(name), str(kind)) for name, kind in answer["types"]]
            except (KeyError, TypeError) as exc:
                msg = "the answer has no types"
                raise ValueError(msg) from exc

        return self.endpoint.post(hogql, named, alone=True)

    def now(self) -> datetime:
        """Ask what time it is at the server."""
        return self.ask("select now() limit 1", lambda rows: moment(rows[0][0]))

    def page(self, hogql: str, width: int, *, divisible: bool = True) -> Page:
        """Return rows of so many cells, the first of their parts opened.

        Raises:
            TooHeavyError: it was too much at once, and is divisible.
            PostHogError: PostHog refused it.
        """

        def rows(body: bytes) -> list[Row]:
            found = self._rows(body)
            if any(len(row) != width for row in found):
                msg = "a row has not the columns that were asked for"
                raise ValueError(msg)
            return found

        page = self.endpoint.page(
            hogql, rows, row="row", row_ends=ROW_ENDS, divisible=divisible, alone=True
        )
        return Page(page.parts, page.response.size)

    def _rows(self, body: bytes) -> list[Row]:
        try:
            answer = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            slow = raw_json.loads(body.decode("utf-8", "replace"))
            if not isinstance(slow, dict):
                msg = "the answer is no object"
                raise ValueError(msg) from None  # noqa: TRY004 - no answer
            self.endpoint.check(slow.get("error"))
            return [
                [msgspec.Raw(raw_json.dumps(cell)) for cell in row]
                for row in slow.get("results") or []
            ]
        self.endpoint.check(answer.error)
        return answer.results


def unknown_table(error: PostHogError) -> bool:
    """Whether PostHog has no such table, or not yet."""
    return bool(UNKNOWN_TABLE.search(error.said))


def unknown_field(error: PostHogError) -> str:
    """Name the column that PostHog does not have; empty: it is something else."""
    found = UNKNOWN_FIELD.search(error.said)
    return found[1] if found else ""


def moment(cell: Any) -> datetime:  # noqa: ANN401 - a cell
    """Read an instant of an answer.

    Raises:
        ValueError: it is none.
    """
    return timestamps.read(str(cell))
