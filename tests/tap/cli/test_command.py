"""The command as its users meet it: a process, its exit status and its one line."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog.declarations import DECLARATIONS
from tests.tap.running import Outcome, config, finish, run, start

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.support.sandbox import Sandbox

EVENTS = (
    "insert into events (uuid, event, distinct_id, timestamp, created_at, properties) "
    "select generateUUIDv4(number), 'e', 'u', "
    "toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number, "
    "toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number, "
    "concat('{\"pad\":\"', repeat('x', 500), '\"}') from numbers(%d)"
)
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"api_key": "phx_CANARY"}, "does not know the API key (401)"),
        ({"api_key": "phx_noscope"}, "lacks a scope (403): API key missing required"),
        ({"api_key": "phx_other"}, "may not read project 1 (403)"),
        ({"project_id": "77"}, "has no project 77"),
        ({"base_url": NOWHERE, "max_wait_seconds": 0}, "cannot be reached: the server"),
        ({"base_url": "http://no.invalid", "max_wait_seconds": 0}, "be resolved"),
        ({"page_size": "many"}, 'page_size: got "many", takes a whole number'),
        ({"flattening_max_depth": "x"}, 'flattening_max_depth: got "x", takes a whole'),
        ({"stream_maps": {"events": 1}}, "stream_maps.events: is not of the form"),
        ({"stream_maps": {"events": {"a": "1 +"}}}, "stream_maps cannot be used: "),
    ],
)
def test_an_error_is_one_line_and_status_1(
    sandbox: Sandbox, tmp_path: Path, given: dict[str, Any], says: str
) -> None:
    """It says what happened and what to do, without a traceback or a secret."""
    outcome = run(tmp_path, config(sandbox) | given)

    assert outcome.status == 1
    assert [line for line in outcome.errors if says in line] == outcome.errors
    assert len(outcome.errors) == 1
    _assert_clean(outcome.err)


@pytest.mark.parametrize("action", ["401", "429:9", "cut", "400"])
def test_the_key_is_in_no_output(sandbox: Sandbox, tmp_path: Path, action: str) -> None:
    """Not even in the most talkative log, whatever goes wrong."""
    sandbox.fault({"path": "/query/", "share": 1, "actions": [action]})

    outcome = run(
        tmp_path,
        config(sandbox, api_key="phx_CANARY", max_wait_seconds=1),
        env={"TAP_POSTHOG_LOGLEVEL": "DEBUG"},
    )

    assert outcome.status == 1
    assert "| DEBUG" in outcome.err
    assert b"CANARY" not in outcome.out
    _assert_clean(outcome.err)


def test_quota_and_bad_queries_stop_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """What PostHog refuses for good is not asked again."""
    sandbox.behave(org_quota_exceeded=True)

    outcome = run(tmp_path, config(sandbox))

    assert outcome.status == 1
    assert "PostHog's plan does not allow this (402)" in outcome.errors[0]
    assert len(sandbox.requests()) == 1


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("config", "{bad", "config.json is not a JSON object"),
        ("config", "[]", "config.json is not a JSON object: it holds a list"),
        ("state", "{bad", "state.json is not a JSON object"),
        ("state", '{"bookmarks": 3}', "The state holds no bookmark of this tap"),
        (
            "state",
            '{"bookmarks": {"events": {"replication_key_value": "soon"}}}',
            'The state\'s replication_key_value is "soon"',
        ),
        ("catalog", '{"streams": [{}]}', "catalog.json is not a Singer catalog"),
        ("catalog", '{"streams": []}', "catalog.json has no stream of this tap"),
        (
            "catalog",
            (
                '{"streams": [{"tap_stream_id": "events", "key_properties": ["uuid"],'
                ' "schema": {"properties": {"event": {"type": "string"}}}}]}'
            ),
            "catalog.json names uuid as a key of events but has no such column",
        ),
    ],
)
def test_a_bad_file_is_named(
    sandbox: Sandbox, tmp_path: Path, option: str, text: str, says: str
) -> None:
    """Which file, and what is wrong with it."""
    good = json.dumps(config(sandbox))
    args: list[str] = []
    for name in dict.fromkeys(("config", option)):
        path = tmp_path / f"{name}.json"
        path.write_text(text if name == option else good)
        args += [f"--{name}", str(path)]

    outcome = run(tmp_path, None, args=tuple(args))

    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert says in outcome.errors[0]
    _assert_clean(outcome.err)


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (("--config", "nowhere.json"), 1, "nowhere.json cannot be read: No such file"),
        (("--state", "nowhere.json"), 2, "'nowhere.json': No such file"),
        (("--nonsense",), 2, "No such option"),
    ],
)
def test_wrong_arguments_are_one_line(
    tmp_path: Path, args: tuple[str, ...], status: int, says: str
) -> None:
    """As for any command."""
    outcome = run(tmp_path, None, args=args)

    assert outcome.status == status
    assert says in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_the_environment_can_hold_the_configuration(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Text is read as what the setting takes, and named where it is not that."""
    sandbox.sql(EVENTS % 20)
    given = config(sandbox, page_size=7, audit="true", include_events="e, f")
    env = {f"TAP_POSTHOG_{key.upper()}": str(given[key]) for key in given}

    good = run(tmp_path, None, args=("--config=ENV",), env=env)
    bad = run(
        tmp_path,
        None,
        args=("--config=ENV",),
        env=env | {"TAP_POSTHOG_PAGE_SIZE": "many"},
    )

    assert (good.status, len(good.uuids)) == (0, 20)
    assert (bad.status, len(bad.errors)) == (1, 1)
    assert 'page_size: got "many"' in bad.errors[0]


