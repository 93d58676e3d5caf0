"""PostHog's query endpoint as a source of events: questions in, rows out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tap_posthog import timestamps
from tap_posthog.api.query import QueryEndpoint
from tap_posthog.events.query import questions
from tap_posthog.events.query.source import Page
from tap_posthog.events.rows import RowReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_posthog.api.client import Client
    from tap_posthog.api.transport import Response
    from tap_posthog.events.query.questions import Question, Rows

    Kind = Callable[[object], bool]


class QuerySource:
    """Puts questions to one project; may be used from several threads at once."""

    def __init__(self, client: Client, project_id: str) -> None:
        """Take who asks, and the project's number."""
        self._endpoint = QueryEndpoint(client, project_id)
        self._readers: dict[tuple[str, ...], RowReader] = {}

    def ask(self, question: Question, *, divisible: bool = True) -> list[list[Any]]:
        """Return the results of a small question.

        Raises:
            TooHeavyError: it was too much for the server at once, and is divisible.
        """

        def results(response: Response) -> list[list[Any]]:
            found = self._results(response)
            check(question, found)
            return found

        return self._endpoint.post(str(question), results, divisible=divisible)

    def read(self, question: Rows, *, divisible: bool = True) -> Page:
        """Return a page of rows, the first of its parts opened.

        What is wrong up to there is asked for again; what is wrong later ends the page.

        Raises:
            TooHeavyError: it was too much at once, and is divisible.
        """
        names = question.names
        reader = self._readers.get(names)
        if reader is None:
            reader = self._readers[names] = RowReader(names)

        def rows(body: bytes) -> list[Any]:
            found, error = reader.read(body)
            self._endpoint.check(error)
            return found

        page = self._endpoint.page(
            str(question), rows, row="event", divisible=divisible
        )
        return Page(page.parts, len(page.response.content))

    def stop(self, cause: BaseException | None = None) -> None:
        """End every wait and request of the client, which fail with the cause then."""
        self._endpoint.client.stop(cause)

    def probe(self) -> None:
        """Ask for nothing but an answer.

        Raises:
            MissingEndpointError: the server is too old to have the endpoint.
        """
        self._endpoint.post("select 1", self._results, divisible=False)

    def _results(self, response: Response) -> list[list[Any]]:
        return cast("list[list[Any]]", self._endpoint.answer(response)["results"])


def check(question: Question, rows: Sequence[Any]) -> None:
    """Raise ValueError where the rows do not answer a question.

    Such an answer is not PostHog's, whatever sent it: it is asked for again. More
    columns than these do no harm.
    """
    match question:
        case questions.Clock():
            _check(rows, _timestamp, one=True)
        case questions.Distinct():
            _check(rows, _whole, one=True)
        case questions.Hours():
            _check(rows, _pairs, one=True)
        case questions.Histogram():
            _check(rows, _whole, _whole)
        case questions.Extent(settle=None):
            _check(rows, _whole, _whole, _timestamp, _timestamp)
        case questions.Extent():
            _check(rows, _whole, _whole, _timestamp, _timestamp, _timestamp)


def _check(rows: Sequence[Any], *kinds: Kind, one: bool = False) -> None:
    fits = all(
        isinstance(row, list)
        and len(row) >= len(kinds)
        and all(fits(cell) for fits, cell in zip(kinds, row, strict=False))
        for row in rows
    )
    if not fits or (one and len(rows) != 1):
        msg = "the answer is of another shape than the question"
        raise ValueError(msg)


def _whole(cell: object) -> bool:
    if isinstance(cell, str):  # as ClickHouse writes 64 bits where it is told to
        return cell.isascii() and cell.isdigit()
    return isinstance(cell, int) and not isinstance(cell, bool)


def _timestamp(cell: object) -> bool:
    try:
        timestamps.read(str(cell))
    except ValueError:
        return False
    return isinstance(cell, str)


def _pairs(cell: object) -> bool:
    return isinstance(cell, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_whole, pair))  # noqa: PLR2004 - a pair
        for pair in cell
    )
