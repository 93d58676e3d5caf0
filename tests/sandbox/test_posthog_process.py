"""The sandbox as a process: how it starts, stops, and says that it cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox


def serve(port: str, data: Path) -> subprocess.Popen[str]:
    """Start a sandbox that is not waited for."""
    command = [sys.executable, "-m", "sandbox.serve", "--side", "posthog"]
    return subprocess.Popen(
        [*command, "--port", port, "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """One line on stdout when it is ready, nothing on stderr, exit 0."""
    process = serve("0", tmp_path)
    assert process.stdout is not None
    ready = process.stdout.readline()

    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert ready.startswith("sandbox ready on http://127.0.0.1:")
    assert (process.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_is_named(tmp_path: Path, shared_sandbox: Sandbox) -> None:
    """One line, and a failure."""
    port = shared_sandbox.url.rpartition(":")[2]

    process = serve(port, tmp_path)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 1
    expected = f"The sandbox cannot listen on port {port}: Address already in use\n"
    assert err == expected


def test_data_in_use_is_named(tmp_path: Path) -> None:
    """Two processes never share a ClickHouse."""
    first = serve("0", tmp_path)
    assert first.stdout is not None
    first.stdout.readline()

    second = serve("0", tmp_path)
    _, err = second.communicate(timeout=60)
    first.terminate()
    first.communicate(timeout=60)

    assert second.returncode == 1
    assert "Is another sandbox using it?" in err
    assert "Traceback" not in err


def test_a_reset_leaves_no_parts(sandbox: Sandbox) -> None:
    """However many there were; the table is there, and empty."""
    sandbox.sql(
        "insert into events (event, timestamp) select 'e', "
        "toDateTime64('2000-01-01 00:00:00', 6, 'UTC') + toIntervalMonth(number) "
        "from numbers(24)"
    )
    parts = (
        "select count() from system.parts"
        " where database = 'posthog' and table = 'events' and active"
    )
    before = sandbox.sql(parts)

    sandbox.reset()

    assert before == [[24]]
    assert sandbox.sql(parts) == [[0]]
    assert sandbox.sql("select count() from events") == [[0]]
