"""What keeps the packages easy to find one's way in: rooms, sizes, and no circles."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "tap_posthog": ROOT / "tap-posthog" / "tap_posthog",
    "target_patterns_webhook": ROOT
    / "target-patterns-webhook"
    / "target_patterns_webhook",
}
MOST_MODULES = 10  # in a folder
MOST_LINES = 300  # in a module


def imports(path: Path, module: str) -> set[str]:
    """Return what a module imports, for types too, by absolute names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_import_each_other(package: str) -> None:
    """Neither at run time nor for types: each can be read with what is below it."""
    folder = PACKAGES[package]
    modules = {
        ".".join((package, *path.relative_to(folder).with_suffix("").parts)): path
        for path in folder.rglob("*.py")
        if path.name != "__init__.py"
    }
    graph = {name: imports(path, name) & {*modules} for name, path in modules.items()}

    order = [*TopologicalSorter(graph).static_order()]  # raises CycleError

    assert set(order) == set(modules)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_folder_is_seen_at_a_glance(package: str) -> None:
    """It has ten modules at most, and none of them is long."""
    folders = [PACKAGES[package], *PACKAGES[package].rglob("*/")]
    crowded = {
        folder.name: len(modules)
        for folder in folders
        if len(modules := [*folder.glob("[!_]*.py")]) > MOST_MODULES
    }
    long = {
        path.name: lines
        for path in PACKAGES[package].rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }

    assert (crowded, long) == ({}, {})
