"""Keys that are the SDK's or nobody's: read, warned of, never quoted."""

from __future__ import annotations

from decimal import Decimal

import pytest

from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.target import TargetPatternsWebhook
from tests.target.settings.reading import URL


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("batch_size", "; did you mean batch_size_rows?"),
        ("Webhook-URL", "; did you mean webhook_url?"),
        ("url", "; did you mean webhook_url?"),
        ("default_target_schema", ""),
    ],
)
def test_an_unknown_key_is_a_warning(
    caplog: pytest.LogCaptureFixture, key: str, hint: str
) -> None:
    """A key that is no setting is named, with the one that was probably meant."""
    TargetPatternsWebhook(config={"webhook_url": URL, key: "canary"})

    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        f"Unknown setting {key} is ignored{hint}"
    ]


@pytest.mark.parametrize(
    ("method", "warned"),
    [("append-only", 0), (None, 0), ("upsert", 1), ("OVERWRITE", 1)],
)
def test_a_webhook_only_appends(
    caplog: pytest.LogCaptureFixture, method: str | None, warned: int
) -> None:
    """`upsert` and `overwrite` change nothing here, which is said once."""
    TargetPatternsWebhook(config={"webhook_url": URL, "load_method": method})

    words = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert (
        words
        == [f"load_method is {str(method).lower()}, but a webhook only appends."]
        * warned
    )


def test_the_sdks_settings_are_read_alike(caplog: pytest.LogCaptureFixture) -> None:
    """Text and decimals do for the SDK's own settings too, and objects are checked."""
    given = {
        "flattening_enabled": "no",
        "flattening_max_depth": Decimal("2.0"),
        "stream_maps": '{"s": {"a": "1"}}',
        "_select": [],
    }
    target = TargetPatternsWebhook(config={"webhook_url": URL, **given})
    with pytest.raises(ConfigError, match=r"^stream_maps\.s: is not of the form"):
        TargetPatternsWebhook(config={"webhook_url": URL, "stream_maps": {"s": 1}})

    with pytest.raises(ConfigError, match=r"^stream_map_config: cannot be") as broken:
        TargetPatternsWebhook(
            config={"webhook_url": URL, "stream_map_config": '{"salt": "canary'}
        )

    assert "canary" not in str(broken.value)
    assert target.config["flattening_enabled"] is False
    assert target.config["flattening_max_depth"] == 2
    assert target.config["stream_maps"] == {"s": {"a": "1"}}
    assert [r for r in caplog.records if r.levelname == "WARNING"] == []
