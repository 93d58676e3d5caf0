"""The settings as the code sees them: read once, checked, frozen.

What users see of them is in schema.py. Touches no file, network or environment.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PROPERTIES: dict[str, dict[str, Any]] = SCHEMA["properties"]
_URL = "an http:// or https:// URL, as Patterns shows it on the webhook node"
_NAMES = "event names, as an array or as text with commas"
_HEADERS = "an object of header names and text values"
_SIGNING = "whsec_ followed by base64, as the receiver shows it"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_OURS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "idempotency-key",
        "transfer-encoding",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    },
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user turned. Defaults come from the schema, so none are here."""

    webhook_url: str = dataclasses.field(repr=False)  # the URL is the credential
    batch_size_rows: int
    max_batch_bytes: int
    max_batch_age_seconds: float
    max_parallel_requests: int
    timeout_seconds: float
    max_retry_seconds: float
    compression: str
    headers: dict[str, str] = dataclasses.field(repr=False)
    signing_secret: str | None = dataclasses.field(repr=False)
    allowed_event_types: frozenset[str] | None
    record_format: str
    project_id: int | None
    revenue_property: str
    payload_format: str
    on_rejected: str
    dead_letter_path: Path

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Read the target's own settings; other keys are somebody else's, ignored.

        Text is taken where a number or a list is meant, as environment variables
        have no types. Raises ConfigError that names the key, what it got (a secret's
        value never) and what it takes.
        """
        values: dict[str, Any] = {}
        for name, parse in _PARSERS.items():
            value = config.get(name)
            if value is None or value == "":
                value = _PROPERTIES[name].get("default")
            values[name] = parse(name, value)
        return cls(**values)

    @property
    def receiver(self) -> str:
        """The receiver's scheme, host and port: all of the URL that may be shown."""
        url = urlsplit(self.webhook_url)
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        return f"{url.scheme}://{host}" + (f":{url.port}" if url.port else "")

    @property
    def in_the_clear(self) -> bool:
        """Whether the URL, a credential, crosses a network unencrypted."""
        url = urlsplit(self.webhook_url)
        if url.scheme == "https" or url.hostname == "localhost":
            return False
        try:
            return not ipaddress.ip_address(url.hostname or "").is_loopback
        except ValueError:
            return True


def _wrong(name: str, value: object, takes: str) -> ConfigError:
    if value is None:
        return ConfigError(f"{name} is missing. It takes {takes}.")
    if _PROPERTIES[name].get("secret"):
        return ConfigError(f"{name} cannot be used as it is. It takes {takes}.")
    return ConfigError(f"{name} is {repr(value)[:80]}. It takes {takes}.")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(name, value, "text")
    return value


def _project_id(name: str, value: object) -> int | None:
    if value is None:
        return None
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise _wrong(name, value, "the number of a PostHog project")
    return int(text)


def _number(name: str, value: object, *, whole: bool) -> float:
    schema = _PROPERTIES[name]
    least, most = schema.get("minimum"), schema["maximum"]
    what = "a whole number" if whole else "a number"
    bounds = f"above 0, up to {most:,}" if least is None else f"{least:,} to {most:,}"
    takes = f"{what}, {bounds}"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(name, value, takes)
    text = str(value).strip().removesuffix(".0")
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        raise _wrong(name, value, takes) from None
    if not (number > 0 if least is None else least <= number) or not number <= most:
        raise _wrong(name, value, takes)
    return number


def _integer(name: str, value: object) -> int:
    return int(_number(name, value, whole=True))


def _seconds(name: str, value: object) -> float:
    return float(_number(name, value, whole=False))


def _choice(name: str, value: object) -> str:
    choices = _PROPERTIES[name]["enum"]
    if value not in choices:
        raise _wrong(name, value, " or ".join(choices))
    return str(value)


def _webhook_url(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(name, value, _URL)
    url = value.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        usable = usable and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise _wrong(name, value, _URL)
    return url


def _event_names(name: str, value: object) -> frozenset[str] | None:
    if value is None:
        return None
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _json(name, value, _NAMES)
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise _wrong(name, value, _NAMES)
    return frozenset(v.strip() for v in value if v.strip()) or None


def _headers(name: str, value: object) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, str):
        value = _json(name, value, _HEADERS)
    if not isinstance(value, dict):
        raise _wrong(name, value, _HEADERS)
    for key, text in value.items():
        if not isinstance(text, str) or not _TOKEN.fullmatch(key):
            raise _wrong(name, value, _HEADERS)
        if re.search(r"[^\t\x20-\x7e\x80-\xff]", text) or text != text.strip():
            takes = f"{_HEADERS} without line breaks"
            raise _wrong(name, value, takes)
        if key.lower() in _OURS:
            takes = f"any header but {key}, which the target sets itself"
            raise _wrong(name, value, takes)
    return dict(value)


def _signing_secret(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong(name, value, _SIGNING)
    try:
        key = base64.b64decode(value.strip().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise _wrong(name, value, _SIGNING)
    return value.strip()


def _path(name: str, value: object) -> Path:
    return Path(_text(name, value)).expanduser()


def _json(name: str, value: str, takes: str) -> object:
    import json  # noqa: PLC0415 - only for settings that come as JSON text

    try:
        return json.loads(value)
    except ValueError:
        raise _wrong(name, value, takes) from None


_PARSERS: dict[str, Callable[[str, object], object]] = {
    "webhook_url": _webhook_url,
    "batch_size_rows": _integer,
    "max_batch_bytes": _integer,
    "max_batch_age_seconds": _seconds,
    "max_parallel_requests": _integer,
    "timeout_seconds": _seconds,
    "max_retry_seconds": _seconds,
    "compression": _choice,
    "headers": _headers,
    "signing_secret": _signing_secret,
    "allowed_event_types": _event_names,
    "record_format": _choice,
    "project_id": _project_id,
    "revenue_property": _text,
    "payload_format": _choice,
    "on_rejected": _choice,
    "dead_letter_path": _path,
}
