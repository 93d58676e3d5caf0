"""The Singer tap: settings, streams and the command line's options. Reads no events."""

from __future__ import annotations

import copy
import functools
import json
from typing import IO, TYPE_CHECKING, Any, cast

from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import JSONSchemaValidator, _ConfigInput
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_posthog.bookmark import Bookmark
from tap_posthog.errors import ConfigError
from tap_posthog.inputs import (
    bookmarks_of,
    checked_catalog,
    checked_state,
    read_object,
)
from tap_posthog.output import Output
from tap_posthog.run import Run
from tap_posthog.settings import Settings, with_defaults
from tap_posthog.settings_schema import SETTINGS_SCHEMA
from tap_posthog.streams.events import Events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    import click

OWN = tuple(SETTINGS_SCHEMA["properties"])
SHOWN = 200  # characters of a schema that are repeated to the user


class TapPostHog(Tap):
    """Singer tap for PostHog events: every event once, late or not."""

    name = "tap-posthog"
    config_jsonschema = copy.deepcopy(SETTINGS_SCHEMA)  # the SDK adds its own to it
    message_writer_class = Output

    @functools.cached_property
    def settings(self) -> Settings:
        """The configuration, read and checked."""
        return Settings.from_config(self.config)

    @property
    def output(self) -> Output:
        """Where messages go."""
        return cast("Output", self.message_writer)

    @override
    def discover_streams(self) -> Sequence[Stream]:
        """Declare the streams; nothing is asked of the server."""
        return [Events(self)]

    def run(self, columns: Sequence[str]) -> Run:
        """Make ready to read events with these columns."""
        run = Run(self.settings, columns)
        self.output.farewell = run.farewell
        return run

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Take a state, or the STATE message that holds it.

        Raises:
            StateError: it is neither.

        """
        bookmarks = bookmarks_of(state)
        Bookmark.from_state(bookmarks.get(Events.name, {}))
        super().load_state({"bookmarks": bookmarks})

    # Private in the SDK: it reports a bad value with the value, secrets included, and
    # refuses "10000" for 10000. We read our own keys, and it checks the SDK's.
    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self._config = with_defaults(self._config, SETTINGS_SCHEMA)
        if not raise_errors:  # discovery, which needs no account
            return []
        Settings.from_config(self._config)
        builtin: dict[str, Any] = {"properties": {}}
        self.append_builtin_config(builtin)
        for error in JSONSchemaValidator(builtin).iter_errors(self._config):
            path = ".".join(map(str, error.path))
            takes = json.dumps(error.validator_value)[:SHOWN]
            msg = f"{path}: is not of the form that it takes ({takes})"
            raise ConfigError(msg)
        return []

    # Private in the SDK: it turns TAP_POSTHOG_PAGE_SIZE=abc into a traceback. Here our
    # own keys arrive as the text that they are, and are read like any other.
    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a class property
        texts = {key: {"type": "string"} for key in (*OWN, "start_date")}
        schema: dict[str, Any] = {"properties": texts}
        cls.append_builtin_config(schema)
        try:
            return parse_environment_config(schema, cls._env_var_prefix)
        except ValueError:
            msg = (
                f"One of the SDK's own settings among the variables "
                f"{cls._env_var_prefix}* (stream maps, flattening, batches) cannot be "
                "read; objects are written as JSON, numbers as digits"
            )
            raise ConfigError(msg) from None

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the configuration files."""
        for path in value:
            if path != "ENV":
                read_object(path, "configuration")
        return super().cb_config(ctx, param, value)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """With `--test`, ask PostHog whether it would answer; move nothing."""
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        given: _ConfigInput = ctx.params.get("config", _ConfigInput())
        tap = cls(config=given.config, parse_env_config=given.parse_env)
        Run(tap.settings, ()).check()
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
                catalog=catalog and checked_catalog(catalog, Events.name),
                **options,
            )
        except ConfigValidationError as error:  # the SDK would log a line too many
            raise ConfigError("; ".join(error.errors)) from None

    # Private in the SDK: its handler writes a state while a record may be half written.
    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        self.output.on_signal(signum, frame)
