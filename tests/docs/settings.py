"""The settings that `--about` tells, as the docs and meltano.yml show them.

Run to write, `--check` to compare. What stands between two markers is generated:
tables in Markdown, `settings:` lists in meltano.yml and the MeltanoHub definitions.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.docs.canonical import canonical

ROOT = Path(__file__).parents[2]
PLUGINS = ("tap-posthog", "target-patterns-webhook")
BUILTIN = (
    "add_record_metadata",
    "batch_config",
    "faker_",
    "flattening_",
    "load_method",
    "process_activate",
    "stream_map",
    "validate_",
)
BEGIN, END = "generated from --about", "end of what is generated"


@cache
def about(plugin: str) -> dict[str, Any]:
    """Return the JSON that `plugin --about` prints."""
    command = Path(sys.executable).parent / plugin
    told = subprocess.run(
        [command, "--about", "--format=json"], check=True, capture_output=True
    )
    parsed: dict[str, Any] = json.loads(told.stdout)
    return parsed


def properties(plugin: str) -> tuple[dict[str, Any], set[str]]:
    """Return every setting's schema by name, and the names that are required."""
    schema = about(plugin)["settings"]
    return schema["properties"], set(schema.get("required", ()))


def is_builtin(name: str) -> bool:
    """Say whether every Singer SDK plugin has this setting."""
    return name.startswith(BUILTIN)


KIND = "string"  # Meltano's: of every other kind it guesses what text means, or raises


def table(plugin: str) -> str:
    """Return the settings of a plugin as a Markdown table, its own ones only."""
    schemas, required = properties(plugin)
    lines = ["| Setting | Default | Meaning |", "|---|---|---|"]
    for name, schema in schemas.items():
        if is_builtin(name):
            continue
        default = "required" if name in required else shown(schema.get("default"))
        secret = " Secret." if schema.get("secret") else ""
        meaning = one_line(schema["description"]).replace("|", "\\|")
        lines.append(f"| `{name}` | {default} | {meaning}{secret} |")
    builtin = ", ".join(f"`{name}`" for name in schemas if is_builtin(name))
    return "\n".join([*lines, "", f"Of every Singer SDK plugin: {builtin}."])


def shown(default: object) -> str:
    """Return a default as the table shows it."""
    return "none" if default is None else f"`{json.dumps(default).strip(chr(34))}`"


def one_line(text: str) -> str:
    """Return the text with its white space folded."""
    return " ".join(text.split())


def definition(plugin: str) -> str:
    """Return the settings of a plugin as Meltano defines them, in YAML."""
    schemas, _ = properties(plugin)
    lines = ["settings:"]
    for name, schema in schemas.items():
        label = schema.get("title") or name.replace("_", " ").capitalize()
        lines += [f"- name: {name}", f"  label: {quoted(label)}"]
        lines.append(f"  kind: {KIND}")
        if "default" in schema and schema["default"] is not None:
            lines.append(f"  value: {json.dumps(schema['default'])}")
        lines.append(f"  description: {quoted(one_line(schema['description']))}")
        if schema.get("secret"):
            lines.append("  sensitive: true")
        if name == "start_at":
            lines.append("  aliases: [start_date]")
        if "enum" in schema:
            lines.append("  options:")
            lines += [
                f"  - {{label: {quoted(str(v))}, value: {quoted(str(v))}}}"
                for v in schema["enum"]
            ]
    return "\n".join(lines)


def quoted(text: str) -> str:
    """Return the text as a YAML string; JSON's are YAML's."""
    return json.dumps(text, ensure_ascii=False)


def filled(text: str) -> str:
    """Return a document with everything between its markers written anew."""

    def fill(found: re.Match[str]) -> str:
        indent, plugin, what = found["indent"], found["plugin"], found["what"]
        body = (table if what == "table" else definition)(plugin)
        lines = [f"{indent}{line}".rstrip() for line in body.splitlines()]
        space = [""] if what == "table" else []
        parts = [found["first"], *space, *lines, *space, found["last"]]
        return "\n".join(parts)

    marked = re.compile(
        r"(?P<first>^(?P<indent> *)(?:#|<!--) (?P<plugin>[\w-]+) (?P<what>\w+): "
        rf"{BEGIN}[^\n]*$)"
        rf".*?(?P<last>^ *(?:#|<!--) {END}[^\n]*$)",
        re.DOTALL | re.MULTILINE,
    )
    return marked.sub(fill, text)


def written(path: Path) -> str:
    """Return what a document should be; meltano.yml is as Meltano would write it."""
    text = filled(path.read_text())
    return canonical(text) if path.name == "meltano.yml" else text


def documents() -> list[Path]:
    """Return every file that has a generated part."""
    candidates = [
        ROOT / "meltano.yml",
        *ROOT.glob("*.md"),
        *ROOT.glob("*/README.md"),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "docs").rglob("*.yml")),
    ]
    return [path for path in candidates if BEGIN in path.read_text()]


def main(arguments: list[str]) -> int:
    """Write the generated parts; with `--check`, say which are out of date."""
    stale = [path for path in documents() if written(path) != path.read_text()]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: make docs\n")
        else:
            path.write_text(written(path))
    return len(stale) if "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
