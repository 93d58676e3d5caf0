"""The configuration as it comes in: the files, pipes and variables of `--config`.

Says what is wrong with them; what a value means is in `values`. Each file is read
once, since a pipe can be. The same file is in both packages.
"""

from __future__ import annotations

import json
import logging
import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.plugin_base import _ConfigInput

from ..errors import ConfigError
from ..settings.values import SHOWN, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOT_SETTINGS = {"loglevel"}  # variables with a plugin's prefix that the SDK reads
_log = logging.getLogger(__name__)


def read_config(options: Sequence[str]) -> _ConfigInput:
    """Read what `--config` names; a later file's keys win, as the SDK has it.

    Fractions are `Decimal`, as the SDK has them too: stream maps may reckon with them.

    Raises:
        ConfigError: a file is not there, or holds no JSON object.
    """
    config: dict[str, Any] = {}
    for path in options:
        if path != "ENV":
            config |= _object(path)
    return _ConfigInput(config=config, parse_env="ENV" in options)


def read_variables(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Return the settings that variables hold, as text, and warn of unknown ones.

    An empty variable is none: it hides no value of a file.
    """
    known = sorted(names)
    schema = {"properties": {name: {"type": "string"} for name in known}}
    found = parse_environment_config(schema, prefix)
    ours = [name for name in os.environ if name.startswith(prefix)]
    keys = {name.removeprefix(prefix).lower() for name in ours} - NOT_SETTINGS
    warn_of_unknown(sorted(keys), known, prefix)
    return {name: text for name, text in found.items() if text.strip()}


def warn_of_unknown(
    given: Iterable[str], known: Iterable[str], prefix: str = ""
) -> None:
    """Log each key that is no setting, as the variable that it is under a prefix."""
    for key, near in unknown(given, known).items():
        name, like = prefix + key, prefix + near
        if prefix:
            name, like = name.upper(), like.upper()
        hint = f"; did you mean {like}?" if near else ""
        shown = " ".join(name.split())[:SHOWN]
        _log.warning("Unknown setting %s is ignored%s", shown, hint)


def _object(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as exc:
        msg = f"The configuration file {path} cannot be read: {exc.strerror}"
        raise ConfigError(msg) from None
    except ValueError:
        msg = f"The configuration file {path} is not text in UTF-8"
        raise ConfigError(msg) from None
    try:
        value = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as exc:
        msg = f"The configuration file {path} is not a JSON object: {exc}"
        raise ConfigError(msg) from None
    if not isinstance(value, dict):
        kind = type(value).__name__
        msg = f"The configuration file {path} is not a JSON object: it holds a {kind}"
        raise ConfigError(msg)
    return value
