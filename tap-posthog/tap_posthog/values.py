"""How one setting's value is read, and what is said of a bad one. Pure.

JSON, Meltano and environment variables spell the same value differently, so each
reader takes the text form too. A message names the key, what it got and what it takes;
a secret's value is in none of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from tap_posthog import instants
from tap_posthog.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

TRUE = ("true", "1", "yes", "on")
FALSE = ("false", "0", "no", "off")
SHOWN = 100  # characters of a bad value that are repeated to the user
KEY_HELP = (
    "a personal API key (phx_...) with the scope query:read, from PostHog's "
    "Settings > Personal API keys"
)


def refuse(key: str, got: object, takes: str) -> NoReturn:
    """Raise the one line about a value that cannot be used."""
    text = json.dumps(got, default=str)
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    msg = f"{key}: got {shown}, takes {takes}"
    raise ConfigError(msg)


def api_key(value: object) -> str:
    """Read the personal API key; its value is never repeated."""
    if value is None or value == "":
        msg = f"api_key: not set, takes {KEY_HELP}"
        raise ConfigError(msg)
    if not isinstance(value, str):
        msg = f"api_key: got a {type(value).__name__}, takes {KEY_HELP}"
        raise ConfigError(msg)
    key = value.strip()
    if key.startswith("phc_"):
        msg = f"api_key: got a project token (phc_...), not {KEY_HELP}"
        raise ConfigError(msg)
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        msg = f"api_key: holds spaces or characters that no key has; takes {KEY_HELP}"
        raise ConfigError(msg)
    return key


def project_id(value: object) -> str:
    """Read the project's number, an integer or its digits."""
    takes = "the number in the project's URL, for example 12345"
    if value is None or value == "":
        msg = f"project_id: not set, takes {takes}"
        raise ConfigError(msg)
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        refuse("project_id", value, takes)
    return text


def base_url(value: object) -> str:
    """Read PostHog's address; what cannot work is answered by what can."""
    takes = "https://us.posthog.com, https://eu.posthog.com or your own server's URL"
    text = value.strip().rstrip("/") if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        refuse("base_url", value, takes)
    if parts.username is not None or parts.password is not None:
        msg = f"base_url: holds a user name or password; takes {takes}"
        raise ConfigError(msg)
    if parts.scheme not in {"http", "https"} or not host:
        refuse("base_url", value, takes)
    if parts.query or parts.fragment or "/api" in parts.path:
        refuse("base_url", value, f"{takes}, without a path to a page or to the API")
    right = _right_cloud(host)
    if right:
        msg = f"base_url: got {text}, which does not serve the API; use {right}"
        raise ConfigError(msg)
    if parts.scheme == "http" and host.endswith(".posthog.com"):
        refuse("base_url", value, f"https://{host}, so that the key is not readable")
    return text


def _right_cloud(host: str) -> str | None:
    """Name the API's host for one of PostHog's that does not serve the API."""
    if host.endswith(".i.posthog.com"):
        region = "eu" if host.startswith("eu") else "us"
        return f"https://{region}.posthog.com"
    if host in {"app.posthog.com", "posthog.com", "www.posthog.com"}:
        return "https://us.posthog.com (or https://eu.posthog.com)"
    return None


def instant(key: str, value: object) -> datetime | None:
    """Read a point in time; without an offset it is UTC. None where there is none."""
    takes = 'a date or time such as "2022-08-05T12:00:00" (UTC, or with an offset)'
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        refuse(key, value, takes)
    try:
        return instants.read(value.strip())
    except ValueError:
        refuse(key, value, takes)


def names(key: str, value: object) -> tuple[str, ...]:
    """Read event names: an array, its JSON text, or a comma-separated string."""
    takes = 'event names, as an array or comma-separated: "$pageview, signup"'
    listed: Any = value
    if isinstance(value, str):
        listed = _from_json_array(value)
        if listed is None:
            listed = [name.strip() for name in value.split(",")]
    if listed is None:
        return ()
    if not isinstance(listed, list | tuple) or not all(
        isinstance(name, str) for name in listed
    ):
        refuse(key, value, takes)
    return tuple(dict.fromkeys(name for name in listed if name))


def _from_json_array(text: str) -> Any:  # noqa: ANN401 - whatever the JSON holds
    if not text.lstrip().startswith("["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def whole(key: str, value: object, low: int, high: int) -> int:
    """Read a whole number from `low` to `high`, or its text."""
    takes = f"a whole number from {low} to {high}"
    number: int | None = None
    if isinstance(value, str) and len(value) < SHOWN:
        try:
            number = int(value)
        except ValueError:
            refuse(key, value, takes)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    if number is None or not low <= number <= high:
        refuse(key, value, takes)
    return number


def flag(key: str, value: object) -> bool:
    """Read true or false, or their text."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in TRUE:
        return True
    if text not in FALSE:
        refuse(key, value, "true or false")
    return False


def choice(key: str, value: object, options: tuple[str, ...]) -> str:
    """Read one of a few words."""
    if not isinstance(value, str) or value.strip().lower() not in options:
        refuse(key, value, f"one of {', '.join(options)}")
    return value.strip().lower()
