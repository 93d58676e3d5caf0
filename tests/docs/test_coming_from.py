"""docs/coming-from.md: the cut-over leaves no gap, and the shape is the app's."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.docs.settings import ROOT
from tests.pair.pipe import Pipe, Program, installed
from tests.support.receiver import Receiver
from tests.tap.running import config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

DOCUMENT = (ROOT / "docs" / "coming-from.md").read_text()
NOTED = "2026-03-10T12:00:00Z"
OFF = "2026-03-10 12:30:00"  # when the app, or Airbyte, is switched off
INSERT = """
insert into events (uuid, event, distinct_id, timestamp, created_at, properties) values
"""
EVENTS = {  # number: when it happened, when PostHog took it in
    1: ("2026-03-01 08:00:00", "2026-03-01 08:00:01"),
    2: ("2026-03-10 11:59:00", "2026-03-10 11:59:01"),
    3: ("2026-03-07 10:00:00", "2026-03-10 12:10:00"),  # late, the app is on
    4: ("2026-03-10 12:05:00", "2026-03-10 12:05:01"),
    5: ("2026-03-08 10:00:00", "2026-03-10 13:30:00"),  # late, the app is off
    6: ("2026-03-10 14:00:00", "2026-03-10 14:00:01"),
}


def first_state() -> dict[str, Any]:
    """Return the state that the document tells to begin with."""
    found = re.search(r"^```json\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found is not None
    state: dict[str, Any] = json.loads(found[1].replace('"T"', f'"{NOTED}"'))
    return state


def put(sandbox: Sandbox) -> None:
    """Put the events into PostHog, where it is some hours later now."""
    properties = {"$ip": "192.0.2.1", "$set": {"a": 1}, "$set_once": {"b": 2}}
    rows = ", ".join(
        f"('00000000-0000-4000-8000-{number:012}', 'e', 'u', '{happened}', "
        f"'{taken}', '{json.dumps(properties)}')"
        for number, (happened, taken) in EVENTS.items()
    )
    sandbox.sql(INSERT + rows)
    sandbox.behave(frozen_at="2026-03-10T18:00:00Z")


def moved(sandbox: Sandbox, folder: Path) -> dict[int, dict[str, Any]]:
    """Run the pair from the document's state; return what arrived, by number."""
    put(sandbox)
    given = config(sandbox)
    with Receiver() as receiver:
        sink = {
            "webhook_url": receiver.url,
            "record_format": "connector",
            "project_id": 12345,
        }
        pipe = Pipe(
            Program(installed("tap-posthog"), given),
            Program(installed("target-patterns-webhook"), sink),
            folder,
            first_state(),
        )
        pipe.run()
        records = [r for request in receiver.requests for r in request.records]
    assert len({r["uuid"] for r in records}) == len(records)
    return {int(record["uuid"][-12:]): record for record in records}


def test_the_cut_over_leaves_no_gap(sandbox: Sandbox, tmp_path: Path) -> None:
    """What the app did not have the pair sends, late events of before T included.

    Twice is what came between T and the switch-off. The records have the app's shape.
    """
    by_app = {number for number, (_, taken) in EVENTS.items() if taken < OFF}
    by_pair = moved(sandbox, tmp_path)

    assert by_app | set(by_pair) == set(EVENTS)
    assert by_app & set(by_pair) == {3, 4}
    assert by_pair[5] == {
        "uuid": "00000000-0000-4000-8000-000000000005",
        "event": "e",
        "distinct_id": "u",
        "timestamp": "2026-03-08T10:00:00.000000Z",
        "properties": {"$ip": "192.0.2.1", "$set": {"a": 1}, "$set_once": {"b": 2}},
        "team_id": 12345,
        "ip": "192.0.2.1",
        "$set": {"a": 1},
        "$set_once": {"b": 2},
    }


def test_both_recipes_begin_with_the_same_state() -> None:
    """The state in the Meltano command is the one that is tested here."""
    (command,) = re.findall(r"state set --force \S+ '(.*)'$", DOCUMENT, re.MULTILINE)

    told = json.loads(command.replace('"T"', f'"{NOTED}"'))
    assert told == {"singer_state": first_state()}
