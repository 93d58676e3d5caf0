"""The file of refused records, and the way back."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from target_patterns_webhook import replay
from target_patterns_webhook.dead_letters import DeadLetters
from target_patterns_webhook.delivery.batching import Batch
from target_patterns_webhook.delivery.chunk import Rejection, key_of
from target_patterns_webhook.errors import ConfigError, FatalError
from tests.support.receiver import Receiver

HOSTILE = [
    b'{"id": 1, "n":1180591620717411303424, "x":1e400, "s":"\\ud800"}',
    b'{"text":"quotes \\",\\"record\\": and } braces"}',
    '{"é":"😀"}'.encode(),
    b"{}",
]


def rejection(
    record: bytes, *, stream: str = "events", response: str = "no"
) -> Rejection:
    """Return a refused record."""
    return Rejection(Batch(0, stream, 0.0, 0), record, 422, response)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the dead letters go."""
    return tmp_path / "dead.jsonl"


def test_a_line_says_when_what_and_why(path: Path) -> None:
    """Time, stream, status, response and record; the record byte for byte."""
    with DeadLetters(path) as letters:
        letters.write([rejection(HOSTILE[0], response='said "no"\nloudly')])

    line = path.read_bytes()
    assert line.endswith(b',"record":' + HOSTILE[0] + b"}\n")
    found = json.loads(line)
    assert list(found) == ["time", "stream", "status", "response", "record"]
    assert (found["stream"], found["status"]) == ("events", 422)
    assert found["response"] == 'said "no"\nloudly'
    assert found["time"].endswith("Z")


def test_the_first_refused_records_are_named_in_the_log(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Five of them, with key and reason; then one line says that they are counted."""
    with DeadLetters(path) as letters:
        for number in range(20):
            one = Rejection(
                Batch(0, "orders", 0.0, 0),
                b'{"id":%d}' % number,
                422,
                "<html><b>no \x1b[31m" + "x" * 900 + "</b></html>",
                key_of(b'{"id":%d}' % number, ["id"]),
            )
            letters.write([one])

    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 6
    for number, line in enumerate(lines[:5]):
        assert f"a record of stream 'orders' (id {number}) with 422: 'no [31mxx" in line
        assert str(path) in line
        assert len(line) < 500
        assert line.isprintable()
    assert "only counted" in lines[5]


@pytest.mark.parametrize(
    ("record", "names", "key"),
    [
        pytest.param(b'{"id":7,"a":1}', ["id"], "id 7", id="its-key"),
        pytest.param(b'{"b":"x","a":1}', ["a", "b"], "a 1, b x", id="two"),
        pytest.param(b'{"uuid":"u-1","a":1}', [], "uuid u-1", id="no-key-but-a-uuid"),
        pytest.param(b'{"a":1}', [], "", id="nothing-to-name-it-by"),
        pytest.param(b'{"a":1}', ["id"], "", id="lacks-its-key"),
        pytest.param(b'{"id":"\\ud800"}', ["id"], "id \\ud800", id="lone-surrogate"),
        pytest.param(
            b'{"id":"' + b"x" * 99 + b'"}', ["id"], f"id {'x' * 60}…", id="long"
        ),
        pytest.param(b"\xff", ["id"], "", id="no-json"),
    ],
)
def test_a_record_is_named_by_its_key(
    record: bytes, names: list[str], key: str
) -> None:
    """Key properties and their values, shortened; a uuid or an id where it has none."""
    assert key_of(record, names) == key


def test_a_late_sender_writes_into_no_other_file(path: Path, tmp_path: Path) -> None:
    """A sender that outlasts the run cannot write where the dead letters were.

    The descriptor may be another file's by then; its record is sent again, not lost.
    """
    letters = DeadLetters(path)
    number = letters._file  # noqa: SLF001 - the descriptor that will be another file's
    letters.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    try:
        os.dup2(other, number)
        with pytest.raises(FatalError, match="after the run had ended"):
            letters.write([rejection(b"{}")])
    finally:
        os.close(other)
        if other != number:
            os.close(number)

    assert (tmp_path / "other").read_bytes() == b""
    assert path.read_bytes() == b""


def test_only_the_owner_may_read_it(path: Path) -> None:
    """Records are people's data, whatever the umask."""
    before = os.umask(0)
    try:
        DeadLetters(path).close()
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_torn_last_line_spoils_no_other(path: Path) -> None:
    """What a crash left stays as it is, and the next record has its own line."""
    path.write_bytes(b'{"time":"2026-11-21T00:00:00Z","stream":"ev')
    with DeadLetters(path) as letters:
        letters.write([rejection(b'{"id":1}')])
    with DeadLetters(path) as letters:
        letters.write([rejection(b'{"id":2}')])

    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["record"]["id"] for line in lines[1:]] == [1, 2]


