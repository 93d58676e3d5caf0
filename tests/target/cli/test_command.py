"""The console command: what its user can ask for, and get wrong. One line for each."""

from __future__ import annotations

import json
import socket
import subprocess
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.receiver import Receiver
from tests.target.process import COMMAND, Ended, environment, run, singer

if TYPE_CHECKING:
    from pathlib import Path


def command(folder: Path, *options: str, **env: str) -> Ended:
    """Run the command with an empty input."""
    done = subprocess.run(  # noqa: PLW1510 - its exit code is what is tested
        [COMMAND, *options],
        cwd=folder,
        env=environment(env),
        input=b"",
        capture_output=True,
        timeout=120,
    )
    return Ended(done.returncode, done.stdout, done.stderr.decode())


def test_version(tmp_path: Path) -> None:
    """--version names the package's and the SDK's, without loading the SDK."""
    ended = command(tmp_path, "--version", PYTHONPROFILEIMPORTTIME="1")

    ours, sdk = version("target-patterns-webhook"), version("singer-sdk")
    words = f"target-patterns-webhook v{ours}, Meltano SDK v{sdk}\n"
    assert (ended.code, ended.stdout.decode()) == (0, words)
    assert "singer_sdk" not in ended.stderr


def test_about(tmp_path: Path) -> None:
    """--about lists every setting and the SDK's capabilities."""
    ended = command(tmp_path, "--about", "--format=json")

    about: dict[str, Any] = json.loads(ended.stdout)
    assert ended.code == 0
    assert "webhook_url" in about["settings"]["properties"]
    assert {"stream-maps", "schema-flattening", "batch"} <= set(about["capabilities"])


