"""What `--config` takes, in both programs: files, pipes, variables, and several."""

from __future__ import annotations

import json
import os
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import tap_posthog.cli.config_input
import tap_posthog.errors
import target_patterns_webhook.cli.config_input
import target_patterns_webhook.errors
from tap_posthog.tap import TapPostHog
from target_patterns_webhook.target import TargetPatternsWebhook

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

PROGRAMS = pytest.mark.parametrize(
    ("module", "errors"),
    [
        (tap_posthog.cli.config_input, tap_posthog.errors),
        (target_patterns_webhook.cli.config_input, target_patterns_webhook.errors),
    ],
    ids=["tap", "target"],
)
PLUGINS: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "TAP_POSTHOG_": (
        TapPostHog,
        {"api_key": "phx_a", "project_id": 1, "page_size": 5},
        "page_size",
        "PAGE_SIZ",
    ),
    "TARGET_PATTERNS_WEBHOOK_": (
        TargetPatternsWebhook,
        {"webhook_url": "https://h.example/", "batch_size_rows": 5},
        "batch_size_rows",
        "BATCH_ROWS",
    ),
}


@PROGRAMS
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_a_pipe_is_read_once(
    tmp_path: Path, module: ModuleType, errors: ModuleType, mark: bytes
) -> None:
    """A FIFO gives its content to whom reads first, which is enough; a BOM is none."""
    del errors
    pipe = tmp_path / "config"
    os.mkfifo(pipe)
    writer = threading.Thread(
        target=pipe.write_bytes, args=(mark + b'{"seconds": 2.5, "name": "\xc3\xa9"}',)
    )
    writer.start()
    read = module.read_config([str(pipe)])
    writer.join()

    assert read.config == {"seconds": Decimal("2.5"), "name": "é"}
    assert read.parse_env is False


@PROGRAMS
def test_files_are_merged(
    tmp_path: Path, module: ModuleType, errors: ModuleType
) -> None:
    """A later file's keys win over an earlier one's; `ENV` may stand among them."""
    del errors
    (tmp_path / "a").write_text('{"a": 1, "b": {"c": 1}}')
    (tmp_path / "b").write_text('{"b": {"d": 2}}')
    read = module.read_config([str(tmp_path / "a"), "ENV", str(tmp_path / "b")])

    assert (read.config, read.parse_env) == ({"a": 1, "b": {"d": 2}}, True)


@PROGRAMS
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is not a JSON object: Expecting value: line 1 column 1 (char 0)"),
        (b'{"api_key": CANARY}', "is not a JSON object: Expecting value: line 1"),
        (b"[]", "is not a JSON object: it holds a list"),
        (b'"CANARY"', "is not a JSON object: it holds a str"),
        ("{}".encode("utf-16"), "is not text in UTF-8"),
        (b"[" * 100_000, "is not a JSON object: "),
    ],
    ids=["missing", "empty", "broken", "list", "text", "utf-16", "deep"],
)
def test_what_is_no_configuration_is_one_line(
    tmp_path: Path,
    module: ModuleType,
    errors: ModuleType,
    content: bytes | None,
    says: str,
) -> None:
    """A file that cannot be read is named, with the reason and without its content."""
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.ConfigError) as caught:
        module.read_config([str(path)])

    assert str(caught.value).startswith(f"The configuration file {path} {says}")
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("prefix", PLUGINS)
def test_variables_stand_over_files(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, prefix: str
) -> None:
    """With `--config=ENV` a variable wins over a file, an empty one is none.

    One that is no setting is named, unless it is Meltano's or the log's.
    """
    plugin, config, name, wrong = PLUGINS[prefix]
    monkeypatch.setenv(f"{prefix}FLATTENING_ENABLED", "")
    monkeypatch.setenv(f"{prefix}LOGLEVEL", "INFO")
    monkeypatch.setenv(f"{prefix}_SELECT", "[]")
    monkeypatch.setenv(prefix + name.upper(), "")
    alone = plugin(config=json.loads(json.dumps(config)), parse_env_config=True)
    monkeypatch.setenv(prefix + name.upper(), "7")
    monkeypatch.setenv(prefix + wrong, "9")
    both = plugin(config=config, parse_env_config=True)

    assert [getattr(each.settings, name) for each in (alone, both)] == [5, 7]
    words = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    hint = f"did you mean {prefix}{name.upper()}?"
    assert words == [f"Unknown setting {prefix}{wrong} is ignored; {hint}"]