@pytest.mark.parametrize("where", ["", "missing/dead.jsonl", "file/dead.jsonl"])
def test_an_unusable_path_is_known_before_anything_is_read(
    tmp_path: Path, where: str
) -> None:
    """A folder, or a file where no folder is: one line that names the setting."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"dead_letter_path .* cannot be written"):
        DeadLetters(tmp_path / where)


def test_a_full_disk_is_no_handled_record() -> None:
    """What cannot be written ends the run, so no state passes it."""
    with (
        DeadLetters(Path("/dev/full")) as letters,
        pytest.raises(FatalError, match="No space left"),
    ):
        letters.write([rejection(b"{}")])


def test_lines_of_several_senders_do_not_mix(path: Path) -> None:
    """Four threads write; every line is whole."""
    with DeadLetters(path) as letters:

        def write(name: int) -> None:
            for n in range(50):
                letters.write([rejection(b'{"id":"%d-%d"}' % (name, n))] * 3)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len([json.loads(line) for line in path.read_bytes().splitlines()]) == 600


def test_dead_letters_become_singer_input(path: Path) -> None:
    """A SCHEMA for each stream, then its records, byte for byte."""
    with DeadLetters(path) as letters:
        letters.write([rejection(record) for record in HOSTILE])
        letters.write([rejection(b"{}", stream='o"ther')])
    out = subprocess.run(
        [sys.executable, "-m", "target_patterns_webhook.replay", str(path)],
        capture_output=True,
        check=True,
    )

    lines = out.stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    assert [m["type"] for m in messages] == [
        "SCHEMA",
        *["RECORD"] * 4,
        "SCHEMA",
        "RECORD",
    ]
    assert [m["stream"] for m in messages] == ["events"] * 5 + ['o"ther'] * 2
    for line, record in zip(lines[1:5], HOSTILE, strict=True):
        assert line.endswith(b',"record":' + record + b"}")
    assert not out.stderr


def test_dead_letters_are_sent_again_by_one_pipe(path: Path, tmp_path: Path) -> None:
    """The file piped back into the target reaches a mended receiver byte for byte."""
    with DeadLetters(path) as letters:
        letters.write([rejection(record) for record in HOSTILE])
    config = tmp_path / "config.json"
    with Receiver() as hook:
        hook.keep = False  # the hostile records are not for json.loads
        config.write_text(json.dumps({"webhook_url": hook.url}))
        again = subprocess.run(
            [sys.executable, "-m", "target_patterns_webhook.replay", str(path)],
            capture_output=True,
            check=True,
        )
        target = subprocess.run(
            ["target-patterns-webhook", "--config", str(config)],
            input=again.stdout,
            capture_output=True,
            check=False,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.defpath}"},
        )

    assert target.returncode == 0, target.stderr.decode()
    assert hook.bytes == len(b"[" + b",".join(HOSTILE) + b"]")


def test_a_torn_line_is_left_out_and_named(path: Path) -> None:
    """Its record was never acknowledged, so the next run of the tap sends it anyway."""
    with DeadLetters(path) as letters:
        letters.write([rejection(b'{"a":{"b":1}}')])
    whole = path.read_bytes()
    for end in range(1, len(whole) - 1):
        path.write_bytes(whole + whole[:end] + b"\n" + whole)
        found = list(replay.messages(path))
        assert [m for m in found if isinstance(m, int)] == [2]
        assert len(found) == 4


def test_a_missing_file_is_one_line(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback for a wrong name, nor for no name."""
    assert replay.main([str(path)]) == 1
    assert (
        capsys.readouterr().err
        == f"{path} cannot be read (No such file or directory).\n"
    )
    assert replay.main([]) == 2
