"""The webhook that records go to: its URL is a credential, its host is not. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlsplit

from target_patterns_webhook.settings.values import UNFILLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_patterns_webhook.settings.values import Setting


@dataclasses.dataclass(frozen=True, slots=True)
class Webhook:
    """One address, and what is true of it."""

    url: str = dataclasses.field(repr=False)  # never shown, logged or raised

    @classmethod
    def read(cls, setting: Setting, url: str | None) -> Webhook:
        """Check a URL as the user gave it.

        Raises:
            ConfigError: it is none, or none that a request can be sent to.
        """
        if url is None:
            setting.refuse(None)
        if "<" in url:
            setting.refuse(url, UNFILLED)
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
            usable = usable and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable or re.search(r"[\s\x00-\x1f\x7f]", url):
            setting.refuse(url)
        return cls(url)

    @property
    def host(self) -> str:
        """Its host's name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def receiver(self) -> str:
        """Its scheme, host and port: all of the URL that may be shown."""
        return shown(urlsplit(self.url))

    @property
    def in_the_clear(self) -> bool:
        """Whether the URL, a credential, crosses a network unencrypted."""
        if urlsplit(self.url).scheme == "https" or self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True

    @property
    def has_login(self) -> bool:
        """Whether the URL holds a user name or a password."""
        parts = urlsplit(self.url)
        return bool(parts.username or parts.password)

    def secrets(self) -> Iterator[str]:
        """Yield every part of the URL that a text must not repeat."""
        parts = urlsplit(self.url)
        yield from (self.url, parts.path, parts.query, f"{parts.path}?{parts.query}")
        yield from (parts.username or "", parts.password or "", parts.fragment)
        yield from parts.path.split("/")
        yield from (value for _, value in parse_qsl(parts.query))


def shown(parts: SplitResult) -> str:
    """Return the scheme, host and port of a URL: what of it is no secret."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
