"""The objects of PostHog's settings that HogQL shows as `system.*`.

They are copies of Postgres: booleans are 0 and 1, JSON is text, what was deleted
softly is there.
"""

from __future__ import annotations

from sandbox.posthog.schema.table_types import Shown, Stored

_COLUMNS = {
    "cohorts": """
id Int64
name String
description String
deleted UInt8
filters JSON default '{}'
groups JSON default '[]'
query Nullable(String)
created_at DateTime64(6,'UTC') default now64(6)
last_calculation Nullable(DateTime64(6,'UTC'))
version Nullable(Int64)
count Nullable(Int64)
is_static UInt8
""",
    "insights": """
id Int64
short_id String
name String
description String
filters JSON default '{}'
query JSON default '{}'
query_metadata JSON default '{}'
deleted UInt8
saved UInt8 default 1
favorited UInt8
created_at DateTime64(6,'UTC') default now64(6)
created_by_id Nullable(Int64)
last_modified_at DateTime64(6,'UTC') default now64(6)
last_modified_by_id Nullable(Int64)
updated_at DateTime64(6,'UTC') default now64(6)
""",
    "annotations": """
id Int64
content String
scope String default 'project'
creation_type String default 'USR'
date_marker Nullable(DateTime64(6,'UTC'))
deleted UInt8
dashboard_item_id Nullable(Int64)
dashboard_id Nullable(Int64)
created_by_id Nullable(Int64)
created_at DateTime64(6,'UTC') default now64(6)
updated_at DateTime64(6,'UTC') default now64(6)
""",
    "actions": """
id Int64
name String
description String
deleted UInt8
created_at DateTime64(6,'UTC') default now64(6)
updated_at DateTime64(6,'UTC') default now64(6)
steps_json JSON default '[]'
""",
    "dashboards": """
id Int64
name String
description String
created_at DateTime64(6,'UTC') default now64(6)
deleted UInt8
filters JSON default '{}'
variables JSON default '{}'
""",
    "dashboard_tiles": """
id Int64
dashboard_id Int64
insight_id Nullable(Int64)
text_id Nullable(Int64)
button_tile_id Nullable(String)
layouts JSON default '{}'
color Nullable(String)
show_description Nullable(UInt8)
transparent_background Nullable(UInt8)
filters_overrides Nullable(String)
deleted UInt8
""",
    "error_tracking_issues": """
id UUID
created_at DateTime64(6,'UTC') default now64(6)
status String default 'active'
name Nullable(String)
description Nullable(String)
""",
}
# What access control calls a resource, where that is not the table's own name.
_RESOURCES = {"dashboard_tiles": "dashboard", "error_tracking_issues": "error_tracking"}

SHOWN = tuple(
    Shown(
        name=f"system.{name}",
        stored=Stored(name=f"system_{name}", key="id", columns=columns),
        resource=_RESOURCES.get(name, name.removesuffix("s")),
    )
    for name, columns in _COLUMNS.items()
)
