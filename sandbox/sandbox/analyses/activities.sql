-- Activity rows, each once, with the two columns that a row alone cannot fill.
with activities as (
    select distinct on (uuid) uuid as activity_id, timestamp as ts, event as activity,
        record ->> '$.customer' as customer,
        record ->> '$.anonymous_customer_id' as anonymous_customer_id,
        record -> '$.feature_json' as feature_json,
        (record ->> '$.revenue_impact')::decimal(18, 2) as revenue_impact,
        record ->> '$.link' as link
    from webhook where json_valid(record)
),
stream as (
    select *, row_number() over same as activity_occurrence,
        lead(ts) over same as activity_repeated_at
    from activities
    window same as (
        partition by coalesce(customer, anonymous_customer_id), activity
        order by ts, activity_id
    )
)
