"""A stream that is a declaration, read by the one reader of its kind."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from typing_extensions import override

from tap_posthog.declarations.columns import converter
from tap_posthog.declarations.declaration import PROJECT_ID
from tap_posthog.errors import AuditError, PostHogError
from tap_posthog.progress import Progress, terminal
from tap_posthog.streams.base import PostHogStream
from tap_posthog.tables.position import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from singer_sdk import Tap
    from singer_sdk.singerlib import Catalog

    from tap_posthog.api.client import Client
    from tap_posthog.declarations.declaration import Declaration
    from tap_posthog.output import Output
    from tap_posthog.progress import Stats
    from tap_posthog.streams.base import Part
    from tap_posthog.tables.source import Batch

logger = logging.getLogger("tap-posthog")


class Source(Protocol):
    """Reads a declaration's rows, each with the columns that it was made for."""

    def batches(self, position: Position) -> Iterator[Batch]:
        """Read what a position leaves to read."""


class Sources(Protocol):
    """What a declared stream needs of the tap."""

    @property
    def client(self) -> Client:
        """Who asks PostHog."""

    def source(
        self,
        declaration: Declaration,
        columns: Sequence[str],
        *,
        whole: bool,
        stats: Stats,
    ) -> Source:
        """Make ready to read."""

    def refused(self, stream: str, error: PostHogError | AuditError) -> None:
        """Note why a stream could not be read; the others go on."""


class DeclaredStream(PostHogStream):
    """Everything in PostHog but its events."""

    selected_by_default = False

    def __init__(
        self,
        tap: Tap,
        declaration: Declaration,
        *,
        output: Output,
        sources: Callable[[], Sources],
    ) -> None:
        """Take what to read, and who reads it, which is asked for at the sync."""
        self.declaration = declaration
        super().__init__(
            tap, name=declaration.name, schema=declaration.schema, output=output
        )
        self.primary_keys = declaration.primary_keys
        self.replication_key = declaration.replication_key
        self._sources = sources

    @staticmethod
    def whole_state(
        replication_key: str | None, state: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a stream's state in today's form.

        Raises:
            StateError: it cannot be read.
        """
        return Position.from_state(state).to_state(replication_key)

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Keep the one replication key that there is, whether it is named or not."""
        super().apply_catalog(catalog)
        self.replication_key = self.declaration.replication_key

    @override
    def parts(
        self, columns: Sequence[str], record: Callable[..., Any]
    ) -> Generator[Part]:
        """Read what the state leaves to read."""
        sources, stats = self._sources(), self.stats
        own = [name for name in columns if name != PROJECT_ID.name]
        project_id = int(self.config["project_id"])
        first = [project_id] if PROJECT_ID.name in columns else []
        converters = [
            (n, convert)
            for n, name in enumerate(own)
            if (convert := converter(self.declaration.column(name).kind))
        ]
        whole = self.replication_method == REPLICATION_FULL_TABLE
        source = sources.source(self.declaration, own, whole=whole, stats=stats)
        traffic = sources.client.traffic
        progress = Progress(traffic, stats, stream=self.name, terminal=terminal())
        done = False
        try:
            for batch in source.batches(Position.from_state(self.given_state)):
                records = []
                for row in batch.rows:
                    for n, convert in converters:
                        row[n] = convert(row[n])
                    records.append(record(*first, *row))
                state = None
                if batch.position is not None:
                    state = batch.position.to_state(self.replication_key)
                yield records, state
                progress.advance(len(records), "")
            done = True
        except (PostHogError, AuditError) as error:  # it ends this stream and no other
            sources.refused(self.name, error)
        finally:
            progress.close()
            logger.info("%s", progress.summary(done=done))
