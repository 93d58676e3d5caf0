"""How PostHog pages a list: limit, offset, and where the next page is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sandbox.posthog.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

DEFAULT_LIMIT = 100


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is asked for."""

    limit: int
    offset: int

    @classmethod
    def of(cls, request: Request) -> Page:
        """Read it from a request; nonsense is the default, as in PostHog."""
        return cls(
            _number(request.query_params.get("limit")) or DEFAULT_LIMIT,
            _number(request.query_params.get("offset")),
        )

    def envelope(
        self, request: Request, count: int, results: Sequence[object]
    ) -> dict[str, Any]:
        """Put a page into its envelope."""
        before = max(self.offset - self.limit, 0)
        return {
            "count": count,
            "next": self._url(request, self.offset + self.limit)
            if self.offset + self.limit < count
            else None,
            "previous": self._url(request, before) if self.offset else None,
            "results": results,
        }

    def _url(self, request: Request, offset: int) -> str:
        url = request.url.include_query_params(limit=self.limit)
        if not offset:
            return str(url.remove_query_params("offset"))
        return str(url.include_query_params(offset=offset))


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def choice(request: Request, name: str, among: Sequence[str], default: str) -> str:
    """Read a parameter that takes one of a few values.

    Raises:
        ApiError: It has none of them; PostHog's 400.
    """
    value = request.query_params.get(name, default)
    if value not in among:
        detail = f'"{value}" is not a valid choice.'
        raise invalid(detail, attr=name)
    return value
