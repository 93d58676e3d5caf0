"""The report of each program: its figures, how it ends, and when there is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from tap_posthog.cli.report import Report
from tap_posthog.errors import ConfigError
from tests.support.world import furnish

if TYPE_CHECKING:
    from tests.pair.ends import Ends

BIN = Path(sys.executable).parent
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
EVENTS = 3000


def read(path: Path) -> dict[str, Any]:
    """Return a report, which is as its schema says."""
    report: dict[str, Any] = json.loads(path.read_text())
    VALIDATOR.validate(report)
    assert report["started_at"] <= report["ended_at"]
    return report


def run(
    program: str, config: object, *options: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a program over some input."""
    path = Path(os.environ["PYTEST_TMP"]) / "config.json"
    path.write_text(json.dumps(config))
    return subprocess.run(
        [BIN / program, "--config", path, *options],
        input=given,
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder for this test's files."""
    monkeypatch.setenv("PYTEST_TMP", str(tmp_path))
    return tmp_path


def test_the_pair_tells_what_it_did(ends: Ends, folder: Path) -> None:
    """Both reports have the same events; the tap's state is the one that came out."""
    ends.ingest(EVENTS)
    furnish(ends.sandbox)
    tap = ends.tap(report_path=str(folder / "tap.json")).config
    names = {"events", "persons", "feature_flags"}
    catalog = json.loads(run("tap-posthog", tap, "--discover").stdout)
    assert not (folder / "tap.json").exists()  # to discover is no run
    for stream in catalog["streams"]:
        root = next(each for each in stream["metadata"] if not each["breadcrumb"])
        root["metadata"]["selected"] = stream["tap_stream_id"] in names
    (folder / "catalog.json").write_text(json.dumps(catalog))
    chosen = ("--catalog", str(folder / "catalog.json"))
    output = run("tap-posthog", tap, *chosen).stdout
    target = ends.target(report_path=str(folder / "target.json")).config
    states = run("target-patterns-webhook", target, given=output).stdout

    tapped, delivered = read(folder / "tap.json"), read(folder / "target.json")
    assert tapped["exit_code"] == delivered["exit_code"] == 0
    assert tapped["error"] is delivered["error"] is None
    assert tapped["streams"].keys() == delivered["streams"].keys() == names
    for name, stream in tapped["streams"].items():
        assert stream["emitted"] == delivered["streams"][name]["accepted"], name
        assert 0 < stream["emitted"] <= stream["read"], name
        assert stream["planned"] == stream["read"], name
    events = tapped["streams"]["events"]
    assert events["read"] == events["emitted"] + events["duplicates"]
    last = json.loads(states.splitlines()[-1])["bookmarks"]
    assert {n: each["state"] for n, each in tapped["streams"].items()} == last
    assert tapped["until"] == last["events"]["ingested_before"]
    assert tapped["scope"] == last["events"]["scope"]
    assert tapped["requests"] > 3
    assert tapped["bytes"] > 1000


def test_a_second_run_replaces_the_report(ends: Ends, folder: Path) -> None:
    """The figures are those of the last run, and nothing else is left beside it."""
    ends.ingest(EVENTS)
    path = folder / "reports" / "tap.json"
    path.parent.mkdir()
    config = ends.tap(report_path=str(path)).config
    state = run("tap-posthog", config).stdout.splitlines()[-1]
    (folder / "state.json").write_bytes(json.dumps(json.loads(state)["value"]).encode())
    assert read(path)["streams"]["events"]["emitted"] == EVENTS

    run("tap-posthog", config, "--state", str(folder / "state.json"))

    assert read(path)["streams"]["events"]["emitted"] == 0
    assert [each.name for each in path.parent.iterdir()] == ["tap.json"]


def test_a_gap_is_told(ends: Ends, folder: Path) -> None:
    """Exit code 4 and the line that was shown; the figures up to there."""
    ends.ingest(EVENTS)
    ends.sandbox.behave(hidden="endsWith(toString(uuid), '007')")
    path = folder / "tap.json"

    done = run("tap-posthog", ends.tap(report_path=str(path)).config)

    report = read(path)
    assert done.returncode == report["exit_code"] == 4
    assert report["error"]
    assert done.stderr.decode().splitlines()[-1].endswith(report["error"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_told(ends: Ends, folder: Path, number: signal.Signals) -> None:
    """Of a follower that a signal ends, and of a target that waits for more."""
    ends.ingest(EVENTS)
    tap, target = folder / "tap.json", folder / "target.json"
    configs = {
        "tap-posthog": ends.tap(report_path=str(tap), follow_seconds=600).config,
        "target-patterns-webhook": ends.target(report_path=str(target)).config,
    }
    for name, config in configs.items():
        (folder / f"{name}.config").write_text(json.dumps(config))
    tapping = subprocess.Popen(
        [BIN / "tap-posthog", "--config", folder / "tap-posthog.config"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    targeting = subprocess.Popen(
        [
            BIN / "target-patterns-webhook",
            "--config",
            folder / "target-patterns-webhook.config",
        ],
        stdin=tapping.stdout,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert targeting.stdout is not None
    assert tapping.stdout is not None
    while ends.count() < EVENTS:
        time.sleep(0.1)
    targeting.stdout.readline()  # a state: all before it is delivered

    targeting.send_signal(number)
    targeting.wait(60)
    tapping.send_signal(number)
    tapping.wait(60)
    tapping.stdout.close()
    targeting.stdout.close()

    told = [read(tap), read(target)]
    for report in told:
        assert report["exit_code"] == 128 + number
        assert f"Stopped by {number.name}." in report["error"]
    assert told[0]["streams"]["events"]["emitted"] == EVENTS
    assert told[1]["accepted"] == EVENTS


@pytest.mark.parametrize("program", ["tap-posthog", "target-patterns-webhook"])
def test_a_run_that_does_not_begin_is_told(folder: Path, program: str) -> None:
    """Which setting was wrong; and no figures. What is no run writes nothing."""
    path = folder / "report.json"
    config = {"report_path": str(path), "project_id": "nonsense"}
    for option in ("--about", "--version", "--help", "--test"):
        run(program, config, option)
        assert not path.exists(), option

    done = run(program, config)

    report = read(path)
    assert done.returncode == report["exit_code"] == 1
    assert done.stderr.decode().strip().endswith(report["error"])
    assert "streams" not in report


@pytest.mark.parametrize("program", ["tap-posthog", "target-patterns-webhook"])
def test_a_path_that_cannot_be_written_ends_the_run_before_it_begins(
    folder: Path, program: str
) -> None:
    """One line, that names the setting."""
    for path in (folder, folder / "no" / "report.json"):
        done = run(program, {"report_path": str(path)})

        assert done.returncode == 1
        assert "report_path: " in done.stderr.decode().splitlines()[-1]
        assert not done.stdout


def test_a_report_that_cannot_be_written_is_told(folder: Path) -> None:
    """By the writer's answer; nothing half is left."""
    gone = folder / "gone"
    gone.mkdir()
    report = Report("tap-posthog")
    report.begin()
    report.use(gone / "report.json")
    gone.rmdir()

    assert "cannot be written (No such file or directory)" in report.write(0, "")
    with pytest.raises(ConfigError):
        report.use(folder)
