"""Meltano runs the pair in a copy of the repository, as a user who cloned it does."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pair.ends import API_KEY, START
from tests.pair.pipe import PATIENCE, installed

if TYPE_CHECKING:
    from tests.pair.ends import Ends

ROOT = Path(__file__).parents[2]
ROWS = 3000


@dataclass(frozen=True, slots=True)
class Project:
    """A clone with its plugins installed."""

    folder: Path

    def meltano(self, *arguments: str, **variables: str) -> str:
        """Run a command to a good end and return all that it printed."""
        done = self.tried(*arguments, **variables)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def started(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group, as a terminal does."""
        return subprocess.Popen(
            (installed("meltano"), *arguments),
            cwd=self.folder,
            env={**os.environ, **variables, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def tried(
        self, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; its output is all that it printed."""
        process = self.started(*arguments, **variables)
        output, _ = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Clone what is committed, and install both plugins as Meltano does."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    subprocess.run(("git", "clone", "--quiet", ROOT, folder), check=True)
    clone = Project(folder)
    clone.meltano("install", "tap-posthog", "target-patterns-webhook")
    return clone


def at(ends: Ends) -> dict[str, str]:
    """Return the variables that lead the project to these ends."""
    return {
        "TAP_POSTHOG_BASE_URL": ends.sandbox.url,
        "TARGET_PATTERNS_WEBHOOK_WEBHOOK_URL": str(ends.target().config["webhook_url"]),
        "TARGET_PATTERNS_WEBHOOK_WEBHOOK_URLS": "{}",
    }


def test_the_job_run_twice_brings_each_event_once(ends: Ends, project: Project) -> None:
    """Meltano keeps the state between runs: the second one adds what is new."""
    ends.ingest(ROWS)
    first = project.meltano("run", "posthog-to-patterns", **at(ends))
    after_one = ends.count()
    ends.ingest_now(100, first=START)
    second = project.meltano("run", "posthog-to-patterns", **at(ends))

    assert after_one == ROWS
    assert ends.arrived() == dict.fromkeys(ends.sent(), 1)
    assert API_KEY not in first + second
    assert ends.webhook not in first + second


def test_production_needs_three_variables(ends: Ends, project: Project) -> None:
    """With the key, the project and the webhook's URL, `prod` runs."""
    ends.ingest(100)
    output = project.meltano(
        *("--environment=prod", "run", "posthog-to-patterns"),
        POSTHOG_API_KEY=API_KEY,
        POSTHOG_PROJECT_ID="1",
        PATTERNS_WEBHOOK_URL=str(ends.target().config["webhook_url"]),
        TAP_POSTHOG_BASE_URL=ends.sandbox.url,  # the one thing that is not PostHog's
    )

    assert ends.arrived() == dict.fromkeys(ends.sent(), 1)
    assert API_KEY not in output
    assert ends.webhook not in output


def test_the_taps_configuration_can_be_tested(ends: Ends, project: Project) -> None:
    """`meltano config test` says that the tap can be used."""
    ends.ingest(10)
    test = ("--environment=sandbox", "config", "test", "tap-posthog")

    assert "Plugin configuration is valid" in project.meltano(*test, **at(ends))


def test_the_targets_configuration_can_be_tested(ends: Ends, project: Project) -> None:
    """The target says whether the webhook answers, and moves no record to find out.

    Meltano 4.4 writes a record to test a loader, finds that it went well, and then
    fails for every loader, when it ends a process that has ended by itself.
    """
    plugin = "target-patterns-webhook"
    alone = project.meltano("invoke", plugin, "--test", **at(ends))
    test = ("--environment=sandbox", "config", "test", plugin)
    by_meltano = project.tried(*test, **at(ends)).stdout

    assert "No record was sent" in alone
    assert "Test data was written" in by_meltano
    assert ends.count() == 0


@pytest.mark.prove
def test_a_refresh_that_failed_and_a_filter_that_changed_lose_nothing(
    ends: Ends, project: Project
) -> None:
    """Meltano merges and keeps the states; each event arrives, and arrives once."""
    run = ("run", "--state-id-suffix=edges", "tap-posthog", "target-patterns-webhook")
    only = {**at(ends), "TAP_POSTHOG_INCLUDE_EVENTS": "signup, paid"}
    ends.ingest(ROWS)
    project.meltano(*run, **only)
    ends.ingest_now(3, first=START)
    ends.sandbox.fault({"path": "/query/", "skip": 1, "actions": ["500"]})
    failed = project.tried(
        *run[:1], "--full-refresh", *run[1:], **only, TAP_POSTHOG_MAX_WAIT_SECONDS="0"
    )
    ends.sandbox.fault()

    project.meltano(*run, **only)
    before = ends.count()
    widened = project.meltano(*run, **at(ends))
    merged = project.meltano(*run[:1], "--merge-state", *run[1:], **at(ends))

    assert failed.returncode != 0
    assert before == (ROWS + 3) * 2 // 3
    assert "what this adds behind the bookmark, 1,00" in widened
    assert "Done: 0 events" in merged
    assert ends.arrived() == dict.fromkeys(ends.sent(), 1)


@pytest.mark.prove  # each time, tests/pair/test_stop.py stops the pair as Meltano does
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_from_the_state_that_meltano_had(
    ends: Ends, project: Project, number: signal.Signals
) -> None:
    """Ctrl-C gives SIGINT to Meltano and both programs, and Meltano adds SIGTERM.

    That is one stop, as is SIGTERM to Meltano alone: each program says so, at the level
    of errors. Meltano keeps the states that it had by then; what was delivered behind
    the last of them comes again in the next run, and nothing is missing.
    """
    ends.ingest(ROWS)
    ends.sandbox.behave(latency_seconds=0.1)
    variables = {**at(ends), "TAP_POSTHOG_PAGE_SIZE": "100"}
    run = ("run", f"--state-id-suffix={number.name}", "posthog-to-patterns")
    process = project.started("--log-level=error", *run, **variables)
    end = time.monotonic() + PATIENCE
    while ends.count() < ROWS // 5:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    group = number is signal.SIGINT
    (os.killpg if group else os.kill)(process.pid, number)
    output, _ = process.communicate(timeout=PATIENCE)
    ends.sandbox.behave(latency_seconds=0)
    project.meltano(*run, **at(ends))

    assert process.returncode == (1 if group else 143), output
    assert output.count(f"Stopped by {number.name}. ") == 2, output
    assert "What was read is delivered" in output
    assert ends.arrived().keys() == ends.sent()
    assert ends.arrived().total() < 2 * ROWS
