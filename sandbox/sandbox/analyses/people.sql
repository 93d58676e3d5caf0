-- Each event once, with the person behind it: what they did before signing up is theirs.
-- Takes rows of an event's shape and of an activity's.
with told as (
    select distinct on (uuid) uuid, event, distinct_id, timestamp,
        case when json_valid(record)
            then coalesce(record -> '$.properties', record -> '$.feature_json')
        end as properties
    from webhook
),
aliases as (
    select properties ->> '$."$anon_distinct_id"' as anonymous,
        min(distinct_id) as person
    from told where event = '$identify' group by anonymous
),
events as (
    select told.*, coalesce(person, distinct_id) as person
    from told left join aliases on distinct_id = anonymous
)
