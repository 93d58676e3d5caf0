"""The settings as the code sees them: read once, checked, frozen.

What users see of them is in schema.py, how a value is read in values.py. Here
is what only a webhook's own settings need. Touches no file, network or environment.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.settings.schema import SCHEMA
from target_patterns_webhook.settings.values import Setting, settings_of, slip
from target_patterns_webhook.settings.webhook import TAKES, Webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping

SDKS = ("load_method", "validate_records")  # read by the SDK, described by us
KNOWN = settings_of(
    SCHEMA,
    {
        "webhook_url": TAKES,
        "webhook_urls": "an object of stream names and their webhooks' URLs",
        "headers": "an object of header names and text values",
        "signing_secret": "whsec_ followed by base64, as the receiver shows it",
        "project_id": "the number of a PostHog project",
    },
)
OWN = {name: each for name, each in KNOWN.items() if name not in SDKS}
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
OURS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "idempotency-key",
        "transfer-encoding",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user turned. Defaults come from the schema, so none are here."""

    webhook_url: str | None = dataclasses.field(repr=False)  # a URL is a credential
    webhook_urls: dict[str, str] = dataclasses.field(repr=False)  # by stream
    batch_size_rows: int
    max_batch_bytes: int
    max_batch_age_seconds: float
    max_parallel_requests: int
    max_requests_per_second: float | None  # None: no pace
    timeout_seconds: float
    max_retry_seconds: float
    compression: str
    headers: dict[str, str] = dataclasses.field(repr=False)
    signing_secret: str | None = dataclasses.field(repr=False)
    allowed_event_types: frozenset[str] | None  # None: all
    record_format: str
    project_id: int | None
    revenue_property: str
    payload_format: str
    on_rejected: str
    dead_letter_path: Path
    report_path: Path | None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Read the target's own settings; other keys are somebody else's, ignored.

        Raises:
            ConfigError: one line that names the key, what it got (a secret's value
                never) and what it takes.
        """
        given = {name: setting.read(config.get(name)) for name, setting in OWN.items()}
        urls = given.pop("webhook_urls") or {}
        webhooks = Webhooks.read(given["webhook_url"], urls)
        headers = _headers(OWN["headers"], given.pop("headers") or {})
        secret = _signing_secret(OWN["signing_secret"], given.pop("signing_secret"))
        _check_together(webhooks, headers)
        del given["report_path"]
        project, names = given.pop("project_id"), given.pop("allowed_event_types")
        return cls(
            webhook_urls=urls,
            headers=headers,
            signing_secret=secret,
            project_id=None if project is None else int(project),
            allowed_event_types=frozenset(names) or None,
            dead_letter_path=Path(given.pop("dead_letter_path")).expanduser(),
            report_path=report_path(config),
            **given,
        )

    @property
    def webhooks(self) -> Webhooks:
        """Where records go. Nothing else reads the two settings of it."""
        return Webhooks.read(self.webhook_url, self.webhook_urls)


def report_path(config: Mapping[str, Any]) -> Path | None:
    """Return where the run's report goes, whatever the other settings are.

    Raises:
        ConfigError: it is no path.
    """
    path = OWN["report_path"].read(config.get("report_path"))
    return None if path is None else Path(path).expanduser()


def _headers(setting: Setting, headers: dict[str, str]) -> dict[str, str]:
    for key, text in headers.items():
        if not TOKEN.fullmatch(key):
            setting.refuse(headers)
        if re.search(r"[^\t\x20-\x7e\x80-\xff]", text) or text != text.strip():
            setting.refuse(headers, f"not usable: {key} holds line breaks or the like")
        if key.lower() in OURS:
            setting.refuse(headers, f"not usable: {key} is set by the target itself")
        if why := slip(text):
            setting.refuse(headers, f"not usable: {key} is {why}")
    return headers


def _signing_secret(setting: Setting, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        setting.refuse(text)
    return text


def _check_together(webhooks: Webhooks, headers: Mapping[str, str]) -> None:
    """Refuse two credentials for one request: requests would send the URL's only."""
    if all(name.lower() != "authorization" for name in headers):
        return
    for webhook in webhooks:
        if webhook.has_login:
            msg = (
                f"headers: holds Authorization, and {webhook.setting} a user name or "
                "password, of which a request can carry one; leave out the other"
            )
            raise ConfigError(msg)
