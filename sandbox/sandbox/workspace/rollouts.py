"""Feature flags, the experiment over one of them, and a survey."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.workspace.setting import World

FLAGS = ("report-writer", "new-billing", "remote-config", "old-editor")
WRITER, BILLING, REMOTE, OLD = range(1, len(FLAGS) + 1)
PAYLOAD = '{"banner": "Now with reports that write themselves"}'


def lists(world: World) -> dict[str, list[dict[str, Any]]]:
    """Give objects by the name of their list, as PostHog answers with them."""
    flags = [_flag(world, n, key) for n, key in enumerate(FLAGS, 1)]
    by_id = {each["id"]: each for each in flags}
    by_id[WRITER]["filters"] = {
        "groups": [{"properties": [], "rollout_percentage": 100}],
        "multivariate": {
            "variants": [
                {"key": "control", "rollout_percentage": 50},
                {"key": "test", "rollout_percentage": 50},
            ]
        },
    }
    by_id[WRITER]["experiment_set"] = [1]
    # PostHog shows this payload to a key that asks: it is for servers only.
    by_id[REMOTE] |= {
        "has_encrypted_payloads": True,
        "is_remote_configuration": True,
        "filters": {"groups": [], "payloads": {"true": PAYLOAD}},
    }
    by_id[OLD] |= {"archived": True, "active": False}
    started = f"{world.until - timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}"
    experiment = {
        "id": 1,
        "name": "Do written reports bring people back?",
        "description": "",
        "start_date": started,
        "end_date": None,
        "feature_flag_key": FLAGS[0],
        "feature_flag": by_id[WRITER],
        "metrics": [{"kind": "ExperimentMetric", "metric_type": "mean"}],
        "archived": False,
        "deleted": False,
        "created_at": started,
        "updated_at": started,
    }
    survey = {
        "id": "019d0000-0000-7000-8000-000000000001",
        "name": "How do you like it?",
        "type": "popover",
        "questions": [{"type": "rating", "question": "How do you like it?"}],
        "linked_flag": by_id[BILLING],
        "linked_flag_id": BILLING,
        "start_date": started,
        "created_at": started,
        "archived": False,
    }
    return {"feature_flags": flags, "experiments": [experiment], "surveys": [survey]}


def _flag(world: World, number: int, key: str) -> dict[str, Any]:
    at = f"{world.until - timedelta(days=50 - number):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "id": number,
        "key": key,
        "name": key.replace("-", " ").capitalize(),
        "active": True,
        "archived": False,
        "deleted": False,
        "filters": {"groups": [{"properties": [], "rollout_percentage": 25}]},
        "created_at": at,
        "updated_at": at,
        "tags": [],
        "version": 1,
        "has_encrypted_payloads": False,
        "is_remote_configuration": False,
        "experiment_set": [],
    }
