"""meltano.yml and the MeltanoHub definitions hold to Meltano's own schema."""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from meltano.core.setting_definition import SettingDefinition

from tests.docs import settings

HUB = sorted((settings.ROOT / "docs" / "hub").glob("*.yml"))
KIND = {"tap-posthog": "extractors", "target-patterns-webhook": "loaders"}
ONLY_ON_THE_HUB = {"keywords", "maintenance_status", "settings_preamble", "next_steps"}


def validate(project: dict[str, Any]) -> None:
    """Hold a project against the schema that the installed Meltano ships."""
    schema = files("meltano.schemas").joinpath("meltano.schema.json").read_text()
    jsonschema.validate(project, json.loads(schema))


def read_project() -> dict[str, Any]:
    """Return meltano.yml."""
    project: dict[str, Any] = yaml.safe_load(
        (settings.ROOT / "meltano.yml").read_text()
    )
    return project


def test_the_project_is_valid() -> None:
    """meltano.yml is what Meltano expects, of version 4, with a default environment."""
    project = read_project()
    validate(project)

    assert "version" not in project
    assert project["default_environment"] == "sandbox"
    assert project["requires_meltano"].startswith(">=4")


def test_three_variables_are_enough() -> None:
    """The prod environment takes three values, each from a variable of the README."""
    (prod,) = (e for e in read_project()["environments"] if e["name"] == "prod")
    plugins = prod["config"]["plugins"]
    taken = [v for p in plugins.values() for v in p[0]["config"].values()]

    assert taken == [
        "${POSTHOG_API_KEY}",
        "${POSTHOG_PROJECT_ID}",
        "${PATTERNS_WEBHOOK_URL}",
        "${POSTHOG_PROJECT_ID}",
    ]


@pytest.mark.parametrize("path", HUB, ids=lambda path: path.stem)
def test_a_hub_definition_is_valid(path: Any) -> None:  # noqa: ANN401 - pytest's ids
    """A Hub definition holds to the schema, and tells what meltano.yml tells."""
    defined = yaml.safe_load(path.read_text())
    kind = KIND[defined["name"]]
    (ours,) = read_project()["plugins"][kind]
    shared = {k: v for k, v in defined.items() if k not in ONLY_ON_THE_HUB}
    validate({"plugins": {kind: [shared]}})

    for key in ("settings", "capabilities", "settings_group_validation", "namespace"):
        assert defined[key] == ours[key]


@pytest.mark.parametrize(
    "path", [settings.ROOT / "meltano.yml", *HUB], ids=lambda path: path.stem
)
def test_meltano_hands_on_what_was_written(path: Any) -> None:  # noqa: ANN401 - pytest's ids
    """Meltano guesses at no value: what it means is for the program to say.

    Of `date_iso8601` it makes a day of its own choice, of `boolean` false, and of
    `decimal`, `array` and `object` a traceback.
    """
    document = yaml.safe_load(path.read_text())
    plugins = document.get("plugins", {"": [document]})
    defined = [
        SettingDefinition(**{k: v for k, v in setting.items() if k != "value"})
        for group in plugins.values()
        for plugin in group
        for setting in plugin.get("settings", ())
    ]
    texts = ["", "2.5", "2026-11", "01/02/2026", "30 days ago", "$pageview, a", "yse"]

    assert len(defined) > 20
    for each in defined:
        passed = [each.post_process_value(each.cast_value(text)) for text in texts]
        assert (each.name, passed) == (each.name, texts)


@pytest.mark.parametrize("plugin", settings.PLUGINS)
def test_every_secret_is_sensitive(plugin: str) -> None:
    """Meltano hides the value of each setting that the plugin calls secret."""
    schemas, _ = settings.properties(plugin)
    (ours,) = read_project()["plugins"][KIND[plugin]]

    assert {s["name"] for s in ours["settings"] if s.get("sensitive")} == {
        name for name, schema in schemas.items() if schema.get("secret")
    }


def test_what_is_generated_is_up_to_date() -> None:
    """Every settings table and list says what `--about` says."""
    stale = [
        path.name
        for path in settings.documents()
        if settings.written(path) != path.read_text()
    ]

    assert stale == []


@pytest.mark.parametrize(
    ("where", "setting", "value", "says"),
    [
        pytest.param(
            ("config",),
            ("tap-posthog", "include_events"),
            "$pageview, signup",
            ["    config:", "      include_events: $pageview, signup"],
            id="plugin",
        ),
        pytest.param(
            ("--environment=prod", "config"),
            ("target-patterns-webhook", "batch_size_rows"),
            "100",
            ["          batch_size_rows: '100'"],
            id="environment",
        ),
    ],
)
def test_meltano_changes_only_the_lines_that_it_must(
    tmp_path: Path,
    where: tuple[str, ...],
    setting: tuple[str, str],
    value: str,
    says: list[str],
) -> None:
    """`meltano config set` adds its lines to meltano.yml, and leaves all others."""
    text = (settings.ROOT / "meltano.yml").read_text()
    (tmp_path / "meltano.yml").write_text(text)
    meltano = Path(sys.executable).with_name("meltano")
    command: list[str | Path] = [meltano, *where, "set", *setting, value]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    after = (tmp_path / "meltano.yml").read_text()

    changed = difflib.ndiff(text.splitlines(), after.splitlines())
    assert [line for line in changed if not line.startswith("  ")] == [
        f"+ {line}" for line in says
    ]
