"""PostHog's error answers, as its API words them. Which one when is elsewhere."""

from __future__ import annotations

import logging
import re

import msgspec
from starlette.responses import Response

TOO_SLOW = (
    "Query has hit the max execution time before completing. See our docs for how to "
    "improve your query performance. You may need to materialize."
)
OUT_OF_MEMORY = (
    "This query ran out of memory before it could finish, usually because it's "
    "scanning too much data. Try a shorter date range or narrower filters."
)
BUSY = "Too many queries are running right now \u2014 please try again in a moment."
NO_OFFSET = (
    "OFFSET is not supported on queries made with a personal API key. For pagination, "
    "use keyset pagination on the `timestamp` column."
)
NO_QUOTA = (
    "Your organization has read more query data over the API than its free allowance "
    "for this month. API queries will be available again when the allowance resets."
)

# ClickHouse errors that PostHog shows to the author of a query; the rest is a 500.
_SHOWN = frozenset(
    {
        "ARGUMENT_OUT_OF_BOUND",
        "BAD_ARGUMENTS",
        "CANNOT_CONVERT_TYPE",
        "CANNOT_PARSE_DATE",
        "CANNOT_PARSE_DATETIME",
        "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
        "CANNOT_PARSE_NUMBER",
        "CANNOT_PARSE_TEXT",
        "CANNOT_PARSE_UUID",
        "ILLEGAL_AGGREGATION",
        "ILLEGAL_COLUMN",
        "ILLEGAL_DIVISION",
        "ILLEGAL_TYPE_OF_ARGUMENT",
        "NOT_AN_AGGREGATE",
        "NO_COMMON_TYPE",
        "NUMBER_OF_ARGUMENTS_DOESNT_MATCH",
        "TOO_FEW_ARGUMENTS_FOR_FUNCTION",
        "TOO_MANY_ARGUMENTS_FOR_FUNCTION",
        "TYPE_MISMATCH",
        "UNKNOWN_IDENTIFIER",
    }
)


class ApiError(Exception):
    """An answer that is an error: PostHog's envelope of type, code, detail, attr."""

    def __init__(
        self, status: int, kind: str, code: str, detail: str, *, attr: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"type": kind, "code": code, "detail": detail, "attr": attr}
        self.retry_after: float | None = None

    def response(self) -> Response:
        """Say it over HTTP."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(int(self.retry_after))
        return Response(
            msgspec.json.encode(self.body),
            self.status,
            headers,
            media_type="application/json",
        )


def invalid(detail: str, *, attr: str | None = None) -> ApiError:
    """Answer a request that cannot be carried out as it is written."""
    return ApiError(400, "validation_error", "invalid_input", detail, attr=attr)


def not_found(detail: str) -> ApiError:
    """Answer a request for what is not there."""
    return ApiError(404, "invalid_request", "not_found", detail)


def denied(detail: str) -> ApiError:
    """Answer a known key that may not do this."""
    return ApiError(403, "authentication_error", "permission_denied", detail)


def throttled(detail: str, retry_after: float | None = None) -> ApiError:
    """Answer one request too many."""
    error = ApiError(429, "throttled_error", "throttled", detail)
    error.retry_after = retry_after
    return error


def failed(status: int, detail: str) -> ApiError:
    """Answer a query that ClickHouse gave up on."""
    return ApiError(status, "server_error", "error", detail)


def from_clickhouse(message: str) -> ApiError:
    """Judge what ClickHouse said as PostHog does.

    Args:
        message: The text of the exception, `Code: 43. DB::Exception: ... (NAME)`.
    """
    names = re.findall(r"\(([A-Z][A-Z0-9_]+)\)", message)
    name = names[-1] if names else ""
    if name == "TIMEOUT_EXCEEDED":
        return failed(504, TOO_SLOW)
    if name == "MEMORY_LIMIT_EXCEEDED":
        code = "clickhouse_memory_limit_exceeded"
        return ApiError(513, "server_error", code, OUT_OF_MEMORY)
    if name in _SHOWN:
        text = re.sub(r"^Code: \d+\. DB::Exception: ", "", message)
        detail = text.partition(": In scope")[0].partition(". In scope")[0]
        return ApiError(400, "validation_error", name.lower(), detail)
    logging.getLogger("uvicorn.error").error("ClickHouse: %s", message)
    return failed(500, "ClickHouse error while executing query.")
