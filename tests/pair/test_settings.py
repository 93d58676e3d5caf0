"""A setting means the same however it arrives: each one, in every way, by the program.

Six ways: a JSON file, a pipe, `--config=ENV`, and under Meltano `.env`, meltano.yml and
`meltano config set`. One process for a program and a way, with all settings at once.
It is the program's own command (`shown.py`), which prints what it read where the work
would begin; Meltano has that for an executable, and nothing else of it is replaced.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_posthog.tap import TapPostHog
from target_patterns_webhook.target import TargetPatternsWebhook
from tests.pair.shown import BEGIN, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
MAPS = {"events": {"a": "1", "b": "__NULL__"}}
BATCHES = {
    "encoding": {"format": "jsonl", "compression": "gzip"},
    "storage": {"root": "file:///tmp/batches", "prefix": "b-"},
}
SDKS: dict[str, tuple[object, str]] = {
    "stream_maps": (MAPS, json.dumps(MAPS)),
    "stream_map_config": ({"rate": 0.5}, '{"rate": 0.5}'),
    "faker_config": ({"locale": ["en_GB"]}, '{"locale": ["en_GB"]}'),
    "flattening_enabled": (True, "yes"),
    "flattening_max_depth": (2, "2.0"),
    "flattening_max_key_length": (40, "40"),
    "flattening_separator": ("--", "--"),
    "batch_config": (BATCHES, json.dumps(BATCHES)),
}
QUERIES = [{"name": "days", "query": "select 1 as day", "primary_key": ["day"]}]
# Each setting as JSON and YAML have it, and as text; none is the default.
TAP: dict[str, tuple[object, str]] = {
    "api_key": ("phx_conformance", "phx_conformance"),
    "project_id": (77, "77"),
    "base_url": ("https://ph.example/api-gw/", "https://ph.example/api-gw/"),
    "start_at": ("2026-11-01T02:00:00+02:00", "2026-11-01T02:00:00+02:00"),
    "end_at": ("2026-11-02", "2026-11-02"),
    "created_before": ("2026-11-03T01:00:00", "2026-11-03T01:00:00"),
    "include_events": (["$pageview", "a, b"], '["$pageview", "a, b"]'),
    "exclude_events": (["x", "$y"], "x, $y,"),
    "late_window_days": (3, "3.0"),
    "settle_seconds": (30.0, " 30 "),
    "page_size": (500, "5e2"),
    "max_concurrent_queries": (1, "1"),
    "events_source": ("files", "FILES"),
    "files_url": ("s3://bucket/p", "s3://bucket/p"),
    "files_options": ({"region": "eu-central-1"}, '{"region": "eu-central-1"}'),
    "rest_lookback_minutes": (5, "5"),
    "include_person_properties": (True, "on"),
    "request_timeout_seconds": (7, "7"),
    "max_wait_seconds": (0, "0"),
    "audit": (False, "off"),
    "recheck_hours": (1, "1"),
    "full_scan_days": (30, "30"),
    "hogql_streams": (QUERIES, json.dumps(QUERIES)),
    "report_path": ("/tmp/tap.json", "/tmp/tap.json"),  # noqa: S108 - not written
    "follow_seconds": (10, "10"),
    **SDKS,
}
URLS = {"persons": "https://hooks.example/p", "events": "https://hooks.example/e"}
TARGET: dict[str, tuple[object, str]] = {
    "webhook_urls": (URLS, json.dumps(URLS)),
    "report_path": ("/tmp/target.json", "/tmp/target.json"),  # noqa: S108 - as above
    "webhook_url": (
        "https://hooks.example/a?b=c%20d",
        "https://hooks.example/a?b=c%20d",
    ),
    "batch_size_rows": (20.0, "20.0"),
    "max_batch_bytes": (1000, "1e3"),
    "max_batch_age_seconds": (0.5, "0.5"),
    "max_parallel_requests": (1, "1"),
    "max_requests_per_second": (0.5, "0.5"),
    "timeout_seconds": (2.5, "2.5"),
    "max_retry_seconds": (7.25, "7.25"),
    "compression": ("gzip", "GZIP"),
    "headers": (
        {"Authorization": "Bearer b", "X-A": "b, c"},
        '{"Authorization": "Bearer b", "X-A": "b, c"}',
    ),
    "signing_secret": ("whsec_Y2FuYXJ5", "whsec_Y2FuYXJ5"),
    "allowed_event_types": (["$pageview", "sign up"], "$pageview, sign up"),
    "record_format": ("connector", "connector"),
    "project_id": (7, "7"),
    "revenue_property": ("$amount", "$amount"),
    "payload_format": ("ndjson", "ndjson"),
    "on_rejected": ("dead_letter", "dead_letter"),
    "dead_letter_path": ("letters.jsonl", "letters.jsonl"),
    "load_method": ("upsert", "upsert"),
    "validate_records": (True, "1"),
    "add_record_metadata": (True, "true"),
    **SDKS,
}
PROGRAMS = {
    "tap-posthog": ("extractors", TapPostHog, TAP),
    "target-patterns-webhook": ("loaders", TargetPatternsWebhook, TARGET),
}
# Runs Meltano's command line over and over: to start it for each setting takes minutes.
MELTANO = """
import json, sys
from meltano.cli import cli
for arguments in json.load(sys.stdin):
    try:
        cli.main(arguments, standalone_mode=False)
    except SystemExit as exit:
        if exit.code:
            raise
