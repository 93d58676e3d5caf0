"""Catalogs that select streams, and runs of the tap with them in this process."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tap_posthog.declarations import DECLARATIONS
from tap_posthog.tap import TapPostHog
from tests.tap.running import Outcome, run_here

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

NAMES = tuple(each.name for each in DECLARATIONS)
Records = dict[str, list[dict[str, Any]]]


def catalog(config: dict[str, Any], *names: str, **methods: str) -> dict[str, Any]:
    """Return the tap's own catalog with these streams selected, and no other."""
    tap = TapPostHog(config=config, setup_mapper=False)
    made = tap.catalog_dict
    for entry in made["streams"]:
        (root,) = (each for each in entry["metadata"] if not each["breadcrumb"])
        name = entry["tap_stream_id"]
        root["metadata"]["selected"] = name in names
        if name in methods:
            entry["replication_method"] = methods[name]
            root["metadata"]["forced-replication-method"] = methods[name]
    return made


def read(
    config: dict[str, Any],
    *names: str,
    state: dict[str, Any] | None = None,
    **more: str,
) -> Outcome:
    """Run the tap over these streams."""
    return run_here(config, state=state, catalog=catalog(config, *names, **more))


def by_stream(outcome: Outcome) -> Records:
    """Return the records of each stream."""
    found: Records = defaultdict(list)
    for message in outcome.messages:
        if message["type"] == "RECORD":
            found[message["stream"]].append(message["record"])
    return found


def queries(sandbox: Sandbox) -> list[str]:
    """Return the HogQL that was asked since it was last asked for."""
    asked = [each["hogql"] for each in sandbox.requests() if each.get("hogql")]
    sandbox.forget_requests()
    return asked
