-- Churn: of those who ever paid for a plan, who has cancelled, and who has fallen silent
, payers as (
    select person,
        arg_min(properties ->> '$.plan', timestamp)
            filter (event = 'purchase completed') as plan,
        bool_or(event = 'subscription cancelled') as cancelled,
        max(timestamp) < (select max(timestamp) from events) - interval 14 day as silent,
        datediff('day', min(timestamp) filter (event = 'purchase completed'),
            max(timestamp)) as days
    from events group by person
)
select plan, count(*) as "ever paid", count(*) filter (cancelled) as cancelled,
    count(*) filter (silent and not cancelled) as "silent for 14 days",
    printf('%.1f %%', 100.0 * count(*) filter (cancelled or silent) / count(*))
        as churn,
    round(avg(days), 1) as "days from first payment to last event"
from payers where plan is not null group by plan order by count(*) desc, plan
