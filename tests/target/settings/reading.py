"""Settings as they are read beside a good URL."""

from __future__ import annotations

from target_patterns_webhook.settings.settings import Settings

URL = "https://api.patterns.app/api/app/webhooks/canary"


def read(**config: object) -> Settings:
    """Read settings beside a good URL."""
    return Settings.from_config({"webhook_url": URL, **config})
