-- The events with the person behind each: what somebody did before signing up is theirs.
with aliases as (
    select record ->> '$.properties."$anon_distinct_id"' as anonymous,
        any_value(distinct_id) as person
    from webhook where event = '$identify' group by anonymous
),
events as (
    select distinct on (uuid) uuid, event, timestamp, record,
        coalesce(person, distinct_id) as person
    from webhook left join aliases on distinct_id = anonymous
)
