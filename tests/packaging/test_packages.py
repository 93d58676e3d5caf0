"""What a user installs: wheels, licence, typing marker, commands."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "tap-posthog": "tap_posthog",
    "target-patterns-webhook": "target_patterns_webhook",
}

TWINS = [
    "cli/config_input.py",
    "cli/ending.py",
    "cli/map_errors.py",
    "cli/report.py",
    "deep_json.py",
    "http/connection.py",
    "http/deadline.py",
    "http/environment.py",
    "http/failures.py",
    "http/retry_after.py",
    "settings/values.py",
]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the sdist of both packages."""
    out = tmp_path_factory.mktemp("dist")
    for package in PACKAGES:
        subprocess.run(
            [sys.executable, *f"-m uv build -q --package {package} -o {out}".split()],
            cwd=ROOT,
            check=True,
        )
    return out


@pytest.mark.parametrize(("package", "module"), PACKAGES.items())
def test_the_wheel_is_whole(dist: Path, package: str, module: str) -> None:
    """The wheel holds the typing marker, the licence and every module."""
    (wheel,) = dist.glob(f"{module}-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    folder = ROOT / package

    assert f"{module}/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name for name in names if name.endswith(".py")} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.py")
    }


@pytest.mark.parametrize("module", PACKAGES.values())
def test_the_sdist_carries_the_licence(dist: Path, module: str) -> None:
    """The sdist has the licence as a file, not as a link."""
    (sdist,) = dist.glob(f"{module}-*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = {m.name.partition("/")[2]: m for m in archive.getmembers()}

    assert members["LICENSE"].isfile()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_licence_is_the_projects(package: str) -> None:
    """Each package has a copy of the licence, equal to the project's."""
    assert (ROOT / package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("name", TWINS)
def test_twins_are_equal(name: str) -> None:
    """What must not differ between the two programs is one file, byte for byte."""
    first, second = (
        (ROOT / package / module / name).read_bytes()
        for package, module in PACKAGES.items()
    )

    assert first == second


@pytest.mark.parametrize(("package", "module"), PACKAGES.items())
def test_the_sdk_is_pinned_to_a_minor_range(package: str, module: str) -> None:
    """The SDK cannot move below the private methods that are overridden."""
    described = tomllib.loads((ROOT / package / "pyproject.toml").read_text())

    assert "singer-sdk>=0.54.5,<0.55" in described["project"]["dependencies"]
    assert described["project"]["scripts"] == {package: f"{module}.__main__:main"}


@pytest.mark.parametrize(("package", "module"), PACKAGES.items())
def test_the_two_do_not_import_each_other(package: str, module: str) -> None:
    """Neither package imports the other, nor the sandbox, nor the tests."""
    strangers = {*PACKAGES.values(), "sandbox", "tests"} - {module}
    imported: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])

    assert imported & strangers == set()


@pytest.mark.prove  # each time, the README's pipe is installed by pip in tests/docs
@pytest.mark.parametrize("package", PACKAGES)
def test_pip_installs_a_clone(tmp_path: Path, package: str) -> None:
    """`pip install ./PACKAGE` in a clone gives a command that tells its settings."""
    clone, environment = tmp_path / "clone", tmp_path / "environment"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    uv = [sys.executable, "-m", "uv", "--quiet"]  # brings pip sooner than venv does
    subprocess.run([*uv, "venv", "--seed", environment], check=True)
    subprocess.run(
        [environment / "bin" / "pip", "install", "--quiet", f"./{package}"],
        cwd=clone,
        env=os.environ | {"PIP_NO_COMPILE": "1"},  # most of its time, for one import
        check=True,
    )
    told = subprocess.run(
        [environment / "bin" / package, "--about"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert package in told.stdout
