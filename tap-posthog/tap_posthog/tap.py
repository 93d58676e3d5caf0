"""The Singer tap: settings, streams and the command line's options. Reads no data."""

from __future__ import annotations

import copy
import functools
import time
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk import Stream, Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_posthog.api.api_errors import QUERY
from tap_posthog.api.client import Client
from tap_posthog.api.key import flag_calls_have_left, key_of
from tap_posthog.api.query import QueryEndpoint
from tap_posthog.cli.config_input import read_config, read_variables, warn_of_unknown
from tap_posthog.cli.files import bookmarks_of, checked_catalog, checked_state
from tap_posthog.cli.report import Report
from tap_posthog.declarations import DECLARATIONS
from tap_posthog.errors import ConfigError
from tap_posthog.events.follow import LOOK_BACK_SECONDS, Run
from tap_posthog.events.probe import PROBE_SECONDS, probe
from tap_posthog.output import Output
from tap_posthog.settings.schema import SETTINGS_SCHEMA
from tap_posthog.settings.settings import OWN, Settings, report_path, with_defaults
from tap_posthog.settings.values import Setting, read_builtin, settings_of
from tap_posthog.sources import Sources
from tap_posthog.streams.declared import DeclaredStream
from tap_posthog.streams.events import Events
from tap_posthog.streams.figures import figures
from tap_posthog.tables.answers import Answers
from tap_posthog.tables.own import declared

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    import click

    from tap_posthog.declarations.declaration import Table
    from tap_posthog.progress import Stats

ALIASES = ("start_date",)
KEYS = {
    Events.name: Events.replication_key,
    **{each.name: each.replication_key for each in DECLARATIONS},
}


