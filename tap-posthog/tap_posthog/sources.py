"""What each declared stream is read by; and what went wrong with any of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tap_posthog.declarations.declaration import RestList, Table
from tap_posthog.declarations.people import COHORT_MEMBERS
from tap_posthog.errors import AuditError, PostHogError, TapError
from tap_posthog.lists.source import ListSource
from tap_posthog.tables.members import MembersSource
from tap_posthog.tables.own import OwnSource
from tap_posthog.tables.source import TableSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_posthog.api.client import Client
    from tap_posthog.declarations.declaration import Declaration
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings
    from tap_posthog.streams.declared import Source

logger = logging.getLogger("tap-posthog")


class Sources:
    """Makes what reads a stream, over the run's one client."""

    def __init__(self, client: Callable[[], Client], settings: Settings) -> None:
        """Take who gives the client of the run."""
        self._client = client
        self._settings = settings
        self._own = {each.name for each in settings.hogql_streams}
        self._refusals: list[tuple[str, TapError]] = []

    @property
    def client(self) -> Client:
        """Who asks PostHog."""
        return self._client()

    def source(
        self,
        declaration: Declaration,
        columns: Sequence[str],
        *,
        whole: bool,
        stats: Stats,
    ) -> Source:
        """Make ready to read these columns of a stream."""
        if isinstance(declaration, RestList):
            return ListSource(
                declaration, columns, self.client, self._settings,
                whole=whole, stats=stats,
            )  # fmt: skip
        assert isinstance(declaration, Table)  # noqa: S101 - there is no third kind
        kind = TableSource
        if declaration.name in self._own:
            kind = OwnSource
        elif declaration is COHORT_MEMBERS:
            kind = MembersSource
        return kind(
            declaration, columns, self.client, self._settings, whole=whole, stats=stats
        )

    def refused(self, stream: str, error: PostHogError | AuditError) -> None:
        """Note why a stream could not be read; the others go on."""
        logger.warning("%s could not be read: %s", stream, error)
        self._refusals.append((stream, error))

    def check(self) -> None:
        """Raise what was noted, in one line.

        Raises:
            AuditError: one of the streams has a gap.
            PostHogError: PostHog refused one of them.
        """
        if not self._refusals:
            return
        refusals, self._refusals = self._refusals, []
        line = "; ".join(f"{stream} could not be read: {e}" for stream, e in refusals)
        gap = any(isinstance(error, AuditError) for _, error in refusals)
        raise (AuditError if gap else PostHogError)(line)
