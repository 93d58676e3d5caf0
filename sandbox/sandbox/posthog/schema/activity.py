"""What is made from events and lives beside them: sessions, recordings, AI, flags."""

from __future__ import annotations

from sandbox.posthog.schema.table_types import Shown, Stored

_UTM = ("source", "campaign", "medium", "term", "content")
_CLICK_IDS = """
    fbclid gclid gad_source gclsrc dclid gbraid wbraid msclkid twclid li_fat_id
    mc_cid igshid ttclid _kx irclid
""".split()  # noqa: SIM905 - words read better than quotes
_TEXTS = """
    $entry_current_url $entry_pathname $entry_hostname $end_current_url
    $end_pathname $end_hostname $entry_referring_domain $last_external_click_url
""".split()  # noqa: SIM905 - words read better than quotes
_TAGS = [f"$entry_utm_{tag}" for tag in _UTM] + [f"$entry_{it}" for it in _CLICK_IDS]
_SESSION = {
    "session_id": "String",
    "session_timestamp": "DateTime64(6,'UTC')",
    "distinct_id": "String",
    "$start_timestamp": "DateTime64(6,'UTC')",
    "$end_timestamp": "DateTime64(6,'UTC')",
    "max_inserted_at": "DateTime64(6,'UTC')",  # 1970 where nothing says it
    "$urls": "Array(String)",
    "$num_uniq_urls": "UInt64",
    **dict.fromkeys(_TEXTS, "Nullable(String)"),
    **dict.fromkeys(_TAGS, "Nullable(String)"),
    "$entry_has_fbclid": "Bool",
    "$entry_has_gclid": "Bool",
    "$pageview_count": "UInt64",
    "$autocapture_count": "UInt64",
    "$screen_count": "UInt64",
    "$channel_type": "String",
    "$session_duration": "Int64",
    "$is_bounce": "Nullable(UInt8)",
    "$has_autocapture": "Bool",
    "$has_replay_events": "Bool",
}
SESSION = Stored(
    name="sessions",
    key="session_id",
    columns="\n".join(f"{name} {kind}" for name, kind in _SESSION.items()),
)


def _first(value: str) -> str:
    return f"nullIf(argMinIf({value}, (timestamp, uuid), {value} != ''), '')"


def _last(value: str) -> str:
    return f"nullIf(argMaxIf({value}, (timestamp, uuid), {value} != ''), '')"


# A session is the events that share its id, where that is a version 7 UUID.
_MADE = {
    "session_id": "sid",
    "session_timestamp": "fromUnixTimestamp64Milli(reinterpretAsInt64(reverse("
    "unhex(concat('0000', substring(replaceAll(sid, '-', ''), 1, 12))))), 'UTC')",
    "distinct_id": "argMin(events.distinct_id, (timestamp, uuid))",
    "$start_timestamp": "min(timestamp)",
    "$end_timestamp": "max(timestamp)",
    "max_inserted_at": "max(created_at)",
    "$urls": "groupUniqArrayIf(url, url != '')",
    "$num_uniq_urls": "uniqExactIf(url, url != '')",
    "$entry_current_url": _first("url"),
    "$entry_pathname": _first("path(url)"),
    "$entry_hostname": _first("domain(url)"),
    "$end_current_url": _last("url"),
    "$end_pathname": _last("path(url)"),
    "$end_hostname": _last("domain(url)"),
    "$entry_referring_domain": _first("referrer"),
    "$last_external_click_url": _last(
        "JSONExtractString(properties, '$external_click_url')"
    ),
    **{f"$entry_utm_{tag}": _first(f"utm_{tag}") for tag in _UTM},
    **{
        f"$entry_{it}": _first(f"JSONExtractString(properties, '{it}')")
        for it in _CLICK_IDS
    },
    "$entry_has_fbclid": "max(JSONHas(properties, 'fbclid')) = 1",
    "$entry_has_gclid": "max(JSONHas(properties, 'gclid')) = 1",
    "$pageview_count": "uniqExactIf(uuid, event = '$pageview')",
    "$autocapture_count": "uniqExactIf(uuid, event = '$autocapture')",
    "$screen_count": "uniqExactIf(uuid, event = '$screen')",
    "$channel_type": "multiIf(argMin(utm_source, (timestamp, uuid)) = 'newsletter',"
    " 'Email', argMin(utm_source, (timestamp, uuid)) != '', 'Unknown',"
    " argMin(referrer, (timestamp, uuid)) in ('', '$direct'), 'Direct',"
    " argMin(referrer, (timestamp, uuid)) like '%google.%', 'Organic Search',"
    " 'Referral')",
    "$session_duration": "dateDiff('second', min(timestamp), max(timestamp))",
    "$is_bounce": "if(uniqExactIf(uuid, event in ('$pageview', '$screen')) = 0, NULL,"
    " uniqExactIf(uuid, event in ('$pageview', '$screen', '$autocapture')) = 1"
    " and dateDiff('second', min(timestamp), max(timestamp)) < 10)",
    "$has_autocapture": "countIf(event = '$autocapture') > 0",
    "$has_replay_events": "sid in (select session_id from session_replay_events)",
}
_EVENTS = (
    "select uuid, event, distinct_id, timestamp, created_at, properties,"  # noqa: S608 - our own names
    " `$session_id` as sid, JSONExtractString(properties, '$current_url') as url,"
    " if(JSONHas(properties, '$referring_domain'),"
    " JSONExtractString(properties, '$referring_domain'),"
    " if(JSONExtractString(properties, '$referrer') = '$direct', '$direct',"
    " domain(JSONExtractString(properties, '$referrer')))) as referrer, "
    + ", ".join(
        f"JSONExtractString(properties, 'utm_{tag}') as utm_{tag}" for tag in _UTM
    )
    + " from events where {events} and substring(`$session_id`, 15, 1) = '7'"
    " and toUUIDOrNull(`$session_id`) is not null"
)
_MADE_SQL = ", ".join(
    f"cast({made}, '{_SESSION[name].replace(chr(39), chr(92) + chr(39))}') as `{name}`"
    for name, made in _MADE.items()
)
_NAMES = ", ".join(f"`{name}`" for name in _SESSION)
_SESSIONS = (
    f"select {_NAMES}, 1 as team_id from ("  # noqa: S608 - our own names
    f"select {_MADE_SQL} from ({_EVENTS}) as events group by sid"
    f" union all select {_NAMES} from sessions final where team_id = {{team}})"
)

RECORDING = Stored(
    name="session_replay_events",
    key="session_id",
    columns="""
session_id String
distinct_id String
start_time DateTime64(6,'UTC')
end_time DateTime64(6,'UTC')
first_url Nullable(String)
all_urls Array(String)
click_count Int64
keypress_count Int64
mouse_activity_count Int64
active_milliseconds Int64
console_log_count Int64
console_warn_count Int64
console_error_count Int64
size Int64
event_count Int64
message_count Int64
snapshot_source Nullable(String)
snapshot_library Nullable(String)
retention_period_days Nullable(Int64)
is_deleted UInt8
ai_tags_fixed Array(String)
ai_tags_freeform Array(String)
ai_highlighted UInt8
surfacing_score Nullable(Float64)
_timestamp DateTime('UTC') default toDateTime(end_time)
""",
)

SHOWN = (
    Shown(name="sessions", stored=SESSION, source=_SESSIONS, resource="session"),
    Shown(
        name="session_replay_events",
        stored=RECORDING,
        lacking=frozenset({"_timestamp"}),
        resource="session_recording",
    ),
)