class TapPostHog(Tap):
    """Singer tap for PostHog: every event once, late or not, and all that is beside."""

    name = "tap-posthog"
    config_jsonschema = copy.deepcopy(SETTINGS_SCHEMA)  # the SDK adds its own to it
    message_writer_class = Output
    report: ClassVar[Report] = Report(name)
    _client: Client | None = None

    @functools.cached_property
    def settings(self) -> Settings:
        """The configuration, read and checked."""
        return Settings.from_config(self.config)

    @property
    def client(self) -> Client:
        """What asks PostHog, for all streams: a limit that one meets holds for all."""
        if self._client is None or self._client.is_stopped:  # by a dry run's limit
            self._client = Client(self.settings)
        return self._client

    @property
    def output(self) -> Output:
        """Where messages go."""
        return cast("Output", self.message_writer)

    @functools.cached_property
    def sources(self) -> Sources:
        """What reads the streams beside the events."""
        return Sources(lambda: self.client, self.settings)

    @override
    def discover_streams(self) -> Sequence[Stream]:
        """Declare the streams; only the user's own queries are asked about."""
        declared = [*DECLARATIONS, *self.own_queries()]
        return [
            Events(self, output=self.output, read=self.read),
            *(
                DeclaredStream(
                    self, each, output=self.output, sources=lambda: self.sources
                )
                for each in declared
            ),
        ]

    @functools.cached_property
    def streams(self) -> dict[str, Stream]:
        """All streams, in the order in which they are read: whole scans last."""
        found = super().streams

        def place(stream: Stream) -> tuple[bool, bool]:
            return stream.name != Events.name, stream.replication_key is None

        return {each.name: each for each in sorted(found.values(), key=place)}

    def own_queries(self) -> list[Table]:
        """Ask what columns the user's queries have, of those that are selected.

        Raises:
            ConfigError: a query cannot be a stream.
        """
        if not self.config.get("hogql_streams"):
            return []
        if not self.config.get("api_key"):
            self.logger.warning(
                "hogql_streams are left out: without an api_key PostHog cannot be "
                "asked what columns they have"
            )
            return []
        catalog, found = self.input_catalog, []
        answers = Answers(QueryEndpoint(self.client, self.settings.project_id))
        for stream in self.settings.hogql_streams:
            entry = catalog.get_stream(stream.name) if catalog else None
            if entry and not entry.metadata.resolve_selection()[()]:
                continue
            found.append(declared(stream, answers))
        return found

    @override
    def run_discovery(self) -> str:
        """Print the catalog of what the API key may read; without one, of all."""
        if self.config.get("api_key") and self.config.get("project_id"):
            self._leave_out_what_the_key_may_not_read()
        return super().run_discovery()

    def _leave_out_what_the_key_may_not_read(self) -> None:
        with Client(self.settings, patience=PROBE_SECONDS) as client:
            key = key_of(client)
            project = key.scopes is not None and key.may("project:read")
            left = project and flag_calls_have_left(client, self.settings.project_id)
        if left:
            self.logger.warning(
                "PostHog no longer writes $feature_flag_called into this project's "
                "events: select flag_evaluations for them"
            )
        for name, stream in list(self.streams.items()):
            if isinstance(stream, DeclaredStream):
                scope = stream.declaration.scope
            else:
                scope = QUERY
            if not key.may(scope):
                self.logger.warning(
                    "%s is left out: the API key lacks the scope %s", name, scope
                )
                del self.streams[name]

    # Final in the SDK, which has no place for what is to be done once all streams are:
    # its loop is left as it is.
    def sync_all(self) -> None:  # type: ignore[misc]
        """Read the selected streams, then say which of them could not be read.

        Raises:
            TapError: what ended the run, or a stream.
        """
        self.report.figures = lambda: figures(
            self.streams.values(), self._client, self.settings
        )
        self.output.report = self.report
        try:
            super().sync_all()
            self.sources.check()
            while self.settings.follow_seconds:  # and no events, which do not end
                time.sleep(max(self.settings.follow_seconds, LOOK_BACK_SECONDS))
                self.read_beside_events()
        finally:
            if self._client is not None:
                self._client.close()

    def read_beside_events(self) -> None:
        """Read the other streams, as a follower does every so often.

        Raises:
            TapError: what ended the run, or a stream.
        """
        for stream in self.streams.values():
            if stream.selected and stream.name != Events.name:
                stream.sync()
        self.sources.check()

    @classmethod
    def builtin(cls) -> dict[str, Setting]:
        """Return the settings that the SDK gives every tap with these capabilities."""
        schema: dict[str, Any] = {"properties": {}}
        cls.append_builtin_config(schema)
        return settings_of(schema)

    def read(self, columns: Sequence[str], stats: Stats) -> Run:
        """Make ready to read events with these columns."""
        client, settings, beside = self.client, self.settings, self.read_beside_events
        run = Run(client, settings, columns, stats=stats, beside=beside)
        self.output.last_words = run.last_words
        return run

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Take a state, or the message or wrapper that holds it, and make it whole.

        Raises:
            StateError: it is neither, or of another project.
        """
        own = self.settings.hogql_streams if state else ()
        keys = KEYS | {each.name: each.replication_key for each in own}
        found = bookmarks_of(state, {*keys})
        read = {
            name: Events.whole_state(given, self.settings)
            if name == Events.name
            else DeclaredStream.whole_state(keys[name], given)
            for name, given in found.items()
        }
        if whole := {name: state for name, state in read.items() if state}:
            super().load_state({"bookmarks": whole})

    # Private in the SDK: it reports a bad value with the value, secrets included, and
    # refuses "10000" for 10000. One reader takes our own keys and the SDK's.
    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        given = self._config
        self._config = with_defaults(given, SETTINGS_SCHEMA)
        if raise_errors:  # not for discovery, which needs no account
            builtin = self.builtin()
            warn_of_unknown(given, {*OWN, *builtin, *ALIASES})
            self.report.use(report_path(self._config))
            Settings.from_config(self._config)
            self._config |= read_builtin(self._config, builtin)
        return []

    # Private in the SDK: it turns TAP_POSTHOG_PAGE_SIZE=abc into a traceback. Here all
    # keys arrive as the text that they are, and are read like any other.
    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a class property
        names = {*OWN, *cls.builtin(), *ALIASES}
        return dict(read_variables(cls._env_var_prefix, names))

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the configuration files, each once: it may be a pipe."""
        return read_config(value)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """With `--test`, ask PostHog whether it would answer; move nothing."""
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        given: _ConfigInput = ctx.params.get("config", _ConfigInput())
        # No mapper: it makes the streams, which may ask the server, and wait for it.
        env = given.parse_env
        tap = cls(config=given.config, parse_env_config=env, setup_mapper=False)
        with Client(tap.settings, patience=PROBE_SECONDS) as tap._client:
            probe(tap._client, tap.settings)
            tap.own_queries()
        ctx.exit()

    @classmethod
    @override
    def invoke(
        cls,
        *,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
        **options: Any,
    ) -> None:
        """Run the tap, once what came in as files is known to be readable."""
        if not options.get("about"):
            cls.report.begin()
        try:
            super().invoke(
                state=state and checked_state(state),
                catalog=catalog and checked_catalog(catalog, KEYS),
                **options,
            )
        except ConfigValidationError as error:  # the SDK would log a line too many
            raise ConfigError("; ".join(error.errors)) from None

    # Private in the SDK: its handler writes a state while a record may be half written.
    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        self.output.on_signal(signum, frame)