@pytest.mark.parametrize(
    ("options", "line", "code"),
    [
        (
            ["--config", "missing.json"],
            "The configuration file missing.json cannot be read: No such file or",
            1,
        ),
        (
            ["--config", "text.json"],
            "The configuration file text.json is not a JSON object: ",
            1,
        ),
        (
            ["--config", "list.json"],
            "The configuration file list.json is not a JSON object: it holds a list",
            1,
        ),
        (
            ["--config", "empty.json"],
            "webhook_url: not set, takes an http:// or https:// URL, as",
            1,
        ),
        (["--bogus"], "No such option", 2),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_options(
    tmp_path: Path, options: list[str], line: str, code: int
) -> None:
    """What is wrong with the command line is said in one line."""
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "empty.json").write_text("{}")

    ended = command(tmp_path, *options)

    assert ended.code == code
    assert ended.error.startswith(line)
    assert "Traceback" not in ended.stderr


def test_settings_from_the_environment(tmp_path: Path) -> None:
    """--config=ENV reads every setting from a variable, whatever its type."""
    with Receiver() as receiver:
        prefix = "TARGET_PATTERNS_WEBHOOK_"
        env = {
            f"{prefix}WEBHOOK_URL": receiver.url,
            f"{prefix}BATCH_SIZE_ROWS": "2",
            f"{prefix}HEADERS": '{"X-Team": "growth"}',
            f"{prefix}STREAM_MAPS": '{"s": {"added": "1"}}',
            f"{prefix}PAYLOAD_FORMAT": "ndjson",
        }
        done = subprocess.run(  # noqa: PLW1510 - its exit code is what is tested
            [COMMAND, "--config=ENV"],
            cwd=tmp_path,
            env=environment(env),
            input=singer(range(4)),
            capture_output=True,
            timeout=120,
        )
        requests = receiver.requests

    assert done.returncode == 0, done.stderr
    assert [len(request.records) for request in requests] == [2, 2]
    assert {request.headers["x-team"] for request in requests} == {"growth"}
    assert all(r["added"] for request in requests for r in request.records)


def test_a_wrong_variable_is_named_not_shown(tmp_path: Path) -> None:
    """A variable that cannot be used is named; a secret's value is not shown."""
    ended = command(
        tmp_path, "--config=ENV", TARGET_PATTERNS_WEBHOOK_WEBHOOK_URL="canary"
    )

    assert ended.code == 1
    assert ended.error.startswith("webhook_url: cannot be used as it is, takes ")
    assert "canary" not in ended.stderr


def test_test_sends_nothing(tmp_path: Path) -> None:
    """--test connects, hangs up, and says that the host answers."""
    with Receiver() as receiver:
        config = {"webhook_url": receiver.url}
        ended = run(tmp_path, config, b"", "--test")

        assert receiver.requests == []
        words = f"http://127.0.0.1:{receiver.port} answers. No record was sent.\n"
    assert (ended.code, ended.stdout.decode()) == (0, words)


def test_test_says_what_does_not_answer(tmp_path: Path) -> None:
    """--test fails in one line where nothing answers, or no such host is known."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for url, line in (
        (
            f"http://127.0.0.1:{port}/canary",
            f"http://127.0.0.1:{port} does not answer (Connection refused).",
        ),
        (
            "https://no-such-host.invalid/canary",
            "https://no-such-host.invalid: no host has this name.",
        ),
    ):
        ended = run(tmp_path, {"webhook_url": url}, b"", "--test")

        assert ended.code == 1
        assert ended.error.startswith(f"{line} Check webhook_url")
        assert "canary" not in ended.stderr


MELTANO_TEST = b"""\
{"type": "SCHEMA", "stream": "meltano_test_stream", "schema": {"type": "object", \
"properties": {"id": {"type": "integer"}}}, "key_properties": ["id"]}
{"type": "RECORD", "stream": "meltano_test_stream", "record": {"id": 1}}
{"type": "STATE", "value": {"bookmarks": {"meltano_test_stream": {"last_record": 1}}}}
"""


def test_meltano_config_test_sends_no_record(tmp_path: Path) -> None:
    """What `meltano config test` writes is checked against the host, never sent.

    It takes any line with "error" or "exception" in it as a failure.
    """
    with Receiver() as receiver:
        ended = run(tmp_path, {"webhook_url": receiver.url}, MELTANO_TEST)

        assert receiver.requests == []
    assert ended.code == 0
    assert ended.summary["filtered"] == 1
    assert "error" not in ended.stderr.lower()
    assert "exception" not in ended.stderr.lower()


def test_meltano_config_test_fails_where_nothing_answers(tmp_path: Path) -> None:
    """And it fails, in one line, where the host does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"

    ended = run(tmp_path, {"webhook_url": url}, MELTANO_TEST)

    assert ended.code == 1
    assert "does not answer" in ended.error


def test_input_from_a_file(tmp_path: Path) -> None:
    """--input reads a file instead of standard input."""
    (tmp_path / "given.singer").write_bytes(singer(range(3)))
    with Receiver() as receiver:
        config = {"webhook_url": receiver.url}
        ended = run(tmp_path, config, b"", "--input", "given.singer")

        assert receiver.accepted == ["0", "1", "2"]
    assert ended.states == [{"upto": 2}]


def test_an_unwritable_dead_letter_file(tmp_path: Path) -> None:
    """A dead-letter file that cannot be written is known before anything is sent."""
    with Receiver() as receiver:
        config = {
            "webhook_url": receiver.url,
            "on_rejected": "dead_letter",
            "dead_letter_path": str(tmp_path / "no" / "such" / "folder" / "x.jsonl"),
        }
        ended = run(tmp_path, config, singer(range(3)))

        assert receiver.requests == []
    assert ended.code == 1
    assert "dead_letter_path" in ended.error
    assert "Traceback" not in ended.stderr


def test_a_full_disk_at_standard_output(tmp_path: Path) -> None:
    """A state that cannot be written ends the run with one line."""
    with Receiver() as receiver, open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"webhook_url": receiver.url}))
        done = subprocess.run(  # noqa: PLW1510 - its exit code is what is tested
            [COMMAND, "--config", str(config)],
            env=environment(),
            input=singer(range(3)),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=120,
        )

    ended = Ended(done.returncode, b"", done.stderr.decode())
    assert ended.code == 1
    assert "No space left on device" in ended.error
    assert "Traceback" not in ended.stderr
