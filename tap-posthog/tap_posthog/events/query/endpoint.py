"""PostHog's query endpoint as a source: HogQL in, rows out. Makes no SQL of its own.

Every query is computed anew (`force_blocking`: an answer may else be six hours old) and
in UTC (`convertToProjectTimezone`: times may else be the project's).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tap_posthog import raw_json
from tap_posthog.api.transport import Request
from tap_posthog.errors import QueryError
from tap_posthog.events.query.shapes import check
from tap_posthog.events.rows import RowReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_posthog.api.client import Client
    from tap_posthog.events.query.questions import Question, Rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one answer, and the bytes that it took."""

    rows: list[Any]
    nbytes: int

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)


class QuerySource:
    """Puts questions to one project; may be used from several threads at once."""

    def __init__(self, client: Client, project_id: str) -> None:
        """Take who asks, and the project's number."""
        self._client = client
        self._path = f"/api/projects/{project_id}/query/"
        self._readers: dict[tuple[str, ...], RowReader] = {}

    def ask(self, question: Question, *, divisible: bool = True) -> list[list[Any]]:
        """Return the results of a small question.

        Raises:
            TooHeavyError: it was too much for the server at once, and is divisible.

        """

        def parse(body: bytes) -> tuple[list[list[Any]], object]:
            found, error = _results(body)
            if not error:
                check(question, found)
            return found, error

        return self._post(question.sql(), parse, divisible=divisible)

    def read(self, question: Rows, *, divisible: bool = True) -> Page:
        """Return a page of rows.

        Raises:
            TooHeavyError: it was too much for the server at once, and is divisible.

        """
        names = question.names
        reader = self._readers.get(names)
        if reader is None:
            reader = self._readers[names] = RowReader(names)

        def page(body: bytes) -> tuple[Page, object]:
            found, error = reader.read(body)
            return Page(found, len(body)), error

        return self._post(question.sql(), page, divisible=divisible)

    def stop(self, cause: BaseException | None = None) -> None:
        """End every wait and request of the client, which fail with the cause then."""
        self._client.stop(cause)

    def probe(self) -> None:
        """Ask for nothing but an answer.

        Raises:
            MissingEndpointError: the server is too old to have the endpoint.

        """
        self._post("select 1", _results, divisible=False)

    def _post(
        self,
        sql: str,
        parse: Callable[[bytes], tuple[T, object]],
        *,
        divisible: bool,
    ) -> T:
        query = {
            "kind": "HogQLQuery",
            "query": sql,
            "modifiers": {"convertToProjectTimezone": False},
        }
        body = json.dumps({"query": query, "refresh": "force_blocking"}).encode()
        request = Request(method="POST", path=self._path, body=body)
        found, error = self._client.call(request, parse, divisible=divisible)
        if error:
            said = self._client.scrubbed(" ".join(str(error).split()))
            refused = QueryError(f"PostHog could not answer the query: {said[:300]}")
            self._client.stop(refused)
            raise refused
        return found


def _results(body: bytes) -> tuple[list[list[Any]], object]:
    response = raw_json.loads(body.decode("utf-8", "replace"))
    if isinstance(response, dict) and response.get("error"):
        return [], response["error"]
    if not isinstance(response, dict) or not isinstance(response.get("results"), list):
        msg = "the answer has no results"
        raise ValueError(msg)  # noqa: TRY004 - whatever it is, it is no answer
    return response["results"], None
