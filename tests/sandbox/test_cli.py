"""The `sandbox` command as a newcomer and Meltano use it: real processes throughout."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
import yaml

from sandbox import cli
from tests.docs.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., subprocess.CompletedProcess[str]]

TIMEOUT = 120


def free_port() -> int:
    """Find a port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Run]:
    """Give the command, with a port and a folder of its own; what it starts ends."""
    environment = {
        **os.environ,
        "SANDBOX_PORT": str(free_port()),
        "SANDBOX_DATA": str(tmp_path / "data"),
    }

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        # The pipes are read to their end: a process left behind must not hold them.
        return subprocess.run(
            [str(Path(sys.executable).with_name("sandbox")), *arguments],
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    yield run
    run("down")


def url(started: subprocess.CompletedProcess[str]) -> str:
    """Find where the page is, in what `up` said."""
    assert started.returncode == 0, started.stderr
    found = re.search(r"http://127\.0\.0\.1:\d+", started.stdout)
    assert found
    return found[0]


def one_line(failed: subprocess.CompletedProcess[str]) -> str:
    """Check that a command failed with one line on stderr; give the line."""
    assert failed.returncode == 1, failed.stdout
    assert failed.stdout == ""
    assert failed.stderr.startswith("sandbox: ")
    assert failed.stderr.count("\n") == 1, failed.stderr
    return failed.stderr


def rows(page: str) -> int:
    """Ask the page how many records it has."""
    stats = requests.get(f"{page}/sandbox/patterns/stats", timeout=TIMEOUT)
    count: int = stats.json()["rows"]
    return count


def test_up_stays_up_and_keeps_what_it_has(sandbox: Run) -> None:
    """Up again it says so; after `down` the line that it told shows the same data."""
    page = url(sandbox("up"))
    requests.post(f"{page}/api/app/webhooks/demo", json={"uuid": "u"}, timeout=TIMEOUT)
    again = sandbox("up")
    kept = rows(page)
    down, nothing = sandbox("down"), sandbox("down")
    with pytest.raises(requests.ConnectionError):
        requests.get(page, timeout=TIMEOUT)
    told = re.search(r": sandbox (up --port \d+ --data \S+), then open", down.stdout)
    assert told
    looked = url(sandbox(*told[1].split()))

    assert "was already up" in again.stdout
    assert (kept, rows(looked)) == (1, 1)
    assert looked == page
    assert (down.returncode, nothing.returncode) == (0, 0)
    assert "No sandbox is up" in nothing.stdout


@pytest.mark.parametrize(
    ("venv", "command"),
    [
        pytest.param(True, ".venv/bin/meltano invoke sandbox:up", id="own"),
        pytest.param(False, "meltano invoke sandbox:up", id="installed"),
    ],
)
def test_the_demo_ends_by_saying_how_to_look_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, *, venv: bool
) -> None:
    """Under Meltano it is Meltano's command, the one that this project has."""
    if venv:
        (tmp_path / ".venv" / "bin").mkdir(parents=True)
        (tmp_path / ".venv" / "bin" / "meltano").touch()
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))

    assert cli.again(port=8643, data=Path(".sandbox")) == command


def test_nothing_that_says_up_empties_the_sandbox() -> None:
    """In meltano.yml the demo is what forgets, by a command that is called so."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    (plugin,) = project["plugins"]["utilities"]
    (demo,) = (job["tasks"] for job in project["jobs"] if job["name"] == "demo")

    assert plugin["commands"]["up"]["args"] == "up"
    assert (demo[0], demo[-1]) == ("sandbox:fresh", "sandbox:down")


def test_the_whole_cycle(sandbox: Run) -> None:
    """Seed, deliver, report, more, report: figures and exit codes are true."""
    base = url(sandbox("fresh"))
    until = datetime.now(UTC) - timedelta(days=1)
    seeded = sandbox("seed", "--until", until.isoformat())
    nothing_yet = sandbox("report")
    deliver(base)
    complete = sandbox("report")
    newest = newest_timestamp(base)
    more = sandbox("more")
    late_missing = sandbox("report")
    asked = sandbox("analyses")
    deliver(base)
    twice = sandbox("report")

    assert seeded.stdout == "Sent 20,000 events, 200 of them twice.\n", seeded.stderr
    assert figures(nothing_yet) == [20_000, 0, 20_000, 0, 0, 0]
    assert nothing_yet.returncode == 1
    assert figures(complete) == [20_000, 20_000, 0, 0, 0, 0]
    assert complete.returncode == 0
    assert until - timedelta(hours=2) < newest < until
    assert more.stdout.startswith("Sent 500 events more, 120 of them late"), more.stderr
    assert figures(late_missing) == [20_500, 20_000, 500, 0, 120, 120]
    assert asked.returncode == 0
    assert "Conversion funnel" in asked.stdout
    assert figures(twice) == [20_500, 40_500, 0, 20_000, 120, 0]
    assert twice.returncode == 1


def deliver(base: str) -> None:
    """Bring all that PostHog has to the webhook, each event once."""
    sql = """
        select toString(uuid), any(event), any(distinct_id),
            toString(any(timestamp)) || 'Z', any(properties)
        from events group by uuid"""
    answer = requests.post(
        f"{base}/sandbox/posthog/sql", json={"sql": sql}, timeout=TIMEOUT
    )
    names = ["uuid", "event", "distinct_id", "timestamp", "properties"]
    records = [dict(zip(names, row, strict=True)) for row in answer.json()["data"]]
    for record in records:
        record["properties"] = json.loads(record["properties"])
    for first in range(0, len(records), 1000):
        requests.post(
            f"{base}/api/app/webhooks/demo",
            json=records[first : first + 1000],
            timeout=TIMEOUT,
        ).raise_for_status()


def newest_timestamp(base: str) -> datetime:
    """Ask when the last event happened that the webhook has."""
    sql = {"sql": "select max(timestamp) from webhook"}
    answer = requests.post(f"{base}/sandbox/patterns/sql", json=sql, timeout=TIMEOUT)
    ((text,),) = answer.json()["rows"]
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def figures(report: subprocess.CompletedProcess[str]) -> list[int]:
    """Read the report's numbers, in its order."""
    found = re.findall(r"^  [a-zA-Z ]+?  +([\d,]+)", report.stdout, re.MULTILINE)
    return [int(number.replace(",", "")) for number in found]