def test_discovery_needs_neither_account_nor_network(tmp_path: Path) -> None:
    """A catalog can be made before there is a key."""
    outcome = run(tmp_path, {"base_url": NOWHERE}, args=("--discover",))

    assert outcome.status == 0
    stream, *others = json.loads(outcome.out)["streams"]
    assert {each["stream"] for each in others} == {each.name for each in DECLARATIONS}
    assert stream["tap_stream_id"] == "events"
    assert stream["key_properties"] == ["uuid"]
    assert stream["replication_key"] == "timestamp"


def test_the_connection_test_moves_no_data(sandbox: Sandbox, tmp_path: Path) -> None:
    """`--test` asks PostHog one small question and writes nothing."""
    sandbox.sql(EVENTS % 20)

    good = run(tmp_path, config(sandbox), args=("--test",))
    asked = [each["hogql"] for each in sandbox.requests()]
    bad = run(tmp_path, config(sandbox, api_key="phx_CANARY"), args=("--test",))

    assert (good.status, good.out, asked) == (0, b"", ["select 1"])
    assert f"{sandbox.url} answers for project 1" in good.err
    assert bad.status == 1
    assert "does not know the API key (401)" in bad.errors[0]
    _assert_clean(bad.err)


def test_the_version_is_printed_without_loading_the_sdk(tmp_path: Path) -> None:
    """What a user asks first is answered at once, in the SDK's words."""
    outcome = run(tmp_path, None, args=("--version",))

    assert outcome.status == 0
    assert outcome.out.startswith(b"tap-posthog v")
    assert b", Meltano SDK v0." in outcome.out


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_the_run_cleanly(
    sandbox: Sandbox, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """Whole lines, a state to go on from, the shell's status, and no traceback."""
    sandbox.sql(EVENTS % 3000)
    sandbox.behave(latency_seconds=0.3)
    process = start(tmp_path, config(sandbox, page_size=100))
    assert process.stdout is not None
    head = b"".join(process.stdout.readline() for _ in range(300))

    process.send_signal(number)
    out = head + process.stdout.read()
    first = Outcome(process.wait(60), out, finish(process).err)

    assert first.status == status
    assert out.endswith(b"\n")
    assert f"Stopped by {number.name}. " in first.err
    _assert_clean(first.err)
    sandbox.behave(latency_seconds=0)
    rest = run(tmp_path, config(sandbox), state=first.states[-1])
    assert len({*first.uuids, *rest.uuids}) == 3000


def test_a_signal_interrupts_a_wait(sandbox: Sandbox, tmp_path: Path) -> None:
    """A rate limit that lasts an hour does not hold a SIGTERM up."""
    sandbox.fault({"path": "/query/", "share": 1, "actions": ["429:1800"]})
    process = start(tmp_path, config(sandbox))
    assert process.stderr is not None
    for line in process.stderr:
        if b"waiting" in line:
            break

    process.terminate()
    outcome = finish(process)

    assert b"rate limit" in line
    assert b"waiting 1,800 s until" in line
    assert outcome.status == 143


def test_a_target_that_ends_early_is_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    """A broken pipe is told as what it is."""
    sandbox.sql(EVENTS % 5000)
    process = start(tmp_path, config(sandbox))
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None

    outcome = finish(process)

    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert "has stopped (broken pipe)" in outcome.errors[0]
    _assert_clean(outcome.err)


def test_a_full_disk_is_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    """So is an output that has no room left."""
    sandbox.sql(EVENTS % 50)
    with contextlib.closing(open("/dev/full", "wb", buffering=0)) as device:  # noqa: PTH123 - a device
        outcome = finish(start(tmp_path, config(sandbox), stdout=device.fileno()))

    assert outcome.status == 1
    assert "The output cannot be written: No space left" in outcome.errors[0]
    _assert_clean(outcome.err)


def test_an_unknown_event_name_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is no error, since the event may come some day; but it may be a slip."""
    outcome = run(tmp_path, config(sandbox, include_events="Sign up, $pagevew"))

    assert outcome.status == 0
    assert "a name of include_events (Sign up, $pagevew): check" in outcome.err


def test_following_sends_what_arrives_and_ends_on_sigterm(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """An event that is captured while the tap follows is written, with a state."""
    sandbox.sql(EVENTS % 5)
    process = start(tmp_path, config(sandbox, follow_seconds=10))
    assert process.stdout is not None
    lines = _read_records(process, 5)
    sandbox.sql(
        "insert into events (uuid, event, distinct_id, timestamp, created_at, "
        "properties) values ('00000000-0000-4000-8000-00000000abcd', 'new', 'u', "
        "now64(6), now64(6), '{}')"
    )
    began = time.monotonic()

    lines += _read_records(process, 1)
    took = time.monotonic() - began
    state = process.stdout.readline()
    process.terminate()
    outcome = finish(process)

    assert lines[-1]["uuid"] == "00000000-0000-4000-8000-00000000abcd"
    assert took < 60
    assert b'"uuid":"00000000-0000-4000-8000-00000000abcd"' in state
    assert outcome.status == 143
    _assert_clean(outcome.err)


def _read_records(process: subprocess.Popen[bytes], count: int) -> list[dict[str, Any]]:
    assert process.stdout is not None
    records: list[dict[str, Any]] = []
    while len(records) < count:
        message = json.loads(process.stdout.readline())
        if message["type"] == "RECORD":
            records.append(message["record"])
    return records


def _assert_clean(err: str) -> None:
    assert "Traceback" not in err
    assert "CANARY" not in err
    assert "phx_sandbox" not in err
