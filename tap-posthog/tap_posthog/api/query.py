"""PostHog's query endpoint: HogQL in, an answer out. Makes no HogQL of its own.

Every query is computed anew (`force_blocking`: an answer may else be six hours old) and
in UTC (`convertToProjectTimezone`: times may else be the project's).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from tap_posthog import raw_json
from tap_posthog.api.transport import Request
from tap_posthog.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_posthog.api.client import Client
    from tap_posthog.api.transport import Response

T = TypeVar("T")


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

    def answer(self, response: Response) -> dict[str, Any]:
        """Decode an answer whole; what it has of `results` are rows.

        Raises:
            ValueError: it is no such answer.
            QueryError: PostHog says in it that something went wrong.
        """
        decoded = raw_json.loads(response.body.decode("utf-8", "replace"))
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
