"""A tap may announce a stream again and again: nothing is kept for each time."""

from __future__ import annotations

import gc
import io
import json
from contextlib import redirect_stdout

import msgspec
import pytest

from target_patterns_webhook.singer.sdk_sink import WebhookSink
from target_patterns_webhook.singer.stream import Stream
from target_patterns_webhook.singer.validator import Validator
from target_patterns_webhook.target import TargetPatternsWebhook
from tests.support.receiver import Receiver
from tests.target.inside import logged

COLUMNS = ("uuid", "event", "distinct_id", "timestamp", "properties")


def schemas(count: int, *, keys: bool) -> bytes:
    """Return so many SCHEMA messages, each unlike the last, with a record behind."""
    lines: list[str] = []
    for number in range(count):
        columns: dict[str, object] = {
            name: {} for name in (*COLUMNS, f"more{number % 7}")
        }
        message = {
            "type": "SCHEMA",
            "stream": "s",
            "schema": {"properties": columns},
            "key_properties": ["uuid", "event"][: 1 + number % 2] if keys else [],
        }
        record = {"uuid": "u", "event": "e", "properties": {"revenue": number}}
        event = {"type": "RECORD", "stream": "s", "record": record}
        lines += json.dumps(message), json.dumps(event)
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("count", "config"),
    [
        pytest.param(3000, {"record_format": "activity"}, id="activity"),
        pytest.param(3000, {"record_format": "connector"}, id="connector"),
        pytest.param(300, {"validate_records": True}, id="validation"),
        pytest.param(
            300,
            {"record_format": "activity", "stream_maps": {"s": {"x": "1"}}},
            id="activity-and-map",
        ),
    ],
)
@pytest.mark.parametrize("keys", [False, True])
def test_schemas_without_end_take_no_memory(
    count: int,
    config: dict[str, object],
    keys: bool,  # noqa: FBT001 - a column
) -> None:
    """As many decoders, streams, sinks and validators live as there are streams."""
    with Receiver(keep=False) as receiver, logged() as words:
        given = {"webhook_url": receiver.url, **config}
        target = TargetPatternsWebhook(config=given)
        with redirect_stdout(io.StringIO()):
            target.listen(io.BytesIO(schemas(4, keys=keys)))  # type: ignore[arg-type]  # bytes do as well
            gc.collect()
            before = len(msgspec.Struct.__subclasses__())
            target.listen(io.BytesIO(schemas(count, keys=keys)))  # type: ignore[arg-type]  # as above
            gc.collect()

        alive = [type(each) for each in gc.get_objects()]
        assert len(msgspec.Struct.__subclasses__()) <= before + 2
        for kind in (Stream, WebhookSink, Validator):
            assert alive.count(kind) <= 2, kind
    assert words.getvalue().count("its records pass as they are") == 0
