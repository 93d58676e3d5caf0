"""The webhooks that records go to: a URL is a credential, its host is not. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlsplit

from target_patterns_webhook.settings.values import UNFILLED, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TAKES = "an http:// or https:// URL, as Patterns shows it on the webhook node"


@dataclasses.dataclass(frozen=True, slots=True)
class Webhook:
    """One address, and what is true of it."""

    url: str = dataclasses.field(repr=False)  # never shown, logged or raised
    setting: str = dataclasses.field(compare=False)  # where the user gave it

    @classmethod
    def read(cls, name: str, url: str | None) -> Webhook:
        """Check a URL as the user gave it under this name.

        Raises:
            ConfigError: it is none, or none that a request can be sent to.
        """
        setting = Setting(name, {"type": "string", "secret": True}, TAKES)
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
        return cls(url, name)

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


@dataclasses.dataclass(frozen=True, slots=True)
class Webhooks:
    """Where each stream's records go."""

    by_stream: Mapping[str, Webhook]
    other: Webhook | None  # of the streams that have none of their own

    @classmethod
    def read(cls, url: str | None, urls: Mapping[str, str]) -> Webhooks:
        """Check ``webhook_url`` and ``webhook_urls``.

        Raises:
            ConfigError: one cannot be used, or there is none.
        """
        by_stream = {
            stream: Webhook.read(f"webhook_urls.{stream}", text.strip())
            for stream, text in urls.items()
        }
        if url is None and urls:
            return cls(by_stream, None)
        return cls(by_stream, Webhook.read("webhook_url", url))

    def of(self, stream: str) -> Webhook | None:
        """Return where a stream's records go, None: nowhere."""
        return self.by_stream.get(stream, self.other)

    def __iter__(self) -> Iterator[Webhook]:
        """Give each webhook once."""
        several = [*self.by_stream.values(), *([self.other] if self.other else [])]
        return iter(dict.fromkeys(several))


def shown(parts: SplitResult) -> str:
    """Return the scheme, host and port of a URL: what of it is no secret."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