"""


def native(given: Mapping[str, tuple[object, str]]) -> dict[str, object]:
    """Return each setting as JSON has it."""
    return {name: value for name, (value, _) in given.items()}


def variables(prefix: str, given: Mapping[str, tuple[object, str]]) -> dict[str, str]:
    """Return each setting as a variable."""
    return {f"{prefix}_{name.upper()}": text for name, (_, text) in given.items()}


def expected(program: str) -> dict[str, Any]:
    """Return what a program reads of native values that nothing has carried."""
    _, plugin, given = PROGRAMS[program]
    return shown(plugin(config=native(given), setup_mapper=False))


def printed(output: str) -> list[dict[str, Any]]:
    """Return what programs have shown, in order."""
    lines = [line for line in output.splitlines() if line.startswith(BEGIN)]
    return [json.loads(line)["shown"] for line in lines]


def start(command: list[str], folder: Path, **more: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as subprocess
    """Run a command to a good end, and return what programs have shown."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TAP_", "TARGET_"))}
    done = subprocess.run(
        command,
        cwd=folder,
        env=env | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | more.pop("env", {}),
        capture_output=True,
        text=True,
        check=False,
        **more,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return printed(done.stdout)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_setting_is_in_the_table(program: str) -> None:
    """No setting is left out of these tests, and none of their values is a default."""
    _, plugin, given = PROGRAMS[program]
    known = plugin.config_jsonschema  # type: ignore[attr-defined]
    plugin.append_builtin_config(known)  # type: ignore[attr-defined]

    assert set(given) == set(known["properties"])
    assert [
        name
        for name, entry in known["properties"].items()
        if given[name][0] == entry.get("default")
    ] == []


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("way", ["file", "pipe", "variables"])
def test_a_setting_means_the_same_in_each_way(
    tmp_path: Path, program: str, way: str
) -> None:
    """A file, a pipe and variables are read alike, by the command itself."""
    _, _, given = PROGRAMS[program]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(native(given)), encoding="utf-8-sig")
    command = f"exec {sys.executable} -m tests.pair.shown {program} --config"
    options = {
        "file": "=config.json",
        "pipe": " <(cat config.json)",
        "variables": "=ENV",
    }
    prefix = program.upper().replace("-", "_")
    env = variables(prefix, given) if way == "variables" else {}

    assert start(["bash", "-c", command + options[way]], tmp_path, env=env) == [
        expected(program)
    ]


def test_a_setting_means_the_same_under_meltano(tmp_path: Path) -> None:
    """`.env`, meltano.yml and `meltano config set` give a plugin what a file gives it.

    The project is ours, with a plugin for each way that inherits its settings' kinds.
    """
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    plugins = {group: project["plugins"][group] for group in ("extractors", "loaders")}
    project = {"requires_meltano": project["requires_meltano"], "plugins": plugins}
    dotenv: list[str] = []
    calls: list[list[str]] = []
    for program, (group, _, given) in PROGRAMS.items():
        (plugin,) = plugins[group]
        show = tmp_path / f"show-{program}"
        show.write_text(
            f"#!{sys.executable}\n"
            "import sys\n"
            f"sys.path.insert(0, {str(ROOT)!r})\n"
            "from tests.pair.shown import main\n"
            f"sys.exit(main({program!r}))\n"
        )
        show.chmod(0o755)
        plugin |= {"executable": f"./{show.name}", "capabilities": []}
        del plugin["pip_url"]
        for setting in plugin["settings"]:  # Meltano writes them all at each `set`
            del setting["label"], setting["description"]
        for way in ("dotenv", "yaml", "set"):
            heir: dict[str, Any] = {
                "name": f"{program}--{way}",
                "inherit_from": program,
            }
            if way == "yaml":
                heir["config"] = native(given)
            plugins[group].append(heir)
        prefix = f"{program.upper().replace('-', '_')}__DOTENV"
        dotenv += [f"{k}='{v}'" for k, v in variables(prefix, given).items()]
        calls += [
            ["config", "set", f"{program}--set", name, "--", text]
            for name, (_, text) in given.items()
        ]
    unquoted = yaml.safe_dump(project).replace("'2026-11-02'", "2026-11-02")
    (tmp_path / "meltano.yml").write_text(unquoted)
    (tmp_path / ".env").write_text("\r\n".join([*dotenv, ""]), newline="")
    ways = [(p, way) for p in PROGRAMS for way in ("dotenv", "yaml", "set")]
    calls += [["invoke", f"{p}--{way}"] for p, way in ways]
    read = start(
        [sys.executable, "-c", MELTANO], tmp_path, input=json.dumps(calls), timeout=280
    )

    assert len(read) == len(ways)
    for (program, way), settings in zip(ways, read, strict=True):
        assert (way, settings) == (way, expected(program))