def test_fresh_forgets(sandbox: Run) -> None:
    """`fresh` leaves it up, and empty: the history too is to be sent in again."""
    page = url(sandbox("up"))
    requests.post(f"{page}/api/app/webhooks/demo", json={"uuid": "u"}, timeout=TIMEOUT)
    fresh = url(sandbox("fresh"))

    assert (fresh, rows(page)) == (page, 0)
    assert "first: sandbox seed" in one_line(sandbox("more"))


def test_a_taken_port_is_one_line(sandbox: Run) -> None:
    """A port that another program has, silent or not, is named, with what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        server = subprocess.Popen(
            [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            text=True,
        )
        try:
            assert server.stdout is not None
            said = re.search(r"port (\d+)", server.stdout.readline())
            assert said
            talking = one_line(sandbox("up", "--port", said[1]))
            silent = sandbox("serve", "--port", port)
        finally:
            server.kill()
            server.communicate()

    assert f"port {said[1]} is taken by another program" in talking
    assert (silent.returncode, silent.stderr.count("\n")) == (1, 1)
    assert f"port {port}" in silent.stderr


def test_two_sandboxes_keep_apart(sandbox: Run, tmp_path: Path) -> None:
    """Other data on the same port, or the same data on another port: one line each."""
    url(sandbox("up"))

    other_data = one_line(sandbox("up", SANDBOX_DATA=str(tmp_path / "other")))
    for _ in range(5):  # another test may take the port before the sandbox does
        other_port = one_line(sandbox("up", SANDBOX_PORT=str(free_port())))
        if "is taken by another program" not in other_port:
            break

    assert "a sandbox is up with its data in" in other_data
    assert "another sandbox has its data in" in other_port
    assert sandbox("up").returncode == 0


@pytest.mark.parametrize("command", ["seed", "report", "analyses"])
def test_without_a_sandbox_the_line_says_how_to_start_one(
    sandbox: Run, command: str
) -> None:
    """Every command that needs the sandbox says so where there is none."""
    assert "start one: sandbox up" in one_line(sandbox(command))


def test_a_folder_that_cannot_be_is_one_line(sandbox: Run) -> None:
    """A place for the data that cannot be written is named, with what to do."""
    failed = sandbox("up", SANDBOX_DATA=f"{__file__}/data")

    assert "choose another --data" in one_line(failed)


def test_data_that_is_damaged_is_one_line(sandbox: Run, tmp_path: Path) -> None:
    """A file that is no table is named, with what to do about it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "patterns.duckdb").write_text("something else" * 1000)

    failed = one_line(sandbox("serve", "--port", "0", "--side", "patterns"))

    assert "patterns.duckdb cannot be opened; use another folder, or delete" in failed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["up", "--port", "http"], "'http' is no port", id="port"),
        pytest.param(["analyses", "astrology"], "is none of funnel", id="analysis"),
        pytest.param(["seed", "--until", "now"], "no past instant", id="until"),
        pytest.param(["seed", "--until", "2999-01-01T00:00:00Z"], "past", id="future"),
        pytest.param([], "command", id="no command"),
    ],
)
def test_wrong_arguments_are_named(
    sandbox: Run, arguments: list[str], said: str
) -> None:
    """What cannot be understood is named, with the way to say it."""
    failed = sandbox(*arguments)

    assert failed.returncode == 2
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr
