"""The stream of events: what it looks like, and how its batches become records.

Which events, and in what order, is up to the reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from typing_extensions import override

from tap_posthog.events.bookmark import REPLICATION_KEY, Bookmark
from tap_posthog.events.rows import EventRecords
from tap_posthog.events.scope import Scope
from tap_posthog.streams.base import LINES, PostHogStream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from singer_sdk import Tap
    from singer_sdk.singerlib import Catalog

    from tap_posthog.events.follow import Run
    from tap_posthog.output import Output
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings
    from tap_posthog.streams.base import Part

SCHEMA = th.PropertiesList(
    th.Property("uuid", th.StringType, required=True, description="Of the event."),
    th.Property("event", th.StringType, description="Name of the event."),
    th.Property("distinct_id", th.StringType, description="Who or what it is about."),
    th.Property("timestamp", th.DateTimeType, description="When it happened."),
    th.Property("created_at", th.DateTimeType, description="When PostHog ingested it."),
    th.Property(
        "properties",
        th.ObjectType(additional_properties=True),
        description="As PostHog holds them.",
    ),
    th.Property(
        "elements_chain", th.StringType, description="The page elements clicked."
    ),
    th.Property("person_id", th.StringType, description="The person, as of the query."),
    th.Property("session_id", th.StringType, description="`$session_id`."),
    th.Property("window_id", th.StringType, description="`$window_id`."),
).to_dict()
PERSON_PROPERTIES = th.Property(
    "person_properties",
    th.ObjectType(additional_properties=True),
    description="Of the person, as stored on the event.",
).to_dict()


class Events(PostHogStream):
    """What happened in the project, in the order in which it happened."""

    name = "events"
    primary_keys: ClassVar[list[str]] = ["uuid"]
    replication_key = REPLICATION_KEY

    def __init__(
        self, tap: Tap, *, output: Output, read: Callable[[Sequence[str], Stats], Run]
    ) -> None:
        """Declare the columns; the optional one only where it is asked for.

        `read` makes ready to read events with some columns, and counts them.
        """
        schema = SCHEMA
        if tap.config.get("include_person_properties"):
            schema = {**SCHEMA, "properties": SCHEMA["properties"] | PERSON_PROPERTIES}
        super().__init__(tap, schema=schema, output=output)
        self._read = read

    @classmethod
    def whole_state(
        cls, state: Mapping[str, Any], settings: Settings
    ) -> dict[str, Any] | None:
        """Return this stream's state in today's form. None: it says nothing.

        Raises:
            StateError: it cannot be read, or is of another project.
        """
        bookmark = Bookmark.from_state(state)
        return bookmark.of(Scope.of(settings)).to_state() if bookmark.at else None

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Keep the one replication key that there is, whether it is named or not."""
        super().apply_catalog(catalog)
        self.replication_key = REPLICATION_KEY

    @property
    @override
    def figures(self) -> dict[str, Any]:
        """Add what the ledger holds: rows read by hour of `created_at`."""
        ledger = self.given_state.get("ledger") or []
        return {**super().figures, "by_created_hour": ledger}

    @property
    def bookmark(self) -> Bookmark:
        """Where the state says that this stream stands; a full table has no state."""
        if self.replication_method == REPLICATION_FULL_TABLE:
            return Bookmark()
        return Bookmark.from_state(self.given_state)

    @override
    def parts(
        self, columns: Sequence[str], record: Callable[..., Any]
    ) -> Generator[Part]:
        """Read what the bookmark leaves to read."""
        records = EventRecords(columns, record)
        with self._read(columns, self.stats) as run:
            for batch in run.batches(self.bookmark):
                for first in range(0, len(batch.rows), LINES):
                    yield records.of(batch.rows[first : first + LINES]), None
                if batch.bookmark is not None and batch.bookmark.at:
                    yield (), batch.bookmark.to_state()
