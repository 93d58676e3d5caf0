"""The Singer tap: settings, streams and the command line's options. Reads no events."""

from __future__ import annotations

import copy
import functools
from typing import IO, TYPE_CHECKING, Any, cast

from singer_sdk import Stream, Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_posthog.api.client import Client
from tap_posthog.cli.config_input import read_config, read_variables, warn_of_unknown
from tap_posthog.cli.files import bookmarks_of, checked_catalog, checked_state
from tap_posthog.errors import ConfigError
from tap_posthog.events.follow import Run
from tap_posthog.events.probe import PROBE_SECONDS, probe
from tap_posthog.output import Output
from tap_posthog.settings.schema import SETTINGS_SCHEMA
from tap_posthog.settings.settings import OWN, Settings, with_defaults
from tap_posthog.settings.values import Setting, read_builtin, settings_of
from tap_posthog.streams.events import Events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    import click

ALIASES = ("start_date",)
STREAMS = {stream.name: stream for stream in (Events,)}
KEYS = {name: stream.replication_key for name, stream in STREAMS.items()}


class TapPostHog(Tap):
    """Singer tap for PostHog events: every event once, late or not."""

    name = "tap-posthog"
    config_jsonschema = copy.deepcopy(SETTINGS_SCHEMA)  # the SDK adds its own to it
    message_writer_class = Output

    @functools.cached_property
    def settings(self) -> Settings:
        """The configuration, read and checked."""
        return Settings.from_config(self.config)

    @functools.cached_property
    def client(self) -> Client:
        """What asks PostHog, for all streams: a limit that one meets holds for all."""
        return Client(self.settings)

    @property
    def output(self) -> Output:
        """Where messages go."""
        return cast("Output", self.message_writer)

    @override
    def discover_streams(self) -> Sequence[Stream]:
        """Declare the streams; nothing is asked of the server."""
        given: dict[str, Any] = {"output": self.output, "read": self.read}
        return [stream(self, **given) for stream in STREAMS.values()]

    @classmethod
    def builtin(cls) -> dict[str, Setting]:
        """Return the settings that the SDK gives every tap with these capabilities."""
        schema: dict[str, Any] = {"properties": {}}
        cls.append_builtin_config(schema)
        return settings_of(schema)

    def read(self, columns: Sequence[str]) -> Run:
        """Make ready to read events with these columns."""
        run = Run(self.client, self.settings, columns)
        self.output.last_words = run.last_words
        return run

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Take a state, or the message or wrapper that holds it, and make it whole.

        Raises:
            StateError: it is neither, or of another project.
        """
        found = bookmarks_of(state, {*STREAMS})
        read = {n: STREAMS[n].whole_state(s, self.settings) for n, s in found.items()}
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
        tap = cls(config=given.config, parse_env_config=given.parse_env)
        with Client(tap.settings, patience=PROBE_SECONDS) as client:
            probe(client, tap.settings)
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
