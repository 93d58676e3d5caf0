"""The SDK's own suite for taps, over a real PostHog's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_posthog.tap import KEYS, TapPostHog
from tests.support.world import furnish
from tests.tap.running import API_KEY
from tests.tap.streams.catalogs import catalog

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

# A column that is null in each row is none that the suite could try.
pytestmark = pytest.mark.filterwarnings("ignore:No records were available")
CONFIG = {"api_key": API_KEY, "project_id": "1", "settle_seconds": 0, "page_size": 10}


@pytest.fixture(scope="module", autouse=True)
def posthog(shared_sandbox: Sandbox) -> None:
    """Point the suite's configuration at a sandbox with events."""
    CONFIG["base_url"] = shared_sandbox.url
    shared_sandbox.reset()
    shared_sandbox.sql(
        "insert into events (uuid, event, distinct_id, timestamp, created_at, "
        "properties, `$session_id`) select generateUUIDv4(number), 'e', 'u', "
        "toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number, "
        "toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number, '{\"a\":1}', 's' "
        "from numbers(50)"
    )
    furnish(shared_sandbox)


SdkSuite = get_tap_test_class(
    TapPostHog,
    config=CONFIG,
    catalog=catalog(CONFIG, *KEYS),
    suite_config=SuiteConfig(max_records_limit=20),
)


class TestSdkSuite(SdkSuite):  # type: ignore[misc, valid-type]  # made at run time
    """Each of the suite's tests, with rows to read."""
