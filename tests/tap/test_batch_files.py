"""Files of BATCH messages: who may remove them, when, and how far ahead they run."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from singer_sdk.helpers._batch import BatchConfig

from tap_posthog import batch_files
from tap_posthog.batch_files import FOLDER, LOCK, BatchFiles
from tap_posthog.errors import ConfigError, OutputError


def config(root: str, compression: str | None = None, **storage: str) -> BatchConfig:
    """Return a `batch_config` as the SDK reads it."""
    return BatchConfig.from_dict(
        {
            "encoding": {"format": "jsonl", "compression": compression},
            "storage": {"root": root, **storage},
        }
    )


def writer(root: Path, compression: str | None = None) -> BatchFiles:
    """Return a writer of files under `root`."""
    files = BatchFiles.of(config(root.as_uri(), compression))
    assert files is not None
    return files


def path_of(manifest: list[str]) -> Path:
    """Return the one file that a manifest names."""
    (url,) = manifest
    return Path(unquote(urlsplit(url).path))


@pytest.mark.parametrize("compression", [None, "none", "gzip"])
def test_a_manifest_names_what_was_written(
    tmp_path: Path, compression: str | None
) -> None:
    """One file holds the lines as they came; with nothing written there is none."""
    with writer(tmp_path / "a b", compression) as files:
        assert files.finish() == []
        files.write(b'{"a":1}\n')
        files.write(b'{"a":2}\n')
        path = path_of(files.finish())

    body = path.read_bytes()
    assert (gzip.decompress(body) if compression == "gzip" else body) == (
        b'{"a":1}\n{"a":2}\n'
    )


@pytest.mark.parametrize(
    "given",
    [
        config("s3://bucket/x"),
        BatchConfig.from_dict(
            {"encoding": {"format": "parquet"}, "storage": {"root": "/tmp"}}  # noqa: S108 - nothing is written
        ),
        config("files", "zstd"),
    ],
    ids=["elsewhere", "parquet", "zstd"],
)
def test_what_is_not_for_this_writer_is_left_to_the_sdk(given: BatchConfig) -> None:
    """Other stores and formats are the SDK's."""
    assert BatchFiles.of(given) is None


def test_a_relative_root_and_a_prefix_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a `meltano.yml` would have them."""
    monkeypatch.chdir(tmp_path)
    for root in ("here", "file://./here"):
        files = BatchFiles.of(config(root, prefix="deep/er-"))
        assert files is not None
        files.write(b"{}\n")
        path = path_of(files.finish())
        assert path.parent.name.startswith(f"er-{FOLDER}")
        assert path.parents[1] == tmp_path / "here" / "deep"


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """Its lock died with it; the folder of a run that lives is not touched."""
    script = (
        "import sys, os, signal; from pathlib import Path\n"
        "from tap_posthog.batch_files import BatchFiles\n"
        "files = BatchFiles(Path(sys.argv[1]), '', compressed=False)\n"
        "files.write(b'{}\\n'); files.finish(); files.write(b'{}\\n')\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        (tmp_path / "mine.txt").touch()
        (tmp_path / f"{FOLDER}of-the-user").mkdir()

        writer(tmp_path)
        assert len(list(tmp_path.glob(f"{FOLDER}*/{LOCK}"))) == 1
        other.kill()
        other.wait()
        writer(tmp_path)

    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "mine.txt",
        f"{FOLDER}of-the-user",
    ]


def test_two_streams_of_one_run_do_not_sweep_each_other(tmp_path: Path) -> None:
    """The first stream's files may still be unread when the second one starts."""
    with writer(tmp_path) as first:
        first.write(b"{}\n")
        path = path_of(first.finish())
    writer(tmp_path)

    assert path.exists()


def test_a_reader_that_removes_files_holds_the_tap_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most so many bytes wait, and only of files that have a state behind them."""
    monkeypatch.setattr(batch_files, "MOST_AHEAD", 1000)
    files = writer(tmp_path)
    paths: list[Path] = []

    def one_more() -> None:
        files.write(b"x" * 399 + b"\n")
        paths.append(path_of(files.finish()))

    for _ in range(5):  # nobody removes anything: nothing waits
        one_more()
        files.state_written()
    paths.pop(0).unlink()
    for _ in range(9):  # no state stands behind them: the reader could not remove them
        one_more()
    thread = threading.Thread(target=files.state_written)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    while len(paths) > 2:
        paths.pop(0).unlink()
        time.sleep(0.001)

    thread.join(10)
    assert not thread.is_alive()


def test_a_reader_that_is_gone_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next write to it says so."""
    monkeypatch.setattr(batch_files, "MOST_AHEAD", 0)
    files = writer(tmp_path)
    for number in range(2):
        files.write(b"{}\n")
        path = path_of(files.finish())
        files.state_written(is_read=lambda: False)
        if number == 0:
            path.unlink()


def test_a_root_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    """It says what to set."""
    root = tmp_path / "file"
    root.touch()
    with pytest.raises((ConfigError, OutputError), match=r"batch_config.*[Ss]et "):
        writer(root).write(b"{}\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk here")  # noqa: PTH110
def test_a_full_disk_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends, and can be run again."""
    monkeypatch.setattr(BatchFiles, "_path", "/dev/full")
    files = writer(tmp_path)
    files.write(b"{}\n")
    with pytest.raises(OutputError, match="No space left"):
        files.finish()
