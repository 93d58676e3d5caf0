"""The SDK's own target suite, and the multiple-state test that it leaves out.

A sink that does nothing passes the suite, so what the receiver got is counted here.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner

from target_patterns_webhook.target import TargetPatternsWebhook
from tests.support.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

# The SDK's runner leaves the files that it opens to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

CONFIG: dict[str, Any] = {}

Suite = get_target_test_class(TargetPatternsWebhook, config=CONFIG)


class TestSuite(Suite):  # type: ignore[misc, valid-type]  # made at run time
    """Every test of the SDK's suite passes, each over a real receiver."""

    @pytest.fixture(scope="class")
    @classmethod
    def resource(cls) -> Iterator[Receiver]:
        """Start a receiver and write its URL into the suite's config."""
        with Receiver() as receiver:
            CONFIG.clear()
            CONFIG["webhook_url"] = receiver.url
            yield receiver
            assert sum(receiver.counts.values()) > 0

    def test_target_invalid_schema(self, resource: Receiver) -> None:
        """A SCHEMA without properties, which the suite calls invalid, is taken.

        JSON Schema has no such rule, and taps of stores without columns write it.
        """
        path = files("singer_sdk.testing.target_test_streams")
        runner = TargetTestRunner(
            TargetPatternsWebhook,
            config={**CONFIG, "webhook_url": resource.url},
            input_io=io.StringIO((path / "invalid_schema.singer").read_text()),
        )
        runner.sync_all()

        assert runner.stdout == ""


class TestSuiteOnTheSdkPath(TestSuite):
    """And so it does where a setting sends each record through the SDK."""

    @pytest.fixture(scope="class")
    @classmethod
    def resource(cls) -> Iterator[Receiver]:
        """Validate, which only the SDK does."""
        with Receiver() as receiver:
            CONFIG.clear()
            CONFIG.update(webhook_url=receiver.url, validate_records=True)
            yield receiver


def test_states_come_out_in_order_and_never_ahead() -> None:
    """Of several states each that is written was in the input, in order; the last is.

    The SDK's own version of this test, which it leaves out, wants states that some
    batch size of its own would give.
    """
    path = files("singer_sdk.testing.target_test_streams")
    source = path / "multiple_state_messages.singer"
    messages = [json.loads(line) for line in source.read_text().splitlines()]
    states = [m["value"] for m in messages if m["type"] == "STATE"]
    with Receiver() as receiver:
        config = {"webhook_url": receiver.url, "batch_size_rows": 1}
        runner = TargetTestRunner(
            TargetPatternsWebhook,
            config=config,
            input_io=io.StringIO(source.read_text()),
        )
        runner.sync_all()
        written = runner.state_messages
        received = [r for request in receiver.requests for r in request.records]

    assert written[-1] == states[-1]
    assert [s for s in states if s in written] == written
    records = [m["record"] for m in messages if m["type"] == "RECORD"]
    assert Counter(map(str, received)) == Counter(map(str, records))
