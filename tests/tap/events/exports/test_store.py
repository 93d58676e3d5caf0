"""Stores: S3 as moto serves it, and a loopback server that refuses and cuts off."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from sandbox.exports.layout import Layout
from tap_posthog.errors import FilesError
from tap_posthog.events.exports.keys import Stored
from tap_posthog.events.exports.store import RangeFile, Store
from tests.tap.events.exports.making import config, due, events, write
from tests.tap.running import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CANARY = "canary0secret0of0the0store"
BODY = bytes(range(256)) * 4096


def options(port: int) -> dict[str, Any]:
    """Return files_options for a server on this machine."""
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "access_key_id": "canary0id",
        "secret_access_key": CANARY,
        "client_options": {"allow_http": True},
        "retry_config": {"max_retries": 0},
    }


@pytest.fixture(scope="module")
def moto() -> Iterator[int]:
    """Serve S3."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield port
    server.stop()


@pytest.mark.filterwarnings("default")
def test_s3_gives_every_event_and_no_secret(tmp_path: Path, moto: int) -> None:
    """Keys with colons and pluses, a prefix, other things beside it."""
    import requests  # noqa: PLC0415 - to make the bucket only

    requests.put(f"http://127.0.0.1:{moto}/exports", timeout=10)
    rows = events(200, 3)
    folder = tmp_path / "made"
    folder.mkdir()
    write(folder, Layout(rows_a_part=50, codec="zst"), rows, 0, 3)
    bucket = S3Store("exports", **options(moto))
    for path in folder.rglob("*"):
        if path.is_file():
            key = f"team/{path.relative_to(folder)}"
            obstore.put(bucket, key, path.read_bytes())
    obstore.put(bucket, "teams/other.parquet", b"x")
    given = config(tmp_path, files_url="s3://exports/team", files_options=options(moto))

    outcome = run(tmp_path, given, args=())

    assert sorted(outcome.uuids) == due(rows, 3), outcome.err
    assert CANARY not in outcome.err + outcome.out.decode()
    probed = run(tmp_path, given, args=("--test",))
    assert probed.status == 0, probed.err
    assert "can be listed" in probed.err


class Faulty(BaseHTTPRequestHandler):
    """One object of S3, served as the server's script says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with what comes next."""
        script, asked = self.server.script, self.server.asked  # type: ignore[attr-defined]
        asked.append(dict(self.headers))
        what = script.pop(0) if script else "good"
        if isinstance(what, int):
            self.send_response(what)
            body = f"<Error><Message>{CANARY}</Message></Error>".encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        first, last = map(int, self.headers["Range"][6:].split("-"))
        body = BODY[first : last + 1]
        self.send_response(206)
        total = len(BODY)
        self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"one"')
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 10:00:00 GMT")
        self.end_headers()
        self.wfile.write(body if what == "good" else body[: len(body) // 3])
        if what != "good":
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def faulty() -> Iterator[ThreadingHTTPServer]:
    """Serve on the loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    server.script, server.asked = [], []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def read(server: ThreadingHTTPServer) -> bytes:
    """Read the object whole, in ranges."""
    store = Store("s3://bucket/p", options(server.server_port))
    return RangeFile(store, Stored("p/x", len(BODY), '"one"')).read()


def test_cut_bodies_and_slow_downs_are_tried_again(faulty: ThreadingHTTPServer) -> None:
    """Always of the version that was listed."""
    faulty.script += ["cut", 503, "cut"]  # type: ignore[attr-defined]

    assert read(faulty) == BODY
    asked = faulty.asked  # type: ignore[attr-defined]
    assert len(asked) >= 4
    names = [{key.lower(): value for key, value in each.items()} for each in asked]
    assert {each.get("if-match") for each in names[:2]} == {'"one"'}


@pytest.mark.parametrize(
    ("status", "says"),
    [(403, "access is denied"), (404, "not there"), (412, "was replaced")],
)
def test_a_refusal_is_one_line_without_a_secret(
    faulty: ThreadingHTTPServer, status: int, says: str
) -> None:
    """What the store says itself may hold anything."""
    faulty.script += [status] * 9  # type: ignore[attr-defined]

    with pytest.raises(FilesError, match=says) as caught:
        read(faulty)

    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)
