"""Events of great depth, and stream maps that were not written for an event."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import MappingError

from tap_posthog.cli import map_errors
from tests.tap.running import Outcome, config, run, run_here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

INSERT = (
    "insert into events (uuid, event, distinct_id, timestamp, created_at, properties) "
    "select generateUUIDv4(number), 'e', 'u', "
    "toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number, "
    "toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number, '%s' from numbers(2)"
)


def deep(levels: int) -> str:
    """Return properties so many levels deep."""
    return '{"a":[' * (levels // 2) + '1.5,"x"' + "]}" * (levels // 2)


@pytest.mark.parametrize("levels", [32, 330, 900, 5000])
@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="plain"),
        pytest.param({"stream_maps": {"events": {"more": "event"}}}, id="map"),
        pytest.param(
            {"flattening_enabled": True, "flattening_max_depth": 2}, id="flat"
        ),
    ],
)
def test_depth_stops_no_run(
    sandbox: Sandbox, levels: int, more: dict[str, Any]
) -> None:
    """An event arrives however deep its properties are, whatever is done to it."""
    sandbox.sql(INSERT % deep(levels))

    lines = run_here(config(sandbox, **more)).out.splitlines()

    records = [line for line in lines if b'"type":"RECORD"' in line]
    assert len(records) == 2
    kept = json.dumps(deep(levels))[1:-1]  # as text where no parser goes so deep
    flat = json.dumps(deep(levels)[5:-1])[1:-1]  # `properties__a` is text
    assert any(form.encode() in records[0] for form in (deep(levels), kept, flat))


@pytest.mark.parametrize(
    ("expression", "problem", "advice"),
    [
        (
            'properties["$current_url"]',
            "no such key",
            'Write properties.get("$current_url"), which is null there.',
        ),
        (
            "properties['a']['b']",
            "no such key",
            "Write properties.get('a', {}).get('b'), which is null there.",
        ),
        ("nothing", "no such column", "Write record.get('NAME') for a column that "),
        ("event + 1", "TypeError", "Fix the expression and run again."),
        ("1 / 0", "ZeroDivisionError", "Fix the expression and run again."),
        ("int(event)", "ValueError", "Fix the expression and run again."),
    ],
)
def test_a_stream_map_that_fails_is_named(
    sandbox: Sandbox, expression: str, problem: str, advice: str
) -> None:
    """The stream, the column, the expression and what to write instead; no data."""
    sandbox.sql(INSERT % '{"canary": 1}')
    maps = {"events": {"url": expression}}

    with pytest.raises((ArithmeticError, *RAISED)) as caught:
        run_here(config(sandbox, stream_maps=maps))

    told = map_errors.explain(caught.value)
    assert told is not None
    assert told[0] == (
        f"stream_maps: events.url = {expression} failed on a record ({problem})"
    )
    assert told[1].startswith(advice)


def test_the_command_ends_with_that_line(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is the last line, at ERROR, and the one error; no traceback is shown."""
    sandbox.sql(INSERT % "{}")
    maps = {"events": {"__filter__": 'properties["$current_url"] != 1'}}

    outcome = run(tmp_path, config(sandbox, stream_maps=maps))

    assert outcome.status == 1
    assert "Traceback" not in outcome.err
    assert outcome.errors == outcome.err.splitlines()[-1:]
    assert outcome.errors[0].endswith(
        'stream_maps: events.__filter__ = properties["$current_url"] != 1 failed on a '
        'record (no such key). Write properties.get("$current_url") != 1, which is '
        "null there."
    )


RAISED = (LookupError, TypeError, ValueError, MappingError)
BLOCKED = r"""
import os, sys, signal
from tap_posthog import output
from tap_posthog.output import Output

output.GRACE_SECONDS = float(sys.argv[1])
out = Output()
out.last_words = lambda: "Farewell"
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, out.on_signal)
os.write(2, b"ready\n")
out.write_lines(b"x" * (1 << 22) + b"\n")
"""


def blocked(grace: float, *signals: signal.Signals, read: bool) -> Outcome:
    """Signal a tap whose write waits for its reader; let that read on, or not."""
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED, str(grace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    process.stderr.readline()
    os.read(process.stdout.fileno(), 1)  # so the write has begun
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    if not read:
        process.wait(60)
    out, err = process.communicate(timeout=60)
    return Outcome(process.returncode, out, err.decode())


def test_ctrl_c_and_sigterm_tear_no_line() -> None:
    """The write in flight is completed: a runner's second signal is the same stop."""
    ended = blocked(60, signal.SIGINT, signal.SIGTERM, read=True)

    assert (ended.status, len(ended.out)) == (130, 1 << 22)
    assert ended.out.endswith(b"x\n")
    assert ended.err == "tap-posthog: Stopped by SIGINT. Farewell\n"


def test_the_same_signal_again_ends_at_once() -> None:
    """Whoever does not want to wait for the reader sends it twice."""
    ended = blocked(60, signal.SIGTERM, signal.SIGTERM, read=False)

    assert ended.status == 143
    assert not ended.out.endswith(b"\n")


def test_a_reader_that_has_ceased_to_read_holds_no_stop_up() -> None:
    """After a while the tap ends without it: nobody is there to see a torn line."""
    ended = blocked(1, signal.SIGTERM, read=False)

    assert ended.status == 143
    assert "Stopped by SIGTERM." in ended.err
