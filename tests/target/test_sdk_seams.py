"""What is private in the SDK and yet departed from: a guard for when its pin moves.

Each test fails when the SDK's own code has changed. Then read it again, see whether
the override still says the truth, and renew the fingerprint.
"""

from __future__ import annotations

import hashlib
import inspect
import io
from contextlib import redirect_stdout
from importlib.metadata import version

import pytest
from singer_sdk import Sink, Target
from singer_sdk.configuration import _dict_config
from singer_sdk.helpers import _flattening
from singer_sdk.mapper import CustomStreamMap
from singer_sdk.plugin_base import BaseSingerReader, PluginBase, SingerCommand

from target_patterns_webhook.singer.sdk_sink import WebhookSink
from target_patterns_webhook.target import TargetPatternsWebhook
from tests.support.receiver import Receiver
from tests.target.process import singer

FINGERPRINTS = {
    (Target, "_process_record_message"): "08aaf4096e2d",
    (Target, "_process_schema_message"): "ed6e8449bc8f",
    (Target, "_handle_max_record_age"): "5762750ab103",
    (Target, "process_endofpipe"): "cfb659b6898b",
    (Target, "drain_all"): "1da0109210d3",
    (PluginBase, "_validate_config"): "0584b9e347e3",
    (PluginBase, "_setup_signal_handlers"): "eb4287001bdd",
    (BaseSingerReader, "process_lines"): "3442243efb20",
    (Sink, "_remove_sdc_metadata_from_record"): "7cd9e5fb192f",
    (Sink, "_validate_and_parse"): "970aadabcc4d",
    (Sink, "_after_process_record"): "185b5536ec21",
    (Sink, "get_validator"): "bb2fff05e8ae",
    (Target, "get_sink"): "d50a023664a5",  # keeps replaced sinks in _sinks_to_clear
    (CustomStreamMap, "_eval"): "389317fd6fbb",  # whose frame map_errors.py reads
    (_flattening, "_flatten_schema"): "cf405ec91800",  # what schemas.py makes for it
    (SingerCommand, "invoke"): "5c90869a269d",  # logs two lines where one is enough
    (_dict_config, "parse_environment_config"): "8795a086c3e4",
}


@pytest.mark.parametrize(
    ("owner", "name"),
    FINGERPRINTS,
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_sdk_has_not_changed_what_is_departed_from(
    owner: object, name: str
) -> None:
    """Every method that is overridden, or called though private, is as it was read."""
    source = inspect.getsource(getattr(owner, name))
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]

    assert digest == FINGERPRINTS[owner, name], version("singer-sdk")


@pytest.mark.parametrize(
    ("ours", "theirs", "some"),
    [
        (TargetPatternsWebhook, Target, {"drain_all", "drain_one", "listen"}),
        (WebhookSink, Sink, {"tally_record_read"}),
    ],
)
def test_nothing_final_is_overridden(ours: type, theirs: type, some: set[str]) -> None:
    """What the SDK marks as final is left alone."""
    members = inspect.getmembers(theirs)
    final = {name for name, value in members if getattr(value, "__final__", False)}

    assert some <= final
    assert final & set(vars(ours)) == set()


@pytest.mark.parametrize("validate", [False, True], ids=["hot", "sdk"])
def test_the_sdk_never_holds_a_state(validate: bool) -> None:  # noqa: FBT001 - a column
    """The SDK's ledger stays empty, so no drain of its own can write a state early."""
    with Receiver() as receiver, redirect_stdout(io.StringIO()) as states:
        target = TargetPatternsWebhook(
            config={"webhook_url": receiver.url, "validate_records": validate}
        )
        target.listen(io.BytesIO(singer(range(3))))  # type: ignore[arg-type]  # bytes do as well

    assert states.getvalue().endswith('{"upto":2}\n')
    assert vars(target)["_latest_state"] is None
