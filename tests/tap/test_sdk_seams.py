"""The SDK's private parts that the tap replaces are still the ones that were read.

When one of these fails after an upgrade: read what the SDK's method does now, adapt the
override in the tap, then note the new digest here.
"""

from __future__ import annotations

import hashlib
import inspect
from typing import TYPE_CHECKING

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.plugin_base import PluginBase
from singer_sdk.singerlib.encoding.simple import SimpleSingerWriter

from tap_posthog.output import Output
from tap_posthog.streams.base import PostHogStream
from tap_posthog.streams.declared import DeclaredStream
from tap_posthog.streams.events import Events
from tap_posthog.tap import TapPostHog

if TYPE_CHECKING:
    from collections.abc import Callable

READ = [
    (Stream._sync_records, "8928dc7f50e9bf57"),  # noqa: SLF001 - what is replaced
    (Stream._sync_batches, "a42df0f3a08779dc"),  # noqa: SLF001 - what is replaced
    (
        Stream.sync,
        "6b4262dcdddf22b4",
    ),  # logs "An unhandled error", which the stream keeps quiet
    (PluginBase._validate_config, "0584b9e347e353fa"),  # noqa: SLF001 - what is replaced
    (Tap._handle_termination, "2bb79ae47769883a"),  # noqa: SLF001 - what is replaced
    (PluginBase._setup_signal_handlers, "eb4287001bdd7d19"),  # noqa: SLF001 - calls the handler
    (PluginBase.__dict__["_env_var_config"].fget, "4e00272a5767a9a1"),
    (parse_environment_config, "8795a086c3e468a6"),
    (Stream._write_state_message, "f82ecd8d16986823"),  # noqa: SLF001 - what is replaced
    (Tap.sync_all, "e4412393757b4cdc"),  # final there, and gone on from here
    (Stream.apply_catalog, "c1809c2cdad3f115"),  # sets the replication key
    (SimpleSingerWriter.write_message, "5fc83c04001e1f69"),
    (SimpleSingerWriter.serialize_message, "41cf1de91768e641"),
]


@pytest.mark.parametrize(
    ("method", "digest"), READ, ids=lambda each: getattr(each, "__qualname__", "")
)
def test_what_is_replaced_is_what_was_read(
    method: Callable[..., object], digest: str
) -> None:
    """A new version of the SDK that changes one of them is looked at first."""
    source = inspect.getsource(method).encode()

    assert hashlib.sha256(source).hexdigest()[:16] == digest


def test_the_tap_replaces_no_more_than_that() -> None:
    """Every private name of the SDK's that the tap defines is in the list."""
    ours: set[str] = set()
    for mine, base in (
        (TapPostHog, Tap),
        (Events, Stream),
        (PostHogStream, Stream),
        (DeclaredStream, Stream),
        (Output, SimpleSingerWriter),
    ):
        ours |= {
            name
            for name in vars(mine)
            if name.startswith("_")
            and not name.startswith(("__", "_abc"))
            and any(name in vars(each) for each in base.__mro__)
        }

    assert ours == {
        "_sync_batches",
        "_sync_records",
        "_write_state_message",
        "_validate_config",
        "_handle_termination",
        "_env_var_config",
    }
