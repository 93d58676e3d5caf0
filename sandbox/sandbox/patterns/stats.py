"""The figures on the page: what arrived, how fast, how late, when it happened.

A duplicate is a row whose (webhook, uuid, event) has arrived before. Lag is of what
came after the first run: a backfill is no delay. So only what PostHog took in
(`created_at`; where a record has none, what happened) after a webhook's first record
arrived counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime

TOTALS = """
select count(*) as "rows",
    count(uuid) - count(distinct (webhook, uuid, event)) filter (uuid is not null)
        as duplicates,
    count(distinct request_id) as requests,
    count(distinct event) as event_names,
    count(distinct distinct_id) as people,
    min(timestamp) as first_timestamp, max(timestamp) as last_timestamp,
    max(received_at) as last_received_at,
    count(*) filter (received_at > $1::timestamp - interval 10 second) / 10.0
        as rows_per_second,
    sum(strlen(record))::bigint as bytes
from webhook
"""
HOURS = """
with newest as (select date_trunc('hour', max(timestamp)) as hour from webhook)
select date_trunc('hour', timestamp) as hour, count(*) as "rows"
from webhook, newest where timestamp >= newest.hour - interval 167 hour
group by all order by hour
"""
DAYS = """
with newest as (select date_trunc('day', max(timestamp)) as day from webhook)
select date_trunc('day', timestamp) as day, count(*) as "rows"
from webhook, newest where timestamp >= newest.day - interval 89 day
group by all order by day
"""
LAG = """
with began as (
    select webhook, min(received_at) as first from webhook group by webhook
), lag as (
    select epoch(received_at - timestamp) as s
    from webhook join began using (webhook)
    where timestamp is not null and first < coalesce(
        try_cast(case when json_valid(record) then record ->> '$.created_at' end
            as timestamptz) at time zone 'UTC',
        timestamp)
)
select bucket, count(*) as "rows" from (
    select case when s < 1 then '< 1 s' when s < 60 then '< 1 min'
        when s < 3600 then '< 1 h' when s < 86400 then '< 1 day'
        when s < 604800 then '< 7 days' else '7 days +' end as bucket, s from lag
) group by bucket order by min(s)
"""
NAMES = """
select event, count(*) as "rows" from webhook group by event
order by "rows" desc, event limit 10
"""
WEBHOOKS = """
select webhook, count(*) as "rows" from webhook group by all order by all
"""
NEWEST = """
select received_at, timestamp, event, distinct_id, strlen(record) as bytes, record
from webhook order by seq desc limit 15
"""


class Ask(Protocol):
    """What answers SQL: the table."""

    def __call__(self, sql: str, values: list[Any] | None = None) -> dict[str, Any]:
        """Answer one SELECT with its columns and rows."""


def figures(ask: Ask, now: datetime, webhook: str | None = None) -> dict[str, Any]:
    """Ask for everything the page shows; instants are UTC without a zone.

    Of one webhook, or of all where none is named.
    """

    def of(sql: str, values: list[Any] | None = None) -> dict[str, Any]:
        if webhook is not None:
            name = webhook.replace("'", "''")
            only = f"from (select * from webhook where webhook = '{name}') as webhook"  # noqa: S608 - quoted
            sql = sql.replace("from webhook", only)
        return ask(sql, values)

    total = of(TOTALS, [now])
    return {
        "now": now,
        **dict(zip(total["columns"], total["rows"][0], strict=True)),
        "webhooks": ask(WEBHOOKS)["rows"],
        "hours": of(HOURS)["rows"],
        "days": of(DAYS)["rows"],
        "lag": of(LAG)["rows"],
        "events": of(NAMES)["rows"],
        "newest": of(NEWEST)["rows"],
    }
